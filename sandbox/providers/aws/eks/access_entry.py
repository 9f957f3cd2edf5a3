"""aws:eks/accessEntry:AccessEntry."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.eks.base import EksResource, pick
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class AccessEntry(EksResource):
    """CreateAccessEntry, UpdateAccessEntry, DescribeAccessEntry, DeleteAccessEntry.
    Id: CLUSTER:PRINCIPAL."""

    TYPE = "aws:eks/accessEntry:AccessEntry"
    REPLACE_ON = frozenset({"clusterName", "principalArn", "type"})
    IN_PLACE = frozenset({"kubernetesGroups", "userName"})
    DEFAULTS = MappingProxyType({"type": "STANDARD"})
    COMPUTED = ("accessEntryArn", "kubernetesGroups", "userName")
    FIELDS = MappingProxyType({"userName": "username"})

    def create(self, inputs: Properties) -> str:
        self.client.create_access_entry(
            clusterName=inputs["clusterName"],
            principalArn=inputs["principalArn"],
            type=inputs["type"],
            tags=inputs["tags"],
            **pick(inputs, "kubernetesGroups"),
            **({"username": inputs["userName"]} if inputs.get("userName") else {}),
        )
        return f"{inputs['clusterName']}:{inputs['principalArn']}"

    def _get(self, entry_id: str) -> Any:
        return self.client.describe_access_entry(**_names(entry_id))["accessEntry"]

    def tagged_arn(self, known: Known) -> str:
        return str(known.get("accessEntryArn"))

    def read(self, known: Known) -> Properties | None:
        return self.described(self._get(known.id))

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            name = {"username": inputs["userName"]} if inputs.get("userName") else {}
            self.client.update_access_entry(
                **_names(known.id),
                kubernetesGroups=inputs.get("kubernetesGroups") or [],
                **name,
            )

    def delete(self, known: Known) -> None:
        self.client.delete_access_entry(**_names(known.id))


def _names(entry_id: str) -> dict[str, str]:
    cluster, _, principal = entry_id.partition(":")
    return {"clusterName": cluster, "principalArn": principal}
