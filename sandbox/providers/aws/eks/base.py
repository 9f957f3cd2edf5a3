"""The base of EKS's resources: tags by ARN, and updates that take a while."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from sandbox.errors import CloudError
from sandbox.providers.aws.resource import EMPTY, Known, Resource
from sandbox.providers.aws.tags import visible
from sandbox.wire.values import Properties

SECONDS = 1800.0
"""As long as the real provider waits for a cluster."""


class EksResource(Resource):
    """EKS writes its settings in camel case, as Pulumi does."""

    SERVICE = "eks"

    OURS: ClassVar[frozenset[str]] = frozenset()
    """Inputs that EKS does not describe."""

    def described(self, item: Mapping[str, Any]) -> Properties:
        """All but those that FIELDS names have one name on both sides."""
        names = self.REPLACE_ON.union(self.IN_PLACE, self.COMPUTED) - self.OURS
        state = {key: item.get(self.FIELDS.get(key, key)) for key in sorted(names)}
        plain = {key: None if value in EMPTY else value for key, value in state.items()}
        return plain | {"tags": visible(item.get("tags"))}

    def tagged_arn(self, known: Known) -> str:
        """The ARN that its tags hang on."""
        return str(known.get("arn"))

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        arn = self.tagged_arn(known)
        if add:
            self.client.tag_resource(resourceArn=arn, tags=dict(add))
        if remove:
            self.client.untag_resource(resourceArn=arn, tagKeys=list(remove))

    def finish_update(self, update: Mapping[str, Any], **names: str) -> None:
        """Wait until the update that a call began has succeeded."""
        update_id = update["id"]

        def successful() -> bool | None:
            now = self.client.describe_update(updateId=update_id, **names)["update"]
            if now["status"] in ("Failed", "Cancelled"):
                raise CloudError(
                    f"EKS could not finish {now.get('type', 'an update')}",
                    "\n".join(e.get("errorMessage", "") for e in now.get("errors", [])),
                )
            return True if now["status"] == "Successful" else None

        if update.get("status") != "Successful":
            self.aws.wait(f"EKS update {update_id} succeeds", successful, SECONDS)


class PartOfCluster(EksResource):
    """A resource of a cluster that has a `status`."""

    KIND = ""
    """What people call it in an error."""

    FAILED: frozenset[str] = frozenset()
    """The statuses from which it does not become active by itself."""

    def _get(self, resource_id: str) -> Any:
        """As EKS describes it."""
        # Each kind has a call of its own.
        raise NotImplementedError

    def read(self, known: Known) -> Properties | None:
        item = self._get(known.id)
        return None if item["status"] == "DELETING" else self.described(item)

    def finish(self, known: Known) -> None:
        def active() -> bool | None:
            item = self._get(known.id)
            if item["status"] in self.FAILED:
                raise CloudError(f"EKS {self.KIND} {known.id}: {item['status']}", issues(item))
            return True if item["status"] == "ACTIVE" else None

        self.aws.wait(f"EKS {self.KIND} {known.id} becomes active", active, SECONDS)


def issues(item: Mapping[str, Any]) -> str:
    """Why a node group or add-on is not well, in AWS's words."""
    found = (item.get("health") or {}).get("issues") or []
    return "\n".join(f"{issue.get('code')}: {issue.get('message')}" for issue in found)


def pick(inputs: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Those of `keys` that are set: optional parameters of a call."""
    return {key: inputs[key] for key in keys if inputs.get(key) not in EMPTY}
