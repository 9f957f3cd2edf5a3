"""The base of EC2's resources: one way to describe and to tag."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties

_GONE = frozenset({"deleted", "deleting", "terminated", "shutting-down", "failed"})


class Ec2Resource(Resource):
    """Names its API calls as data: what describes it, where the answer is, what the id is."""

    SERVICE = "ec2"

    DESCRIBE: ClassVar[str]
    """The client's method, such as `describe_vpcs`."""
    ITEMS: ClassVar[str]
    """The key of the list in its answer."""
    ID: ClassVar[str]
    """The key of the id in an item; with an s it is the method's parameter."""
    KIND: ClassVar[str]
    """EC2's word for the type in tag specifications."""

    def describe(self, resource_id: str) -> Any | None:
        """The one item with this id, unless it is on its way out."""
        answer = getattr(self.client, self.DESCRIBE)(**{f"{self.ID}s": [resource_id]})
        return self._alive(answer[self.ITEMS])

    def _alive(self, items: list[Any]) -> Any | None:
        for item in items:
            if str(item.get("State", "")).lower() not in _GONE:
                return item
        return None

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        arn = {"arn": self.arn(known.id)} if "arn" in self.COMPUTED else {}
        tags = {"tags": from_list(item.get("Tags"))}
        return arn | tags | self.described(item) | self.details(known, item)

    def details(self, known: Known, item: Any) -> Properties:
        """The part of the state that has another form than EC2 gives it."""
        return {}

    def tagged(self, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The TagSpecifications of a creating call."""
        if not inputs["tags"]:
            return []
        return [{"ResourceType": self.KIND, "Tags": to_list(inputs["tags"])}]

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        if add:
            self.client.create_tags(Resources=[known.id], Tags=to_list(add))
        if remove:
            self.client.delete_tags(Resources=[known.id], Tags=[{"Key": key} for key in remove])

    def arn(self, resource_id: str) -> str:
        return self.aws.arn("ec2", f"{self.KIND}/{resource_id}")
