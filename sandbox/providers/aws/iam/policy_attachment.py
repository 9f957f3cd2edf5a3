"""aws:iam/rolePolicyAttachment:RolePolicyAttachment, and the same for users and groups."""

from typing import Any, ClassVar

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class _PolicyAttachment(IamResource):
    """Attaching is idempotent. Id: OWNER/ARN."""

    OWNER: ClassVar[str]
    """`role`, `user` or `group`."""

    TAGGED = False

    def attach(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def attached(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def detach(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def _owner(self, name: str) -> dict[str, str]:
        return {f"{self.OWNER.capitalize()}Name": name}

    def create(self, inputs: Properties) -> str:
        owner, arn = inputs[self.OWNER], inputs["policyArn"]
        self.attach()(**self._owner(owner), PolicyArn=arn)
        return f"{owner}/{arn}"

    def read(self, known: Known) -> Properties | None:
        owner, _, arn = known.id.partition("/")
        answer = self.attached()(**self._owner(owner))
        if arn not in {policy["PolicyArn"] for policy in answer["AttachedPolicies"]}:
            return None
        return {self.OWNER: owner, "policyArn": arn}

    def delete(self, known: Known) -> None:
        owner, _, arn = known.id.partition("/")
        self.detach()(**self._owner(owner), PolicyArn=arn)


class RolePolicyAttachment(_PolicyAttachment):
    """AttachRolePolicy, ListAttachedRolePolicies, DetachRolePolicy."""

    TYPE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    OWNER = "role"
    REPLACE_ON = frozenset({"policyArn", "role"})

    def attach(self) -> Any:
        return self.client.attach_role_policy

    def attached(self) -> Any:
        return self.client.list_attached_role_policies

    def detach(self) -> Any:
        return self.client.detach_role_policy


class UserPolicyAttachment(_PolicyAttachment):
    """AttachUserPolicy, ListAttachedUserPolicies, DetachUserPolicy."""

    TYPE = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
    OWNER = "user"
    REPLACE_ON = frozenset({"policyArn", "user"})

    def attach(self) -> Any:
        return self.client.attach_user_policy

    def attached(self) -> Any:
        return self.client.list_attached_user_policies

    def detach(self) -> Any:
        return self.client.detach_user_policy


class GroupPolicyAttachment(_PolicyAttachment):
    """AttachGroupPolicy, ListAttachedGroupPolicies, DetachGroupPolicy."""

    TYPE = "aws:iam/groupPolicyAttachment:GroupPolicyAttachment"
    OWNER = "group"
    REPLACE_ON = frozenset({"group", "policyArn"})

    def attach(self) -> Any:
        return self.client.attach_group_policy

    def attached(self) -> Any:
        return self.client.list_attached_group_policies

    def detach(self) -> Any:
        return self.client.detach_group_policy
