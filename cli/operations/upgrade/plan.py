"""What an upgrade would do to a cluster that lives: told before anything is changed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations.upgrade import findings
from cli.operations.upgrade.findings import Finding
from cli.operations.upgrade.kept_tasks import ENDED
from cli.operations.upgrade.world import World
from infra.contract.naming import LABEL_BASE, LABEL_ENVIRONMENT

NEW: Final = "new"
UNFINISHED: Final = "unfinished"
DONE: Final = "done"


@dataclass(frozen=True)
class UpgradePlan:
    """The cluster as it is, what will change of it, and whom that meets."""

    environment: str
    configured: str
    """The version in the configuration."""

    world: World
    findings: Sequence[Finding]
    tasks: Sequence[tuple[str, int]]
    """The nodes with running tasks, and how many each has."""

    branches: Sequence[str]
    """Environments that live in the cluster, too."""

    @property
    def target(self) -> str:
        return self.world.target

    @property
    def state(self) -> str:
        """NEW, UNFINISHED (configured or begun, and not through) or DONE."""
        at_target = self.world.eks.version == self.target
        if self.configured == self.target and at_target and not self.world.unfinished():
            return DONE
        return UNFINISHED if at_target or self.configured == self.target else NEW

    @property
    def drifted(self) -> bool:
        """Whether the state may tell of another cluster than there is: a run was cut short, or AWS upgraded it by itself."""
        return self.state != NEW or self.configured != self.world.eks.version

    @property
    def blocking(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.blocks]

    def data(self) -> dict[str, Any]:
        world = self.world
        return {
            "environment": self.environment,
            "from": world.eks.version,
            "to": self.target,
            "configured": self.configured,
            "state": self.state,
            "unfinished": world.unfinished() if self.state == UNFINISHED else [],
            "nodeGroups": [
                {"name": group.name, "version": group.version, "nodes": group.nodes}
                for group in world.eks.node_groups
            ],
            "addons": [addon.data() for addon in world.addons],
            "karpenterNodes": [node.name for node in world.karpenters],
            "tasks": [{"node": node, "tasks": count} for node, count in self.tasks],
            "branches": list(self.branches),
            "findings": [finding.data() for finding in self.findings],
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        world, target = self.world, self.target
        yield f"control plane     {_change(world.eks.version, target)}"
        for group in world.eks.node_groups:
            yield (
                f"node group        {group.name}: {_change(group.version, target)}, {group.nodes} node(s), by surge: each is "
                "drained when its successor is ready, for 15 minutes at most"
            )
        for addon in world.addons:
            if addon.own:
                yield f"add-on            {addon.now.name}: {_change(addon.now.version, addon.newest)}"
        if world.karpenters:
            yield (
                f"Karpenter's nodes {len(world.karpenters)} follow in time: no new tasks, and gone when the last task "
                "has ended"
            )
        if self.branches:
            yield f"branches          {', '.join(self.branches)}: they keep running"
        yield f"running tasks     {self._tasks()}"
        for finding in self.findings:
            yield f"{'IN THE WAY' if finding.blocks else 'note':<17} {finding.text}"

    def _tasks(self) -> str:
        if not self.tasks:
            return "none"
        where = ", ".join(f"{count} on {node}" for node, count in self.tasks)
        return (
            f"{where}. Those on Karpenter's nodes end there; those on a node group's are waited for, for as long as EKS waits "
            "for a node, then evicted with it, and run again if they have `retries`"
        )


def branches(kubernetes: Kubernetes, base: str) -> list[str]:
    """The environments that live in a base's cluster."""
    spaces = kubernetes.objects("namespaces", selector=f"{LABEL_BASE}={base}")
    names = {str(one["metadata"]["labels"].get(LABEL_ENVIRONMENT, "")) for one in spaces}
    return sorted(names - {base, ""})


def running_tasks(pods: Iterable[Object]) -> list[tuple[str, int]]:
    """Of each node with pods of tasks, how many."""
    nodes = [
        str(pod["spec"].get("nodeName") or "no node yet")
        for pod in pods
        if findings.is_task(pod) and (pod.get("status") or {}).get("phase") not in ENDED
    ]
    return sorted(Counter(nodes).items())


def _change(now: str, then: str) -> str:
    return f"{now} -> {then}" if then and now != then else f"{now}, stays"
