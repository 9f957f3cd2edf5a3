"""aws:iam/userGroupMembership:UserGroupMembership."""

from collections.abc import Iterable, Set

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.refusals import absent
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class UserGroupMembership(IamResource):
    """AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser. Leaves other groups alone.

    Id: USER/GROUP[/GROUP...], which is also what is imported.
    """

    TYPE = "aws:iam/userGroupMembership:UserGroupMembership"
    REPLACE_ON = frozenset({"user"})
    IN_PLACE = frozenset({"groups"})
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        self._add(inputs["user"], inputs["groups"])
        return "/".join([inputs["user"], *sorted(inputs["groups"])])

    def _add(self, user: str, groups: Iterable[str]) -> None:
        """Adding a user to a group is idempotent."""
        for group in sorted(groups):
            self.client.add_user_to_group(UserName=user, GroupName=group)

    def _remove(self, user: str, groups: Iterable[str]) -> None:
        for group in sorted(groups):
            with absent():
                self.client.remove_user_from_group(UserName=user, GroupName=group)

    def read(self, known: Known) -> Properties | None:
        user, *named = known.id.split("/")
        groups = self.client.list_groups_for_user(UserName=user)["Groups"]
        present = {group["GroupName"] for group in groups}
        kept = sorted(present & set(known.get("groups", named)))
        return {"user": user, "groups": kept} if kept else None

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        old, new = set(known.inputs["groups"]), set(inputs["groups"])
        self._add(inputs["user"], new - old)
        self._remove(inputs["user"], old - new)

    def delete(self, known: Known) -> None:
        self._remove(known.id.partition("/")[0], known.get("groups", []))
