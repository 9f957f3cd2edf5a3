"""aws:iam/rolePolicy:RolePolicy, userPolicy and groupPolicy: policies inside their owner."""

from collections.abc import Set
from typing import Any, ClassVar

from sandbox.providers.aws.iam.base import IamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class _InlinePolicy(IamResource):
    """Id: OWNER:NAME."""

    OWNER: ClassVar[str]
    """`role`, `user` or `group`: the input, and the beginning of the API's parameter."""
    CALLS: ClassVar[tuple[str, str, str]]
    """The client's methods that put, get and delete."""

    IN_PLACE = frozenset({"policy"})
    JSON = frozenset({"policy"})
    NAME = "name"
    LONGEST_NAME = 128
    TAGGED = False

    def _call(self, number: int, resource_id: str, **more: str) -> Any:
        return getattr(self.client, self.CALLS[number])(**self._names(resource_id), **more)

    def _names(self, known_id: str) -> dict[str, str]:
        owner, _, name = known_id.rpartition(":")
        return {f"{self.OWNER.capitalize()}Name": owner, "PolicyName": name}

    def create(self, inputs: Properties) -> str:
        resource_id = f"{inputs[self.OWNER]}:{inputs['name']}"
        self._call(0, resource_id, PolicyDocument=inputs["policy"])
        return resource_id

    def read(self, known: Known) -> Properties | None:
        item = self._call(1, known.id)
        owner, _, name = known.id.rpartition(":")
        return {
            self.OWNER: owner,
            "name": name,
            "policy": document(item["PolicyDocument"]),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "policy" in changes:
            self._call(0, known.id, PolicyDocument=inputs["policy"])

    def delete(self, known: Known) -> None:
        self._call(2, known.id)


class RolePolicy(_InlinePolicy):
    """PutRolePolicy, GetRolePolicy, DeleteRolePolicy."""

    TYPE = "aws:iam/rolePolicy:RolePolicy"
    OWNER = "role"
    REPLACE_ON = frozenset({"name", "role"})
    CALLS = "put_role_policy", "get_role_policy", "delete_role_policy"


class UserPolicy(_InlinePolicy):
    """PutUserPolicy, GetUserPolicy, DeleteUserPolicy."""

    TYPE = "aws:iam/userPolicy:UserPolicy"
    OWNER = "user"
    REPLACE_ON = frozenset({"name", "user"})
    CALLS = "put_user_policy", "get_user_policy", "delete_user_policy"


class GroupPolicy(_InlinePolicy):
    """PutGroupPolicy, GetGroupPolicy, DeleteGroupPolicy."""

    TYPE = "aws:iam/groupPolicy:GroupPolicy"
    OWNER = "group"
    REPLACE_ON = frozenset({"group", "name"})
    CALLS = "put_group_policy", "get_group_policy", "delete_group_policy"
