"""aws:iam/group:Group."""

from collections.abc import Set
from types import MappingProxyType

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class Group(IamResource):
    """CreateGroup, UpdateGroup, GetGroup, DeleteGroup. Groups have no tags."""

    TYPE = "aws:iam/group:Group"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"path"})
    DEFAULTS = MappingProxyType({"path": "/"})
    COMPUTED = ("arn", "uniqueId")
    FIELDS = MappingProxyType(
        {"arn": "Arn", "name": "GroupName", "path": "Path", "uniqueId": "GroupId"}
    )
    NAME = "name"
    LONGEST_NAME = 128
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        self.client.create_group(GroupName=inputs["name"], Path=inputs["path"])
        return str(inputs["name"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.global_arn(f"group{inputs['path']}{inputs['name']}")}

    def read(self, known: Known) -> Properties | None:
        return self.described(self.client.get_group(GroupName=known.id)["Group"])

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "path" in changes:
            self.client.update_group(GroupName=known.id, NewPath=inputs["path"])

    def delete(self, known: Known) -> None:
        self.client.delete_group(GroupName=known.id)
