"""aws:iam/rolePolicyAttachment:RolePolicyAttachment, and the same for groups."""

from typing import Any, ClassVar

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class _PolicyAttachment(IamResource):
    """Id: OWNER/ARN."""

    OWNER: ClassVar[str]
    """`role` or `group`: the input, and the beginning of the API's parameter."""
    CALLS: ClassVar[tuple[str, str, str]]
    """The client's methods that attach, list what is attached, and detach."""

    TAGGED = False

    def _call(self, number: int, owner: str, **more: str) -> Any:
        names = {f"{self.OWNER.capitalize()}Name": owner}
        return getattr(self.client, self.CALLS[number])(**names, **more)

    def create(self, inputs: Properties) -> str:
        owner, arn = inputs[self.OWNER], inputs["policyArn"]
        self._call(0, owner, PolicyArn=arn)
        return f"{owner}/{arn}"

    def read(self, known: Known) -> Properties | None:
        owner, _, arn = known.id.partition("/")
        answer = self._call(1, owner)
        if arn not in {policy["PolicyArn"] for policy in answer["AttachedPolicies"]}:
            return None
        return {self.OWNER: owner, "policyArn": arn}

    def delete(self, known: Known) -> None:
        owner, _, arn = known.id.partition("/")
        self._call(2, owner, PolicyArn=arn)


class RolePolicyAttachment(_PolicyAttachment):
    """AttachRolePolicy, ListAttachedRolePolicies, DetachRolePolicy."""

    TYPE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    OWNER = "role"
    REPLACE_ON = frozenset({"policyArn", "role"})
    CALLS = "attach_role_policy", "list_attached_role_policies", "detach_role_policy"


class GroupPolicyAttachment(_PolicyAttachment):
    """AttachGroupPolicy, ListAttachedGroupPolicies, DetachGroupPolicy."""

    TYPE = "aws:iam/groupPolicyAttachment:GroupPolicyAttachment"
    OWNER = "group"
    REPLACE_ON = frozenset({"group", "policyArn"})
    CALLS = "attach_group_policy", "list_attached_group_policies", "detach_group_policy"
