"""Running tasks are kept from eviction while EKS drains nodes, for as long as it waits for a node.

A budget that lets no task go, in each namespace that has some. EKS cordons all old nodes first, so that no task begins there
any more, then asks for evictions again and again, and gives the node group up after 15 minutes: the budgets go before. What
still runs is evicted then, and by name.

They are no part of a release, and go with the upgrade: where a node goes by itself, as spot does, a task that is told to stop
at once still saves its log.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object, Refused
from cli.cloud.patience import Patience
from cli.operations.live import COMPONENT_LABEL
from cli.operations.upgrade.world import Node

NAME: Final = "aerodrome-upgrade"
MADE_BY: Final = {"app.kubernetes.io/managed-by": NAME}
LIFT: Final = f"kubectl delete poddisruptionbudgets -A -l app.kubernetes.io/managed-by={NAME}"
TASK_LABEL: Final = "dag_id"
"""On pods that the executor, or an operator, has started for a task; not on those of the warm pool that wait for one."""

ENDED: Final = ("Succeeded", "Failed")
GRACE: Final = 30
"""Kubernetes' own grace period."""

# Pods without a controller are counted by a number alone, and this is more than there are.
_MORE_THAN_ALL: Final = 2**31 - 1

Report = Callable[[str], None]


@dataclass
class Keeper:
    """Makes the budgets, and lifts them in time."""

    kubernetes: Kubernetes
    target: str
    """The version that the nodes are brought to."""

    patience: Patience
    report: Report
    _first: frozenset[Node] | None = None
    """The nodes when this began."""

    _draining_since: float | None = None
    _refused: set[str] = field(default_factory=set)
    _over: bool = False
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._over and not self._ended.wait(self.patience.pause):
            # A control plane that is upgraded does not answer all the time.
            with suppress(KitError):
                self.look()

    def end(self) -> None:
        self._ended.set()

    def look(self) -> None:
        """Once: keeps the tasks that run, or lets them go when their time is over."""
        tasks = running(self.kubernetes)
        nodes = frozenset(Node.of(item) for item in self.kubernetes.objects("nodes"))
        if self._first is None:
            self._first = nodes
        going = {node.name for node in nodes if node.group and node.older_than(self.target)}
        if self._draining_since is None and nodes != self._first and _cordoned(nodes, going):
            self._draining_since = time.monotonic()
        if self._draining_since is not None:
            left = self.patience.limit - max(map(_grace, tasks), default=0)
            if time.monotonic() - self._draining_since >= left:
                self._let_go(tasks, going)
                return
        self._keep(tasks)

    def _keep(self, tasks: Iterable[Object]) -> None:
        spaces = {str(pod["metadata"]["namespace"]) for pod in tasks}
        for space in sorted(spaces):
            there = self.kubernetes.objects("poddisruptionbudgets", namespace=space)
            mine = [pod for pod in tasks if pod["metadata"]["namespace"] == space]
            # An eviction fails for good where two budgets hold a pod: whoever has made one has decided already.
            if any(selects(budget, pod) for budget in there for pod in mine):
                continue
            try:
                self.kubernetes.apply(budget_in(space), NAME)
            except Refused as error:
                # Such as in a namespace that is being deleted.
                if space not in self._refused:
                    self.report(f"tasks in {space} are not kept from eviction: {error.detail}")
                self._refused.add(space)

    def _let_go(self, tasks: Iterable[Object], going: Iterable[str]) -> None:
        lift(self.kubernetes)
        self._over = True
        for pod in tasks:
            node = pod["spec"].get("nodeName")
            if node in going:
                self.report(f"still running, and evicted with node {node}: {_label(pod)}")


@contextmanager
def kept(kubernetes: Kubernetes, target: str, patience: Patience, report: Report) -> Iterator[None]:
    """Within the block running tasks are kept, until their time is over. No budget is left afterwards."""
    keeper = Keeper(kubernetes, target, patience, report)
    keeper.look()
    thread = threading.Thread(target=keeper.run, name="kept tasks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        keeper.end()
        thread.join()
        try:
            lift(kubernetes)
        except KitError as error:
            report(
                f"budgets {NAME} are left, and hold running tasks on their nodes: {error.summary}. {LIFT}"
            )


def lift(kubernetes: Kubernetes) -> None:
    """Deletes the budgets, of a run that was killed, too."""
    selector = ",".join(f"{key}={value}" for key, value in MADE_BY.items())
    for item in kubernetes.objects("poddisruptionbudgets", selector=selector, everywhere=True):
        kubernetes.delete(item)


def running(kubernetes: Kubernetes) -> list[Object]:
    """The pods of Airflow's tasks, in all namespaces."""
    pods = kubernetes.objects(
        "pods", selector=f"{COMPONENT_LABEL}=worker,{TASK_LABEL}", everywhere=True
    )
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ENDED]


def budget_in(namespace: str) -> Object:
    """That of a namespace's tasks."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": NAME, "namespace": namespace, "labels": dict(MADE_BY)},
        "spec": {
            "minAvailable": _MORE_THAN_ALL,
            "selector": {"matchExpressions": [{"key": TASK_LABEL, "operator": "Exists"}]},
        },
    }


def selects(budget: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a budget is over a pod."""
    selector = budget["spec"].get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items() and all(
        _fits(rule, labels) for rule in selector.get("matchExpressions") or ()
    )


def _fits(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(rule["key"]), rule.get("values") or ()
    match rule["operator"]:
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "In":
            return value in values
        case _:
            return value not in values


def _cordoned(nodes: Iterable[Node], names: Iterable[str]) -> bool:
    return any(node.cordoned for node in nodes if node.name in names)


def _grace(pod: Object) -> int:
    return int(pod["spec"].get("terminationGracePeriodSeconds", GRACE))


def _label(pod: Object) -> str:
    metadata = pod["metadata"]
    told = {**metadata.get("labels", {}), **metadata.get("annotations", {})}
    task = f"{told.get(TASK_LABEL, '?')}.{told.get('task_id', '?')}"
    return f"task {task} (pod {metadata['namespace']}/{metadata['name']})"
