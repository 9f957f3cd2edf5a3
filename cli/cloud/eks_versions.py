"""What EKS says of a cluster's versions: of the control plane, the node groups and the add-ons, and what it sees in
the way of the next one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.cloud.eks import SERVICE
from cli.cloud.errors import translated, unless_gone
from cli.cloud.resource import Client, everything

ACTIVE = "ACTIVE"
AT_WORK = ("CREATING", "UPDATING")
"""The statuses of what EKS will be through with by itself."""


@dataclass(frozen=True)
class NodeGroup:
    """A group of nodes that EKS manages, and replaces in an upgrade."""

    name: str
    version: str
    status: str
    nodes: int
    """How many it is to have."""

    issues: tuple[str, ...] = ()


@dataclass(frozen=True)
class Addon:
    """An add-on of EKS."""

    name: str
    version: str
    status: str
    issues: tuple[str, ...] = ()


@dataclass(frozen=True)
class EksVersions:
    """A cluster, as EKS has it."""

    version: str
    status: str
    node_groups: tuple[NodeGroup, ...] = ()
    addons: tuple[Addon, ...] = ()

    @property
    def at_work(self) -> list[str]:
        """What of it EKS is changing now."""
        parts = [
            ("the control plane", self.status),
            *((f"node group {group.name}", group.status) for group in self.node_groups),
            *((f"add-on {addon.name}", addon.status) for addon in self.addons),
        ]
        return [name for name, status in parts if status in AT_WORK]


def versions_of(client: Client, cluster: str) -> EksVersions | None:
    """None if there is no such cluster."""
    eks = client(SERVICE)
    with translated(f"show the cluster {cluster}"):
        answer = unless_gone(eks.describe_cluster, name=cluster)
        if answer is None:
            return None
        groups = [
            eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"]
            for name in everything(eks, "list_nodegroups", "nodegroups", clusterName=cluster)
        ]
        addons = [
            eks.describe_addon(clusterName=cluster, addonName=name)["addon"]
            for name in everything(eks, "list_addons", "addons", clusterName=cluster)
        ]
    found = answer["cluster"]
    return EksVersions(
        str(found.get("version", "")),
        str(found.get("status", "")),
        tuple(
            NodeGroup(
                group["nodegroupName"],
                str(group.get("version", "")),
                group["status"],
                int((group.get("scalingConfig") or {}).get("desiredSize", 0)),
                _issues(group),
            )
            for group in groups
        ),
        tuple(
            Addon(addon["addonName"], addon["addonVersion"], addon["status"], _issues(addon))
            for addon in addons
        ),
    )


def fitting_addons(client: Client, addon: str, kubernetes: str) -> list[str]:
    """The versions of an add-on that fit one of Kubernetes, the newest first."""
    with translated(f"list the versions of the add-on {addon}"):
        return [
            str(version["addonVersion"])
            for found in everything(
                client(SERVICE),
                "describe_addon_versions",
                "addons",
                addonName=addon,
                kubernetesVersion=kubernetes,
            )
            for version in found["addonVersions"]
        ]


def insights(client: Client, cluster: str, kubernetes: str) -> list[tuple[str, str, bool]]:
    """What EKS sees in the way of a version: name, reason, and whether it is an error."""
    asked = {
        "categories": ["UPGRADE_READINESS"],
        "kubernetesVersions": [kubernetes],
        "statuses": ["ERROR", "WARNING"],
    }
    with translated("list what EKS sees in the way of an upgrade"):
        found = everything(
            client(SERVICE), "list_insights", "insights", clusterName=cluster, filter=asked
        )
        return [
            (
                str(each["name"]),
                str(each["insightStatus"].get("reason", "")),
                each["insightStatus"]["status"] == "ERROR",
            )
            for each in found
        ]


def _issues(item: Mapping[str, Any]) -> tuple[str, ...]:
    found = (item.get("health") or {}).get("issues") or ()
    return tuple(f"{issue.get('code')}: {issue.get('message')}" for issue in found)
