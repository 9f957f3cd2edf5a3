"""Tasks when an environment goes: those that run are waited for, and nobody else."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.phases import Phases
from cli.cloud.kubernetes import Unreachable
from cli.cloud.limits import Limits
from cli.operations.teardown.drain import COMPONENTS, SCHEDULER, WORKER, drain
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from tests.unit.cli.fakes import FakeKubernetes, FakeSession

HOSTS = "app.kubernetes.io/component in (scheduler"
NO_PODS = str({"spec": {"replicas": 0}})


@dataclass
class Cluster(FakeKubernetes):
    """Worker pods by name: the phase that each has, and when it ends by itself."""

    workers: dict[str, str] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    deaf: bool = False
    """Whether tasks go on although they were told to stop."""

    late: list[str] = field(default_factory=list)
    """Workers that a scheduler starts before it ends."""

    schedulers: list[str] = field(default_factory=lambda: ["airflow-scheduler-1"])
    hosts: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Pods that run many tasks: what becomes of those when they are told to stop."""

    deployed: bool = True
    refuses: KitError | None = None
    begun: float = 0.0
    """When the drain began."""

    def objects(self, kind: str, *, selector: str = "", **_: Any) -> list[dict[str, Any]]:
        self._called("objects", kind, selector)
        if self.refuses is not None:
            raise self.refuses
        if kind == "deployments":
            names = ["airflow-scheduler"] if self.deployed else []
            # The scheduler is one of the components that serve the tasks.
            names += ["airflow-api-server"] if selector == COMPONENTS else []
            return [{"metadata": {"name": name}} for name in names]
        if selector == COMPONENTS:
            return []
        if selector.startswith(HOSTS):
            return [_pod("airflow-scheduler-1", "Running")]
        if selector == SCHEDULER:
            return [_pod(self.schedulers.pop(), "Running")] if self.schedulers else []
        assert selector == WORKER
        if not self.schedulers:
            self.workers |= dict.fromkeys(self.late, "Running")
            self.late = []
        passed = time.monotonic() - self.begun
        for name, end in self.ends.items():
            if passed > end:
                self.workers[name] = "Succeeded"
        return [_pod(name, phase) for name, phase in self.workers.items()]

    def execute(self, pod: dict[str, Any], *command: str, **_: Any) -> tuple[int, str, str]:
        if self.deaf:
            raise KitError("Kubernetes refuses", "the node does not answer")
        if pod["metadata"]["name"] in self.hosts:
            self.hosts[pod["metadata"]["name"]]()
            return super().execute(pod, *command)
        self.workers[pod["metadata"]["name"]] = "Failed"
        return super().execute(pod, *command)

    def delete(self, item: dict[str, Any], **more: Any) -> bool:
        self.workers.pop(item["metadata"]["name"], None)
        return super().delete(item, **more)

    def order(self, *wanted: tuple[str, ...]) -> list[int]:
        """When each of these calls, known by their beginnings, was first made."""
        return [
            next(n for n, call in enumerate(self.calls) if call[: len(one)] == one)
            for one in wanted
        ]


def _pod(name: str, phase: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"phase": phase}}


@dataclass
class World:
    """One environment with an Airflow, whose tasks are at work."""

    session: FakeSession
    cluster: Cluster
    plain: dict[str, str] = field(default_factory=dict)

    def drain(self, seconds: float = 0.8) -> tuple[list[str], float]:
        """What was noted, and how long it took."""
        self.session.fake_kubernetes = self.cluster
        self.session.limits = Limits(drain=seconds, pause=0.02)
        self.session.fake_machine.up("x", report=lambda _: None, ui_port=1)
        backend = self.session.fake_backend
        backend.there = 1
        backend.values["aerodrome:adminPassword"] = "secret"
        target = Target(
            self.session,
            Environment("sandbox"),
            backend,
            self.session.cloud(Environment("sandbox")),
            self.session.fake_cloud,
            "us-east-1",
            backend.outputs(),
            self.plain,
        )
        report = Report(Phases(self.session.console, total=1))
        begun = self.cluster.begun = time.monotonic()
        with report.step("drain"):
            drain(target, report)
        return report.steps[0].notes, time.monotonic() - begun


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(FakeSession(tmp_path), Cluster())


def test_a_running_task_is_waited_for_before_airflow_ends(world: World) -> None:
    world.session.fake_airflow.running = [1]
    world.cluster.workers = {"short": "Running"}
    world.cluster.ends = {"short": 0.2}
    notes, took = world.drain(5.0)
    assert notes == []
    assert 0.2 < took < 5.0
    scaled, stopped = world.cluster.order(
        ("patch", "airflow-scheduler", NO_PODS),
        ("patch", "airflow-api-server", NO_PODS),
    )
    looks = [n for n, call in enumerate(world.cluster.calls) if call[1:] == ("pods", WORKER)]
    assert scaled < looks[0] < looks[-1] < stopped
    assert "pause_all" in world.session.fake_airflow.calls


