"""aws:eks/addon:Addon."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.eks.base import SECONDS, PartOfCluster, pick
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_SENT = ("addonVersion", "configurationValues", "serviceAccountRoleArn")


class Addon(PartOfCluster):
    """CreateAddon, UpdateAddon, DescribeUpdate, DescribeAddon, DeleteAddon. Id: CLUSTER:ADDON."""

    TYPE = "aws:eks/addon:Addon"
    REPLACE_ON = frozenset({"addonName", "clusterName"})
    IN_PLACE = frozenset(
        {"preserve", "resolveConflictsOnCreate", "resolveConflictsOnUpdate", *_SENT}
    )
    COMPUTED = ("addonVersion", "arn", "configurationValues")
    OURS = frozenset({"preserve", "resolveConflictsOnCreate", "resolveConflictsOnUpdate"})
    FIELDS = MappingProxyType({"arn": "addonArn"})
    KIND = "add-on"
    FAILED = frozenset({"CREATE_FAILED", "UPDATE_FAILED", "DEGRADED"})
    JSON = frozenset({"configurationValues"})

    def create(self, inputs: Properties) -> str:
        self.client.create_addon(
            clusterName=inputs["clusterName"],
            addonName=inputs["addonName"],
            tags=inputs["tags"],
            resolveConflicts=inputs.get("resolveConflictsOnCreate") or "NONE",
            **pick(inputs, *_SENT),
        )
        return f"{inputs['clusterName']}:{inputs['addonName']}"

    def _get(self, addon_id: str) -> Any:
        return self.client.describe_addon(**_names(addon_id))["addon"]

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes & set(_SENT):
            names = _names(known.id)
            answer = self.client.update_addon(
                **names,
                resolveConflicts=inputs.get("resolveConflictsOnUpdate") or "NONE",
                **pick(inputs, *_SENT),
            )
            self.finish_update(
                answer["update"], name=names["clusterName"], addonName=names["addonName"]
            )

    def delete(self, known: Known) -> None:
        self.client.delete_addon(**_names(known.id), preserve=bool(known.get("preserve", False)))
        self.wait_gone(f"EKS add-on {known.id} is deleted", lambda: self._get(known.id), SECONDS)


def _names(addon_id: str) -> dict[str, str]:
    cluster, _, addon = addon_id.partition(":")
    return {"clusterName": cluster, "addonName": addon}
