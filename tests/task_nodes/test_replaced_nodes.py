"""EKS replaces the nodes of a base with living branches: everything comes to the new ones, what has several pods is never
away, and tasks that run are left to end.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.cloud.patience import Patience
from cli.operations.upgrade import kept_tasks
from cli.operations.upgrade.findings import Finding, evicted, held
from sandbox import tools
from sandbox.errors import UserError
from tests.charts.rendering import Object
from tests.task_nodes.base import BRANCHES, Base, new_base
from tests.task_nodes.machines import until
from tests.task_nodes.node_group import ZONE, PodEvictionFailure
from tests.task_nodes.readiness import Readiness

pytestmark = pytest.mark.slow

NAMESPACES = ("airflow", *(f"airflow-{branch}" for branch in BRANCHES))
SEVERAL = ("api-server", "scheduler", "dag-processor", "triggerer")
DATABASE = "airflow"
"""The namespace with PgBouncer and PostgreSQL."""

FOR_EVER = Patience(limit=100_000.0, pause=0.2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    try:
        tools.karpenter_program("kwok")
    except UserError:
        pytest.skip("set-up has not been run for the tests")
    with new_base(tmp_path_factory.mktemp("replaced-nodes"), {}) as found:
        yield found


@pytest.fixture
def living(base: Base) -> Base:
    """With two branches, and two pods of each component."""
    base.deploy(2, *BRANCHES)
    return base


@pytest.fixture(autouse=True)
def plain(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test plays is not played in the next."""
    base: Base = request.getfixturevalue("base")
    yield
    base.group.on_cordoned, base.group.on_refused = lambda: None, lambda _: None
    base.group.refused.clear()
    base.group.seconds = 60.0


def _update(base: Base, patience: Patience = FOR_EVER) -> list[str]:
    """Replaces the nodes as `upgrade` has it; what that reports."""
    major, _, minor = base.version.partition(".")
    target, told = f"{major}.{int(minor) + 1}", list[str]()
    with kept_tasks.kept(base.kubernetes, target, patience, told.append):
        base.group.update(target)
    base.version = target
    return told


def _nodes(base: Base) -> dict[str, Object]:
    return {str(one["metadata"]["name"]): one for one in base.api.items("/api/v1/nodes")}


def _keys(pods: list[Object]) -> set[str]:
    return {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods}


def _budgets(base: Base) -> list[str]:
    found = base.api.items("/apis/policy/v1/poddisruptionbudgets")
    return [
        one["metadata"]["namespace"] for one in found if one["metadata"]["name"] == kept_tasks.NAME
    ]


def _zones(base: Base) -> dict[str, Any]:
    """Of each pod with a disk."""
    nodes = _nodes(base)
    return {
        pod["metadata"]["name"]: nodes[pod["spec"]["nodeName"]]["metadata"]["labels"][ZONE]
        for pod in base.pods()
        if any("persistentVolumeClaim" in volume for volume in pod["spec"].get("volumes", []))
    }


@pytest.mark.parametrize("replicas", [1, 2])
def test_nodes_are_replaced_under_a_base_and_its_branches(base: Base, replicas: int) -> None:
    base.deploy(replicas, *BRANCHES)
    old, disks = _nodes(base), _zones(base)
    assert len(disks) >= 4
    tasks = set[str]()
    for namespace in NAMESPACES:
        base.start_tasks(namespace, "first", "second")
        tasks |= {f"{namespace}/first", f"{namespace}/second"}
    late = f"test-late-{replicas}"
    base.group.on_cordoned = lambda: base.up(late)
    # A task ends some time after it was to be evicted for the first time.
    base.group.on_refused = lambda key: base.end_task(key) if key in tasks else None
    with Readiness(base.api) as seen:
        told = _update(base)
        base.settle()
    # Each was asked for, and refused, before it ended.
    assert tasks <= base.group.refused
    assert told == []
    assert _budgets(base) == []
    assert not old.keys() & _nodes(base).keys()
    assert not {pod["spec"]["nodeName"] for pod in base.pods(f"airflow-{late}")} & old.keys()
    assert _zones(base) == disks
    several = [(space, name) for space in NAMESPACES for name in SEVERAL]
    fewest = {key: seen.fewest[key] for key in [*several, (DATABASE, "pgbouncer")]}
    assert fewest == dict.fromkeys(fewest, replicas - 1)