def test_one_that_runs_too_long_is_told_to_stop_and_named(world: World) -> None:
    world.session.fake_airflow.running = [1]
    world.cluster.workers = {"long": "Running", "done": "Succeeded"}
    notes, took = world.drain(4.0)
    assert notes == ["1 task(s) did not end in 2 s, and are signalled to stop: long"]
    assert 2.0 <= took < 4.0


def test_one_that_does_not_stop_is_passed_at_the_bound(world: World) -> None:
    world.session.fake_airflow.running = [1]
    world.cluster.workers = {"long": "Running"}
    world.cluster.deaf = True
    notes, took = world.drain(0.8)
    assert notes[1:] == [
        "long cannot be signalled: the node does not answer",
        "left running, the end of their logs is lost: long",
    ]
    assert 0.8 <= took < 10.0


def test_with_no_time_nobody_is_waited_for(world: World) -> None:
    world.cluster.workers = {"long": "Running"}
    assert world.drain(0.0)[0] == ["left running, the end of their logs is lost: long"]


def test_one_that_has_not_begun_is_not_waited_for(world: World) -> None:
    world.session.fake_airflow.running = [1]
    world.cluster.workers = {"unscheduled": "Pending"}
    notes, took = world.drain(30.0)
    assert notes == ["1 task(s) had not begun: unscheduled"]
    assert took < 20.0
    assert world.cluster.workers == {}


def test_one_that_waits_for_a_trigger_is_told_and_not_waited_for(world: World) -> None:
    world.session.fake_airflow.deferring = 2
    notes, took = world.drain(30.0)
    assert notes == ["2 task(s) wait for a trigger: they are not resumed"]
    assert took < 20.0


@pytest.mark.parametrize("answers", [True, False])
def test_what_a_scheduler_still_starts_is_waited_for(answers: bool, world: World) -> None:
    """Queued already when DAGs were paused, or nobody can say."""
    world.session.fake_airflow.running = [1]
    world.session.fake_airflow.reachable = answers
    world.cluster.late = ["late"]
    world.cluster.ends = {"late": 0.3}
    notes, took = world.drain(5.0)
    assert took > 0.3
    assert [note.partition(":")[0] for note in notes] == [
        *([] if answers else ["Airflow does not answer"])
    ]


def test_an_airflow_that_does_not_answer_is_no_reason_to_keep_it(world: World) -> None:
    world.session.fake_airflow.reachable = False
    notes, took = world.drain(30.0)
    assert notes == ["Airflow does not answer: its DAGs are not paused (Airflow does not answer)"]
    assert took < 20.0


def test_nor_is_a_cluster_that_does_not(world: World) -> None:
    world.cluster.refuses = Unreachable("Kubernetes does not answer", "connection refused")
    notes, _ = world.drain()
    assert notes == ["the cluster does not answer: tasks are not waited for (connection refused)"]


def test_workers_without_a_scheduler_are_waited_for_too(world: World) -> None:
    """Its Deployment went with a run that was killed."""
    world.cluster.deployed = False
    world.cluster.schedulers = []
    world.cluster.workers = {"short": "Running"}
    world.cluster.ends = {"short": 0.2}
    _, took = world.drain(5.0)
    assert took > 0.2
    assert world.drain(5.0)[0] == []


def test_tasks_inside_the_scheduler_end_before_it_does(world: World) -> None:
    world.plain["aerodrome:executor"] = "LocalExecutor"
    world.session.fake_airflow.running = [2, 1, 0]
    assert world.drain(5.0)[0] == []
    assert not [call for call in world.cluster.calls if call[0] == "execute"]


def test_a_task_in_the_scheduler_that_runs_too_long_is_told_to_stop(world: World) -> None:
    world.plain["aerodrome:executor"] = "LocalExecutor"
    airflow = world.session.fake_airflow
    airflow.running = [1]
    world.cluster.hosts["airflow-scheduler-1"] = lambda: airflow.running.__setitem__(0, 0)
    assert world.drain(2.0)[0] == ["1 task(s) did not end in 1 s, and are signalled to stop"]


def test_one_in_there_that_does_not_stop_is_passed_at_the_bound(world: World) -> None:
    world.plain["aerodrome:executor"] = "sequential"
    world.session.fake_airflow.running = [1]
    world.cluster.hosts["airflow-scheduler-1"] = lambda: None
    notes, took = world.drain(1.0)
    assert notes[1:] == ["1 task(s) left running, the end of their logs is lost"]
    assert 1.0 <= took < 10.0


def test_with_several_executors_each_task_is_waited_for_where_it_runs(world: World) -> None:
    """Of three, two have pods of their own: one is left for Airflow's count."""
    world.plain["aerodrome:executor"] = "LocalExecutor,KubernetesExecutor"
    world.session.fake_airflow.running = [3, 2, 2]
    world.cluster.workers = {"one": "Running", "two": "Running"}
    world.cluster.ends = {"one": 2.0, "two": 2.0}
    notes, took = world.drain(30.0)
    assert notes == []
    assert 2.0 < took < 20.0
