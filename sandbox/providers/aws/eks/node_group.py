"""aws:eks/nodeGroup:NodeGroup."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.eks.base import SECONDS, PartOfCluster, pick
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class NodeGroup(PartOfCluster):
    """CreateNodegroup, UpdateNodegroupConfig, UpdateNodegroupVersion, DescribeUpdate,
    DescribeNodegroup, DeleteNodegroup. Id: CLUSTER:NAME."""

    TYPE = "aws:eks/nodeGroup:NodeGroup"
    REPLACE_ON = frozenset(
        {
            "amiType",
            "capacityType",
            "clusterName",
            "diskSize",
            "instanceTypes",
            "nodeGroupName",
            "nodeRoleArn",
            "subnetIds",
        }
    )
    IN_PLACE = frozenset(
        {
            "forceUpdateVersion",
            "labels",
            "releaseVersion",
            "scalingConfig",
            "taints",
            "version",
        }
    )
    KIND = "node group"
    FAILED = frozenset({"CREATE_FAILED", "DEGRADED", "DELETE_FAILED"})
    COMPUTED = (
        "amiType",
        "arn",
        "capacityType",
        "diskSize",
        "instanceTypes",
        "releaseVersion",
        "status",
        "version",
    )
    OURS = frozenset({"forceUpdateVersion"})
    FIELDS = MappingProxyType(
        {
            "arn": "nodegroupArn",
            "nodeGroupName": "nodegroupName",
            "nodeRoleArn": "nodeRole",
            "subnetIds": "subnets",
        }
    )
    ORDERED = frozenset({"instanceTypes"})
    NAME = "nodeGroupName"

    def create(self, inputs: Properties) -> str:
        self.client.create_nodegroup(
            clusterName=inputs["clusterName"],
            nodegroupName=inputs["nodeGroupName"],
            nodeRole=inputs["nodeRoleArn"],
            subnets=inputs["subnetIds"],
            scalingConfig=inputs["scalingConfig"],
            tags=inputs["tags"],
            **pick(
                inputs,
                "amiType",
                "capacityType",
                "diskSize",
                "instanceTypes",
                "labels",
                "releaseVersion",
                "taints",
                "version",
            ),
        )
        return f"{inputs['clusterName']}:{inputs['nodeGroupName']}"

    def _get(self, group_id: str) -> Any:
        return self.client.describe_nodegroup(**_names(group_id))["nodegroup"]

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        names = _names(known.id)
        if changes & {"version", "releaseVersion"}:
            answer = self.client.update_nodegroup_version(
                **names,
                force=bool(inputs.get("forceUpdateVersion")),
                **pick(inputs, "releaseVersion", "version"),
            )
            self._finished(known, answer)
        if changes & {"labels", "scalingConfig", "taints"}:
            # Only where it was changed, as the real provider does: it has a size in it that may be another by now.
            config = pick(inputs, "scalingConfig") if "scalingConfig" in changes else {}
            old, new = (side.get("labels") or {} for side in (known.inputs, inputs))
            if old != new:
                gone = sorted(old.keys() - new.keys())
                config["labels"] = {"addOrUpdateLabels": new, "removeLabels": gone}
            before, after = (side.get("taints") or [] for side in (known.inputs, inputs))
            if before != after:
                removed = [taint for taint in before if taint not in after]
                config["taints"] = {"addOrUpdateTaints": after, "removeTaints": removed}
            self._finished(known, self.client.update_nodegroup_config(**names, **config))

    def _finished(self, known: Known, answer: Any) -> None:
        cluster, _, group = known.id.partition(":")
        self.finish_update(answer["update"], name=cluster, nodegroupName=group)

    def delete(self, known: Known) -> None:
        self.client.delete_nodegroup(**_names(known.id))
        self.wait_gone(
            f"EKS node group {known.id} is deleted", lambda: self._get(known.id), SECONDS
        )


def _names(group_id: str) -> dict[str, str]:
    cluster, _, group = group_id.partition(":")
    return {"clusterName": cluster, "nodegroupName": group}