def test_a_task_that_goes_on_is_evicted_in_time_and_by_name(living: Base) -> None:
    living.start_tasks("airflow-test-x", "long")
    # Its pod has a minute to stop, which is taken off.
    told = _update(living, Patience(limit=61.0, pause=0.2))
    assert "airflow-test-x/long" not in _keys(living.pods())
    (line,) = told
    assert line.startswith("still running, and evicted with node ip-10-0-0-")
    assert line.endswith("task etl.long (pod airflow-test-x/long)")
    living.settle()


def test_pods_that_never_get_ready_hold_no_node(living: Base) -> None:
    broken = living.component("airflow-test-y", "api-server")
    assert len(broken) == 2
    condition = {"type": "Ready", "status": "False"}
    for pod in broken:
        path = f"/api/v1/namespaces/airflow-test-y/pods/{pod['metadata']['name']}/status"
        living.api.patch(path, {"status": {"conditions": [condition]}}, "strategic-merge")
    _update(living)
    assert not _keys(broken) & _keys(living.pods())
    living.settle()


def _found(base: Base) -> list[Finding]:
    pods, nodes = base.kubernetes.objects("pods", everywhere=True), _nodes(base)
    return list(held(base.kubernetes, [pod for pod in pods if evicted(pod, nodes)]))


def _budget(name: str, app: str) -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app}}},
    }


def _web(name: str) -> Object:
    labels = {"app": name}
    pod = {"containers": [{"name": "c", "image": "i"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_what_would_stop_the_drain_is_named_before_and_then_stops_it(living: Base) -> None:
    living.start_tasks("airflow", "first")
    assert _found(living) == []
    single, twice = [_web("single"), _budget("single", "single")], [_web("twice")]
    twice += [_budget("one", "twice"), _budget("two", "twice")]
    living.apply(*single, *twice)
    living.settle()

    def counted() -> bool:
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/single"
        return bool(living.api.get(path).get("status", {}).get("currentHealthy"))

    until(60, "its pod is counted", counted)
    nodes = _nodes(living)
    before = _keys([pod for pod in living.pods() if evicted(pod, nodes)])
    first, second = _found(living)
    # It was asked, and nothing else.
    assert before <= _keys(living.pods())
    assert all(one.blocks for one in (first, second))
    assert "Pod default/single-" in first.text
    assert "disruption budget single needs 1 healthy pods and has 1 currently" in first.text
    assert "Pod default/twice-" in second.text
    assert "more than one PodDisruptionBudget" in second.text
    living.group.seconds = 3.0
    living.end_task("airflow/first")
    with pytest.raises(PodEvictionFailure, match=r"default/(single|twice)"):
        _update(living)
    assert _budgets(living) == []


def test_what_a_killed_upgrade_left_is_no_hindrance_and_goes(living: Base) -> None:
    living.kubernetes.apply(kept_tasks.budget_in("airflow"), kept_tasks.NAME)
    living.start_tasks("airflow", "other")
    until(30, "it holds the task", lambda: _refuses(living, "airflow/other"))
    assert not [one for one in _found(living) if "airflow" in one.text.partition(" cannot")[0]]
    kept_tasks.lift(living.kubernetes)
    assert _budgets(living) == []


def _refuses(base: Base, key: str) -> bool:
    pods = base.kubernetes.objects("pods", everywhere=True)
    (pod,) = [pod for pod in pods if _keys([pod]) == {key}]
    return kept_tasks.NAME in base.kubernetes.unevictable(pod)
