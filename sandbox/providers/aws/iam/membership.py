"""aws:iam/groupMembership:GroupMembership and aws:iam/userGroupMembership:UserGroupMembership."""

from collections.abc import Iterable, Set

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.refusals import absent
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class _Membership(IamResource):
    """Adding a user to a group is idempotent."""

    TAGGED = False

    def _add(self, pairs: Iterable[tuple[str, str]]) -> None:
        for user, group in sorted(pairs):
            self.client.add_user_to_group(UserName=user, GroupName=group)

    def _remove(self, pairs: Iterable[tuple[str, str]]) -> None:
        for user, group in sorted(pairs):
            with absent():
                self.client.remove_user_from_group(UserName=user, GroupName=group)


class GroupMembership(_Membership):
    """AddUserToGroup, RemoveUserFromGroup, GetGroup. All members of a group; id: its name
    of the resource's own."""

    TYPE = "aws:iam/groupMembership:GroupMembership"
    REPLACE_ON = frozenset({"group", "name"})
    IN_PLACE = frozenset({"users"})
    NAME = "name"

    def create(self, inputs: Properties) -> str:
        self._add((user, inputs["group"]) for user in inputs["users"])
        return str(inputs["name"])

    def read(self, known: Known) -> Properties | None:
        group = known.get("group")
        if group is None:
            # The id does not say which group: the real provider can not import it either.
            return None
        users = self.client.get_group(GroupName=group)["Users"]
        if not users:
            return None
        return {
            "name": known.get("name", known.id),
            "group": group,
            "users": sorted(user["UserName"] for user in users),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        old, new = set(known.inputs["users"]), set(inputs["users"])
        group = inputs["group"]
        self._add((user, group) for user in new - old)
        self._remove((user, group) for user in old - new)

    def delete(self, known: Known) -> None:
        self._remove((user, known.get("group")) for user in known.get("users", []))


class UserGroupMembership(_Membership):
    """AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser. Leaves other groups alone.

    Id: USER/GROUP[/GROUP...], which is also what is imported.
    """

    TYPE = "aws:iam/userGroupMembership:UserGroupMembership"
    REPLACE_ON = frozenset({"user"})
    IN_PLACE = frozenset({"groups"})

    def create(self, inputs: Properties) -> str:
        user = inputs["user"]
        self._add((user, group) for group in inputs["groups"])
        return "/".join([user, *sorted(inputs["groups"])])

    def read(self, known: Known) -> Properties | None:
        user, *named = known.id.split("/")
        groups = self.client.list_groups_for_user(UserName=user)["Groups"]
        present = {group["GroupName"] for group in groups}
        kept = sorted(present & set(known.get("groups", named)))
        return {"user": user, "groups": kept} if kept else None

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        old, new = set(known.inputs["groups"]), set(inputs["groups"])
        user = inputs["user"]
        self._add((user, group) for group in new - old)
        self._remove((user, group) for group in old - new)

    def delete(self, known: Known) -> None:
        user = known.id.partition("/")[0]
        self._remove((user, group) for group in known.get("groups", []))
