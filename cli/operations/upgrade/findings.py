"""What is in the way of a version in a living cluster: APIs in use that it removes, budgets that would hold its nodes,
kubelets that it does not take. Looked for before anything is changed.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.base.errors import CloudError
from cli.cloud import eks_versions
from cli.cloud.kubernetes import Kubernetes, Object
from cli.cloud.kubernetes.errors import FORBIDDEN, Refused
from cli.cloud.limits import EKS_DRAIN_SECONDS
from cli.cloud.resource import Client
from cli.operations.live import COMPONENT_LABEL
from cli.operations.upgrade import kept_tasks
from cli.operations.upgrade.kept_tasks import ENDED
from cli.operations.upgrade.world import World
from infra.contract import versions
from infra.contract.naming import Names

OLDER_KUBELETS: Final = 3
"""Minor versions that a kubelet may be behind its API server (kubernetes.io/releases/version-skew-policy)."""

_SHOWN = 3
"""Names of pods in one finding."""

_METRIC = "apiserver_requested_deprecated_apis"
_SAMPLE = re.compile(rf"^{_METRIC}\{{(?P<labels>[^}}]*)\}}\s+(?P<value>\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class Finding:
    """One thing that is in the way, or that somebody should know."""

    kind: str
    """api, insight, kubelet, budget, addon, pod or unknown."""

    text: str
    blocks: bool
    command: str = ""
    """What shows more of it, or puts it right."""

    def data(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "text": self.text,
            "blocks": self.blocks,
            "command": self.command,
        }


@dataclass(frozen=True)
class DeprecatedApi:
    """A version of an API that was asked for since the API server started."""

    group: str
    version: str
    resource: str
    removed: str
    """The version of Kubernetes that no longer has it; empty if that is not known."""

    def gone_in(self, target: str) -> bool:
        return bool(self.removed) and versions.minor(self.removed) <= versions.minor(target)

    def __str__(self) -> str:
        where = f"{self.group}/{self.version}" if self.group else self.version
        return f"{self.resource} of {where}"


def find(
    client: Client,
    kubernetes: Kubernetes,
    environment: str,
    world: World,
    pods: Iterable[Object],
) -> list[Finding]:
    """All that is known. What may not be asked is a finding as well, and blocks nothing."""
    names, target = Names(environment), world.target
    log_group = names.control_plane_log_group
    before: list[Finding] = []
    if world.eks.version != target:
        # Afterwards the API server has them no more, and EKS looks ahead to the next version.
        before = [
            *_asked(
                "APIs in use",
                lambda: removed_apis(kubernetes.text("/metrics"), target, log_group),
            ),
            *_asked("EKS' insights", lambda: _insights(client, names.cluster, target)),
        ]
    moved: list[Finding] = []
    if world.moves_nodes:
        leaving = [pod for pod in pods if evicted(pod, world.moving)]
        moved = [
            *_asked("Evictions", lambda: held(kubernetes, leaving)),
            *slow_to_end(leaving),
            *alone(pods),
        ]
    return [*before, *too_old(world), *moved, *unfitting(world)]


def deprecated_apis(metrics: str) -> list[DeprecatedApi]:
    """Those in the text of an API server's metrics (Prometheus' format)."""
    found = []
    for sample in _SAMPLE.finditer(metrics):
        labels = dict(_LABEL.findall(sample["labels"]))
        if float(sample["value"]) > 0:
            found.append(
                DeprecatedApi(
                    labels.get("group", ""),
                    labels.get("version", ""),
                    labels.get("resource", ""),
                    labels.get("removed_release", ""),
                )
            )
    return sorted(set(found), key=str)


def removed_apis(metrics: str, target: str, log_group: str) -> Iterator[Finding]:
    """Those in use that the version no longer has. The audit log knows who asked, and when: metrics do not forget."""
    for api in deprecated_apis(metrics):
        if api.gone_in(target):
            yield Finding(
                "api",
                f"{api} was asked for since the API server started, and Kubernetes {api.removed} has it no more: who "
                "still asks for it fails then. The audit log names them",
                blocks=True,
                command=f"aws logs filter-log-events --log-group-name {log_group} "
                """--log-stream-name-prefix kube-apiserver-audit --filter-pattern '"k8s.io/deprecated"'""",
            )


def too_old(world: World) -> Iterator[Finding]:
    """Kubelets that the version's API server does not take."""
    _, target = versions.minor(world.target)
    for node in world.nodes:
        if node.kubelet and target - versions.minor(node.kubelet)[1] > OLDER_KUBELETS:
            yield Finding(
                "kubelet",
                f"node {node.name} has kubelet {node.kubelet}: Kubernetes {world.target} takes none that is more than "
                f"{OLDER_KUBELETS} minor versions older",
                blocks=True,
                command=f"kubectl drain {node.name} --ignore-daemonsets --delete-emptydir-data",
            )


