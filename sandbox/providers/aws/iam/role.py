"""aws:iam/role:Role."""

from collections.abc import Set
from types import MappingProxyType

from sandbox.providers.aws.iam.base import TaggedIamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties, Value


class Role(TaggedIamResource):
    """CreateRole, UpdateRole, UpdateAssumeRolePolicy, {Put,Delete}RolePermissionsBoundary,
    {Put,Delete,List}RolePolic{y,ies}, {Attach,Detach}RolePolicy, ListAttachedRolePolicies,
    ListInstanceProfilesForRole, RemoveRoleFromInstanceProfile, GetRole, DeleteRole."""

    TYPE = "aws:iam/role:Role"
    REPLACE_ON = frozenset({"name", "path"})
    IN_PLACE = frozenset(
        {
            "assumeRolePolicy",
            "description",
            "forceDetachPolicies",
            "inlinePolicies",
            "managedPolicyArns",
            "maxSessionDuration",
            "permissionsBoundary",
        }
    )
    DEFAULTS = MappingProxyType(
        {"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False}
    )
    COMPUTED = ("arn", "createDate", "managedPolicyArns", "inlinePolicies", "uniqueId")
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

    def finish(self, known: Known) -> None:
        """The policies that the role itself lists; those of other resources stay."""
        name = known.id
        wanted = known.inputs.get("managedPolicyArns")
        if wanted is not None:
            present = self._attached(name)
            for arn in sorted(set(wanted) - present):
                self.client.attach_role_policy(RoleName=name, PolicyArn=arn)
            for arn in sorted(present - set(wanted)):
                self.client.detach_role_policy(RoleName=name, PolicyArn=arn)
        inline = known.inputs.get("inlinePolicies")
        if inline is not None:
            for policy in inline:
                self.client.put_role_policy(
                    RoleName=name, PolicyName=policy["name"], PolicyDocument=policy["policy"]
                )
            for left in self._inline(name) - {policy["name"] for policy in inline}:
                self.client.delete_role_policy(RoleName=name, PolicyName=left)

    def _attached(self, name: str) -> set[str]:
        answer = self.client.list_attached_role_policies(RoleName=name)
        return {policy["PolicyArn"] for policy in answer["AttachedPolicies"]}

    def _inline(self, name: str) -> set[str]:
        return set(self.client.list_role_policies(RoleName=name)["PolicyNames"])

    def read(self, known: Known) -> Properties | None:
        item = self.get(known.id)
        state: Properties = {
            "arn": item["Arn"],
            "name": item["RoleName"],
            "path": item["Path"],
            "uniqueId": item["RoleId"],
            "createDate": item["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "assumeRolePolicy": document(item["AssumeRolePolicyDocument"]),
            "description": item.get("Description") or None,
            "maxSessionDuration": item.get("MaxSessionDuration", 3600),
            "permissionsBoundary": (item.get("PermissionsBoundary") or {}).get(
                "PermissionsBoundaryArn"
            ),
            "tags": self.tags(item),
        }
        if "managedPolicyArns" in known.inputs:
            state["managedPolicyArns"] = sorted(self._attached(known.id))
        if "inlinePolicies" in known.inputs:
            state["inlinePolicies"] = [
                {"name": name, "policy": self._document(known.id, name)}
                for name in sorted(self._inline(known.id))
            ]
        return state

    def _document(self, role: str, policy: str) -> str:
        answer = self.client.get_role_policy(RoleName=role, PolicyName=policy)
        return document(answer["PolicyDocument"])

    def same(self, key: str, one: Value, other: Value) -> bool:
        if key == "inlinePolicies" and isinstance(one, list) and isinstance(other, list):
            ours, theirs = ({p["name"]: p["policy"] for p in side} for side in (one, other))
            return ours.keys() == theirs.keys() and all(
                super(Role, self).same("assumeRolePolicy", ours[name], theirs[name])
                for name in ours
            )
        return super().same(key, one, other)

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
        if known.get("forceDetachPolicies") or "managedPolicyArns" in known.inputs:
            for arn in self._attached(name):
                self.client.detach_role_policy(RoleName=name, PolicyArn=arn)
        if known.get("forceDetachPolicies") or "inlinePolicies" in known.inputs:
            for policy in self._inline(name):
                self.client.delete_role_policy(RoleName=name, PolicyName=policy)
        self.client.delete_role(RoleName=name)
