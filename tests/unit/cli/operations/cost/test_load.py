"""Nodes for tasks at the load of the last days: counted as they would have come and gone, and priced."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.base import environments
from cli.operations.bootstrap import requested_settings
from cli.operations.cost import load, prices
from cli.operations.cost.load import SECOND_LOOK_SECONDS, STARTING_SECONDS, Pool, Span
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeAirflow, FakeSession

AROUND = STARTING_SECONDS + SECOND_LOOK_SECONDS
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def pool(tasks: int = 4, most: int = 10, idle: float = 100.0) -> Pool:
    return Pool("m7i.large", tasks, most, 0.1, idle)


@pytest.mark.parametrize(
    ("spans", "seconds", "peak"),
    [
        ([], 0.0, 0),
        ([Span(0, 600)], 600 + 100 + AROUND, 1),
        # One after the other on one node, and a pause that the node outlives.
        ([Span(0, 60), Span(60, 120), Span(200, 260)], 260 + 100 + AROUND, 1),
        # A pause that it does not.
        ([Span(0, 60), Span(1000, 1060)], 2 * (60 + 100 + AROUND), 1),
        # Five at once are more than one node holds.
        ([Span(0, 60)] * 5, 2 * (60 + 100 + AROUND), 2),
        # More than there may be: some wait.
        ([Span(0, 60)] * 100, 10 * (60 + 100 + AROUND), 10),
    ],
)
def test_nodes_come_and_go_with_the_tasks(spans: Sequence[Span], seconds: float, peak: int) -> None:
    assert load.nodes_of(spans, pool()) == (seconds, peak)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_look_at_each_second_finds(seed: int) -> None:
    chosen = random.Random(seed)
    spans = []
    for _ in range(60):
        start = chosen.randrange(5000)
        spans.append(Span(start, start + chosen.randrange(1, 600)))
    one = pool(tasks=chosen.randrange(1, 5), idle=chosen.randrange(300))
    before, after = int(one.idle_seconds + SECOND_LOOK_SECONDS), int(STARTING_SECONDS)
    needed = {
        second: min(
            math.ceil(sum(span.start <= second < span.end for span in spans) / one.tasks), one.most
        )
        for second in range(-1000, 7000)
    }
    there = [
        max(needed[moment] for moment in range(second - before, second + after + 1))
        for second in range(-500, 6500)
    ]
    seconds, peak = load.nodes_of(spans, one)
    assert seconds == pytest.approx(sum(there), rel=0.01)
    assert peak == max(there)


def test_the_cheapest_type_for_a_task_is_taken_with_its_disk() -> None:
    wanted = requested_settings.read(
        environments.environment("dev"), ['taskNodeTypes=["m7i.large","m7i.xlarge","c6i.24xlarge"]']
    )
    table = prices.of("us-east-1")
    found = load.pool_of(wanted, table)
    assert found.kind in ("m7i.large", "m7i.xlarge")
    rate = table.rate(found.kind)
    assert rate is not None
    assert rate < found.hourly < rate + 0.02
    assert found.tasks >= 10


def ended(*minutes: tuple[float, float, str | None]) -> list[dict[str, Any]]:
    """Tasks by when they began and ended, minutes ago, and their executor."""
    return [
        {
            "start_date": (NOW - timedelta(minutes=begun)).isoformat(),
            "end_date": (NOW - timedelta(minutes=over)).isoformat(),
            "executor": executor,
        }
        for begun, over, executor in minutes
    ]


class Told(FakeAirflow):
    """Airflow, with these tasks."""

    tasks_ended: Sequence[dict[str, Any]] = ()
    since: datetime | None = None

    def ended_tasks(self, since: datetime) -> Iterator[dict[str, Any]]:
        self.since = since
        yield from self.tasks_ended


def test_only_tasks_with_pods_count_and_no_moment_before_the_days() -> None:
    airflow = Told()
    day = 24 * 60
    airflow.tasks_ended = [
        *ended((20, 10, None), (20, 10, "KubernetesExecutor"), (20, 10, "LocalExecutor")),
        # Began before the time that is looked at.
        *ended((day + 60, day - 60, None)),
        # A task that was skipped, or that another one ended, never began.
        {"start_date": None, "end_date": NOW.isoformat(), "executor": None},
    ]
    found = load.of(airflow, "dev", "KubernetesExecutor,LocalExecutor", pool(), 1, NOW)  # type: ignore[arg-type]
    assert airflow.since == NOW - timedelta(days=1)
    assert found.pod_hours == pytest.approx((10 + 10 + 60) / 60)
    assert (len(found.spans), found.at_once, found.peak) == (3, 2, 1)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, session: FakeSession) -> FakeSession:
    tasks = ended((20, 10, None), (15, 5, None))
    monkeypatch.setattr(FakeAirflow, "ended_tasks", lambda *_: iter(tasks), raising=False)
    return session


def test_both_ways_stand_one_below_the_other(told: FakeSession, run: Run) -> None:
    assert run("up").exit_code == 0
    result = run("cost", "sandbox", "--load", "7")
    assert result.exit_code == 0, result.output
    assert (
        "2 tasks ended in the last 7 days: 0.3 hours of pods, 2 at once at most." in result.stdout
    )
    rows = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines()}
    autoscaled = float(rows["as tasks come and go (taskNodes)"][-1])
    always = float(rows["always there, for the busiest moment"][-1])
    assert 0 < autoscaled < always / 100


def test_json_for_programs(told: FakeSession, run: Run, run_json: Any) -> None:
    assert run("up").exit_code == 0
    data = run_json("cost", "sandbox", "--load", "7")
    assert data["tasks"] == 2
    assert data["autoscaled"]["monthly"] < data["alwaysThere"]["monthly"]
    assert (data["region"], data["peakNodes"], data["cutOff"]) == ("us-east-1", 1, False)


def test_tasks_without_pods_are_refused_by_the_executors_name(told: FakeSession, run: Run) -> None:
    assert run("up").exit_code == 0
    result = run("cost", "sandbox", "--load", "7", "--set", "executor=LocalExecutor")
    assert result.exit_code == 2
    assert "LocalExecutor" in result.stderr


@pytest.mark.parametrize("other", ["--actual", "--check-prices", "--markdown"])
def test_another_answer_beside_it_is_refused(run: Run, other: str) -> None:
    result = run("cost", "sandbox", "--load", "7", other)
    assert result.exit_code == 2
    assert "--load goes with none of" in result.stderr


@pytest.mark.parametrize("days", ["0", "91", "x"])
def test_days_that_are_none_are_refused(run: Run, days: str) -> None:
    assert run("cost", "sandbox", "--load", days).exit_code == 2


def test_an_environment_that_is_not_deployed_is_named(run: Run) -> None:
    result = run("cost", "dev", "--load", "7", "--region", "us-east-1")
    assert result.exit_code == 2
