"""aws:iam/rolePolicy:RolePolicy, userPolicy and groupPolicy: policies inside their owner."""

from collections.abc import Set
from typing import Any, ClassVar

from sandbox.providers.aws.iam.base import IamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class _InlinePolicy(IamResource):
    """Putting is idempotent, so that an unanswered request can just be made again.

    Id: OWNER:NAME.
    """

    OWNER: ClassVar[str]
    """`role`, `user` or `group`: the input, and part of every name of the API."""

    IN_PLACE = frozenset({"policy"})
    JSON = frozenset({"policy"})
    NAME = "name"
    LONGEST_NAME = 128
    TAGGED = False

    def put(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def get(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def drop(self) -> Any:
        raise NotImplementedError(self.TYPE)

    def _names(self, known_id: str) -> dict[str, str]:
        owner, _, name = known_id.rpartition(":")
        return {f"{self.OWNER.capitalize()}Name": owner, "PolicyName": name}

    def create(self, inputs: Properties) -> str:
        resource_id = f"{inputs[self.OWNER]}:{inputs['name']}"
        self.put()(**self._names(resource_id), PolicyDocument=inputs["policy"])
        return resource_id

    def read(self, known: Known) -> Properties | None:
        item = self.get()(**self._names(known.id))
        owner, _, name = known.id.rpartition(":")
        return {
            self.OWNER: owner,
            "name": name,
            "policy": document(item["PolicyDocument"]),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "policy" in changes:
            self.put()(**self._names(known.id), PolicyDocument=inputs["policy"])

    def delete(self, known: Known) -> None:
        self.drop()(**self._names(known.id))


class RolePolicy(_InlinePolicy):
    """PutRolePolicy, GetRolePolicy, DeleteRolePolicy."""

    TYPE = "aws:iam/rolePolicy:RolePolicy"
    OWNER = "role"
    REPLACE_ON = frozenset({"name", "role"})

    def put(self) -> Any:
        return self.client.put_role_policy

    def get(self) -> Any:
        return self.client.get_role_policy

    def drop(self) -> Any:
        return self.client.delete_role_policy


class UserPolicy(_InlinePolicy):
    """PutUserPolicy, GetUserPolicy, DeleteUserPolicy."""

    TYPE = "aws:iam/userPolicy:UserPolicy"
    OWNER = "user"
    REPLACE_ON = frozenset({"name", "user"})

    def put(self) -> Any:
        return self.client.put_user_policy

    def get(self) -> Any:
        return self.client.get_user_policy

    def drop(self) -> Any:
        return self.client.delete_user_policy


class GroupPolicy(_InlinePolicy):
    """PutGroupPolicy, GetGroupPolicy, DeleteGroupPolicy."""

    TYPE = "aws:iam/groupPolicy:GroupPolicy"
    OWNER = "group"
    REPLACE_ON = frozenset({"group", "name"})

    def put(self) -> Any:
        return self.client.put_group_policy

    def get(self) -> Any:
        return self.client.get_group_policy

    def drop(self) -> Any:
        return self.client.delete_group_policy
