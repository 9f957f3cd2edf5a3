"""When running tasks are kept from eviction, and when they are let go. That it holds them is in `tests/task_nodes/`."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.cloud.kubernetes.errors import Refused, Unreachable
from cli.cloud.patience import Patience
from cli.operations.upgrade import kept_tasks
from cli.operations.upgrade.kept_tasks import Keeper, kept, selects

GRACE = 60
LONG, AT_ONCE = Patience(limit=10_000.0), Patience(limit=GRACE)


def task(namespace: str, name: str, node: str = "old") -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "worker", "dag_id": "etl", "task_id": name}
    return {
        "metadata": {"name": f"etl-{name}-x", "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": GRACE},
        "status": {"phase": "Running"},
    }


def node(name: str, version: str, *, cordoned: bool = False) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"eks.amazonaws.com/nodegroup": "workers"}},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"nodeInfo": {"kubeletVersion": f"v{version}.1-eks-1"}},
    }


@dataclass
class InMemoryCluster:
    """Pods, nodes and budgets."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [node("old", "1.35")])
    budgets: list[dict[str, Any]] = field(default_factory=list)
    going: str = ""
    """A namespace that takes nothing any more."""

    away: bool = False

    def objects(
        self, kind: str, *, selector: str = "", namespace: str = "", everywhere: bool = False
    ) -> list[dict[str, Any]]:
        if self.away:
            raise Unreachable("Kubernetes does not answer")
        if kind != "poddisruptionbudgets":
            return {"pods": self.pods, "nodes": self.nodes}[kind]
        found = [
            one for one in self.budgets if everywhere or one["metadata"]["namespace"] == namespace
        ]
        return [one for one in found if not selector or one["metadata"].get("labels")]

    def apply(self, item: dict[str, Any], manager: str) -> None:
        if item["metadata"]["namespace"] == self.going:
            raise Refused("Kubernetes forbids it", "it is being terminated", status=403)
        self.budgets.append(item)

    def delete(self, item: dict[str, Any]) -> bool:
        self.budgets.remove(item)
        return True

    @property
    def kept(self) -> list[str]:
        mine = [one for one in self.budgets if one["metadata"]["name"] == kept_tasks.NAME]
        return [one["metadata"]["namespace"] for one in mine]


@dataclass
class Scene:
    """A keeper at work in a cluster."""

    cluster: InMemoryCluster
    patience: Patience = LONG
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = Keeper(self.cluster, "1.36", self.patience, self.told.append)  # type: ignore[arg-type]
        self.keeper.look()


def test_each_namespace_with_tasks_has_one_budget_from_the_beginning_on() -> None:
    scene = Scene(InMemoryCluster([task("airflow", "a"), task("airflow", "b")]))
    assert scene.cluster.kept == ["airflow"]
    scene.cluster.pods.append(task("airflow-x", "c"))
    scene.keeper.look()
    assert scene.cluster.kept == ["airflow", "airflow-x"]


def test_where_a_budget_is_over_the_tasks_none_is_added() -> None:
    theirs = {
        "metadata": {"name": "theirs", "namespace": "airflow"},
        "spec": {"selector": {"matchLabels": {"dag_id": "etl"}}},
    }
    scene = Scene(InMemoryCluster([task("airflow", "a")], budgets=[theirs]))
    assert scene.cluster.budgets == [theirs]


def test_a_namespace_that_takes_none_is_named_once_and_keeps_nobody_else_from_one() -> None:
    cluster = InMemoryCluster([task("airflow", "a"), task("airflow-x", "b")], going="airflow")
    scene = Scene(cluster)
    scene.keeper.look()
    assert cluster.kept == ["airflow-x"]
    assert scene.told == ["tasks in airflow are not kept from eviction: it is being terminated"]


def test_the_time_of_tasks_begins_with_the_drain_and_not_with_a_node_cordoned_before() -> None:
    by_hand = node("by-hand", "1.35", cordoned=True)
    cluster = InMemoryCluster([task("airflow", "a")], [node("old", "1.35"), by_hand])
    scene = Scene(cluster, AT_ONCE)
    scene.keeper.look()
    assert cluster.kept == ["airflow"]
    cluster.nodes.append(node("new", "1.36"))
    cluster.nodes[0] = node("old", "1.35", cordoned=True)
    cluster.pods.append(task("airflow", "b", node="new"))
    scene.keeper.look()
    assert cluster.kept == []
    assert scene.told == [
        "still running, and evicted with node old: task etl.a (pod airflow/etl-a-x)"
    ]


def test_tasks_are_kept_for_as_long_as_eks_waits() -> None:
    scene = Scene(InMemoryCluster([task("airflow", "a")]))
    scene.cluster.nodes = [node("old", "1.35", cordoned=True), node("new", "1.36")]
    scene.keeper.look()
    assert scene.cluster.kept == ["airflow"]


def test_budgets_that_could_not_be_lifted_are_named_with_the_command_that_does() -> None:
    cluster, told = InMemoryCluster([task("airflow", "a")]), list[str]()
    with kept(cluster, "1.36", LONG, told.append):  # type: ignore[arg-type]
        cluster.away = True
    (line,) = told
    assert "Kubernetes does not answer" in line
    assert line.endswith(kept_tasks.LIFT)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
    ],
)
def test_a_selector_is_read_as_kubernetes_does(selector: dict[str, Any], selected: bool) -> None:
    found = selects({"spec": {"selector": selector}}, {"metadata": {"labels": {"a": "1"}}})
    assert found is selected
