"""aws:iam/role:Role."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import TaggedIamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties


class Role(TaggedIamResource):
    """CreateRole, UpdateRole, UpdateAssumeRolePolicy, {Put,Delete}RolePermissionsBoundary,
    ListInstanceProfilesForRole, RemoveRoleFromInstanceProfile, GetRole, DeleteRole."""

    TYPE = "aws:iam/role:Role"
    REPLACE_ON = frozenset({"name", "path"})
    IN_PLACE = frozenset(
        {
            "assumeRolePolicy",
            "description",
            "maxSessionDuration",
            "permissionsBoundary",
        }
    )
    DEFAULTS = MappingProxyType({"path": "/", "maxSessionDuration": 3600})
    COMPUTED = ("arn", "uniqueId")
    FIELDS = MappingProxyType(
        {
            "arn": "Arn",
            "description": "Description",
            "maxSessionDuration": "MaxSessionDuration",
            "name": "RoleName",
            "path": "Path",
            "uniqueId": "RoleId",
        }
    )
    JSON = frozenset({"assumeRolePolicy"})
    NAME = "name"
    GET, TAG, KEY = ("get_role", "Role"), ("tag_role", "untag_role"), "RoleName"

    def create(self, inputs: Properties) -> str:
        optional = {
            "Description": inputs.get("description"),
            "PermissionsBoundary": inputs.get("permissionsBoundary"),
        }
        self.client.create_role(
            RoleName=inputs["name"],
            Path=inputs["path"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            MaxSessionDuration=inputs["maxSessionDuration"],
            Tags=to_list(inputs["tags"]),
            **{k: v for k, v in optional.items() if v},
        )
        return str(inputs["name"])

    def details(self, item: Mapping[str, Any]) -> Properties:
        boundary = item.get("PermissionsBoundary") or {}
        return {
            "assumeRolePolicy": document(item["AssumeRolePolicyDocument"]),
            "permissionsBoundary": boundary.get("PermissionsBoundaryArn"),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        name = known.id
        if "assumeRolePolicy" in changes:
            self.client.update_assume_role_policy(
                RoleName=name, PolicyDocument=inputs["assumeRolePolicy"]
            )
        if changes & {"description", "maxSessionDuration"}:
            self.client.update_role(
                RoleName=name,
                Description=inputs.get("description") or "",
                MaxSessionDuration=inputs["maxSessionDuration"],
            )
        if "permissionsBoundary" in changes:
            if inputs.get("permissionsBoundary"):
                self.client.put_role_permissions_boundary(
                    RoleName=name, PermissionsBoundary=inputs["permissionsBoundary"]
                )
            else:
                self.client.delete_role_permissions_boundary(RoleName=name)

    def delete(self, known: Known) -> None:
        name = known.id
        profiles = self.client.list_instance_profiles_for_role(RoleName=name)
        for profile in profiles["InstanceProfiles"]:
            self.client.remove_role_from_instance_profile(
                RoleName=name, InstanceProfileName=profile["InstanceProfileName"]
            )
        self.client.delete_role(RoleName=name)
