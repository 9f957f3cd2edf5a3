"""aws:iam/user:User."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import TaggedIamResource
from sandbox.providers.aws.refusals import absent
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties


class User(TaggedIamResource):
    """CreateUser, UpdateUser, GetUser, DeleteUser; with forceDestroy also ListAccessKeys, DeleteAccessKey, DeleteLoginProfile, ListGroupsForUser,
    RemoveUserFromGroup, ListUserPolicies, DeleteUserPolicy, ListAttachedUserPolicies,
    DetachUserPolicy, ListMFADevices, DeactivateMFADevice."""

    TYPE = "aws:iam/user:User"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"forceDestroy", "path", "permissionsBoundary"})
    DEFAULTS = MappingProxyType({"forceDestroy": False, "path": "/"})
    COMPUTED = ("arn", "uniqueId")
    FIELDS = MappingProxyType(
        {"arn": "Arn", "name": "UserName", "path": "Path", "uniqueId": "UserId"}
    )
    NAME = "name"
    GET, TAG, KEY = ("get_user", "User"), ("tag_user", "untag_user"), "UserName"

    def create(self, inputs: Properties) -> str:
        boundary = inputs.get("permissionsBoundary")
        self.client.create_user(
            UserName=inputs["name"],
            Path=inputs["path"],
            Tags=to_list(inputs["tags"]),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )
        return str(inputs["name"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.global_arn(f"user{inputs['path']}{inputs['name']}")}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "path" in changes:
            self.client.update_user(UserName=known.id, NewPath=inputs["path"])
        if "permissionsBoundary" in changes:
            if inputs.get("permissionsBoundary"):
                self.client.put_user_permissions_boundary(
                    UserName=known.id, PermissionsBoundary=inputs["permissionsBoundary"]
                )
            else:
                self.client.delete_user_permissions_boundary(UserName=known.id)

    def details(self, item: Mapping[str, Any]) -> Properties:
        boundary = item.get("PermissionsBoundary") or {}
        return {"permissionsBoundary": boundary.get("PermissionsBoundaryArn")}

    def delete(self, known: Known) -> None:
        if known.get("forceDestroy"):
            self._strip(known.id)
        self.client.delete_user(UserName=known.id)

    def _strip(self, name: str) -> None:
        """Everything that would keep AWS from deleting the user."""
        iam = self.client
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        with absent():
            iam.delete_login_profile(UserName=name)
        for group in iam.list_groups_for_user(UserName=name)["Groups"]:
            iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