def evicted(pod: Object, nodes: Collection[str]) -> bool:
    """Whether a drain of these nodes evicts it."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return (
        pod["spec"].get("nodeName") in nodes
        and not any(owner["kind"] == "DaemonSet" for owner in owners)
        and _MIRROR not in (metadata.get("annotations") or {})
        and (pod.get("status") or {}).get("phase") not in ENDED
        and "deletionTimestamp" not in metadata
    )


def held(kubernetes: Kubernetes, pods: Iterable[Object]) -> Iterator[Finding]:
    """Pods that the API server would not evict now: EKS gives a node up after 15 minutes, and the upgrade with it."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for pod in pods:
        metadata = pod["metadata"]
        reason = kubernetes.unevictable(pod)
        # A budget of a run that was cut short goes with the next one.
        if reason and kept_tasks.NAME not in reason:
            reasons.setdefault((metadata["namespace"], reason), []).append(metadata["name"])
    for (space, reason), names in sorted(reasons.items()):
        yield Finding(
            "budget",
            f"{_pods(space, names)} cannot be evicted: {reason.rstrip('.')}. EKS waits for 15 minutes, then gives the node "
            "group up",
            blocks=True,
            command=f"kubectl -n {space} describe poddisruptionbudgets",
        )


def slow_to_end(pods: Iterable[Object]) -> Iterator[Finding]:
    """Those that may take longer to stop than EKS waits: workers of Celery, which end their tasks first."""
    slow: dict[tuple[str, int], list[str]] = {}
    for pod in pods:
        grace = int(pod["spec"].get("terminationGracePeriodSeconds") or 0)
        if grace > EKS_DRAIN_SECONDS:
            space = pod["metadata"]["namespace"]
            slow.setdefault((space, grace), []).append(pod["metadata"]["name"])
    for (space, grace), names in sorted(slow.items()):
        yield Finding(
            "pod",
            f"{_pods(space, names)} may take {grace} s to stop, until the task in it has ended. If that is more than 15 minutes, "
            "EKS gives the node group up; the task goes on, and so does this command, typed again",
            blocks=False,
        )


def _pods(space: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    shown = ", ".join(f"{space}/{name}" for name in sorted(names)[:_SHOWN])
    return f"Pod{'s' if len(names) > 1 else ''} {shown}{more}"


def unfitting(world: World) -> Iterator[Finding]:
    """Add-ons of other makers: nobody brings them to a version that fits."""
    for addon in world.addons:
        if not addon.own and not addon.fits:
            yield Finding(
                "addon",
                f"add-on {addon.now.name} {addon.now.version} is not the kit's, and EKS does not list it for Kubernetes "
                f"{world.target}",
                blocks=False,
                command=f"aws eks describe-addon-versions --addon-name {addon.now.name} "
                f"--kubernetes-version {world.target}",
            )


def alone(pods: Iterable[Object]) -> Iterator[Finding]:
    """Pods that nobody makes again when their node goes. Those of tasks are Airflow's: it tries the task again."""
    for pod in pods:
        metadata = pod["metadata"]
        if (
            metadata.get("ownerReferences")
            or _MIRROR in (metadata.get("annotations") or {})
            or (pod.get("status") or {}).get("phase") in ENDED
            or is_task(pod)
        ):
            continue
        yield Finding(
            "pod",
            f"Pod {metadata['namespace']}/{metadata['name']} has no controller: it goes with its node, and nothing makes "
            "it again",
            blocks=False,
        )


def is_task(pod: Object) -> bool:
    """Whether it is the pod of one task of Airflow's."""
    labels = pod["metadata"].get("labels") or {}
    return labels.get(COMPONENT_LABEL) == "worker" and not pod["metadata"].get("ownerReferences")


def _insights(client: Client, cluster: str, target: str) -> Iterator[Finding]:
    for name, reason, error in eks_versions.insights(client, cluster, target):
        yield Finding(
            "insight",
            f"EKS: {name}: {reason}",
            blocks=error,
            command=f"aws eks list-insights --cluster-name {cluster}",
        )


def _asked(what: str, ask: Callable[[], Iterable[Finding]]) -> list[Finding]:
    try:
        return list(ask())
    except CloudError as error:
        return [Finding("unknown", f"{what} were not asked for: {error.summary}", blocks=False)]
    except Refused as error:
        if error.status != FORBIDDEN:
            raise
        return [Finding("unknown", f"{what} were not asked for: {error.detail}", blocks=False)]
