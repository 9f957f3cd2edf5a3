"""A cluster as it is now, asked of EKS and of Kubernetes, and what of it has not come to a version yet.

Pulumi's state is not asked: it tells what the last run believed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.cloud import eks_versions
from cli.cloud.eks_versions import ACTIVE, Addon, EksVersions
from cli.cloud.kubernetes import Kubernetes, Object
from cli.cloud.resource import Client
from infra.contract import versions

OF_EKS = "eks.amazonaws.com/nodegroup"
OF_KARPENTER = "karpenter.sh/nodepool"


@dataclass(frozen=True)
class Node:
    """One that has joined."""

    name: str
    kubelet: str
    """As in `v1.35.4-eks-3c60543`."""

    group: str
    """That of EKS; empty for others."""

    karpenter: bool
    """Whether it is Karpenter's, who replaces it in time, and never under a running task."""

    cordoned: bool = False
    """Whether nothing is to start there any more."""

    @classmethod
    def of(cls, item: Object) -> "Node":
        labels: Mapping[str, Any] = item["metadata"].get("labels") or {}
        info = (item.get("status") or {}).get("nodeInfo") or {}
        return cls(
            str(item["metadata"]["name"]),
            str(info.get("kubeletVersion", "")),
            str(labels.get(OF_EKS, "")),
            OF_KARPENTER in labels,
            bool((item.get("spec") or {}).get("unschedulable")),
        )

    def older_than(self, version: str) -> bool:
        return bool(self.kubelet) and versions.minor(self.kubelet) < versions.minor(version)


@dataclass(frozen=True)
class AddonPlan:
    """An add-on, and what it is to become."""

    now: Addon
    newest: str
    """The newest version that fits; empty if EKS knows none."""

    fits: bool
    """Whether the version that runs does."""

    own: bool
    """Whether the kit has made it; others are left as they are."""

    def data(self) -> dict[str, Any]:
        return {
            "name": self.now.name,
            "version": self.now.version,
            "newest": self.newest,
            "fits": self.fits,
            "own": self.own,
            "status": self.now.status,
        }


@dataclass(frozen=True)
class World:
    """A cluster, seen with a version in mind."""

    eks: EksVersions
    target: str
    addons: Sequence[AddonPlan] = ()
    nodes: Sequence[Node] = field(default_factory=tuple)

    @property
    def karpenters(self) -> list[Node]:
        """Karpenter's nodes that are older."""
        return [node for node in self.nodes if node.karpenter and node.older_than(self.target)]

    @property
    def moves_nodes(self) -> bool:
        """Whether EKS has nodes to replace."""
        return any(_older(group.version, self.target) for group in self.eks.node_groups)

    @property
    def moving(self) -> set[str]:
        """The nodes that EKS replaces."""
        return {node.name for node in self.nodes if node.group and node.older_than(self.target)}

    def behind(self) -> list[str]:
        """What has not come to the version, each with how it is. Karpenter's nodes follow in time and are not counted."""
        return list(self._behind())

    def _behind(self) -> Iterator[str]:
        eks = self.eks
        if eks.version != self.target or eks.status != ACTIVE:
            yield f"the control plane: {eks.version}, {eks.status}"
        for group in eks.node_groups:
            if _older(group.version, self.target) or group.status != ACTIVE:
                yield f"node group {group.name}: {group.version}, {_why(group.status, group.issues)}"
        for node in self.nodes:
            if node.older_than(self.target) and not node.karpenter:
                yield f"node {node.name}: kubelet {node.kubelet}"
        for addon in self.addons:
            if not addon.own:
                continue
            if not addon.fits or addon.now.status != ACTIVE:
                how = _why(addon.now.status, addon.now.issues)
                yield f"add-on {addon.now.name}: {addon.now.version}, {how}"

    def unfinished(self) -> list[str]:
        """The same, and the kit's add-ons that have a newer version: an upgrade that was cut short leaves them as they were."""
        old = [
            f"add-on {addon.now.name}: {addon.now.version}, {addon.newest} is the newest"
            for addon in self.addons
            if addon.own and addon.fits and addon.newest != addon.now.version
        ]
        return [*self.behind(), *old]


def look(
    eks: EksVersions, client: Client, kubernetes: Kubernetes, target: str, own: Collection[str]
) -> World:
    """A cluster that EKS has shown. `own`: the names of the kit's add-ons."""
    planned = []
    for addon in eks.addons:
        fitting = eks_versions.fitting_addons(client, addon.name, target)
        newest = fitting[0] if fitting else ""
        planned.append(AddonPlan(addon, newest, addon.version in fitting, own=addon.name in own))
    nodes = [Node.of(item) for item in kubernetes.objects("nodes")]
    return World(eks, target, tuple(planned), tuple(nodes))


def _older(version: str, target: str) -> bool:
    return not version or versions.minor(version) < versions.minor(target)


def _why(status: str, issues: Sequence[str]) -> str:
    return "; ".join([status, *issues])
