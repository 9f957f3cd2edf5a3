"""What nodes for tasks would cost a month at the load of the last days, for `aerodrome cost --load`.

The tries that ended in these days are taken from Airflow, each with its time. How many nodes they needed at each moment is
counted as Karpenter would make and take away nodes of one type: there before the task starts, kept for the idle time
after it, shared by all that run.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from cli.base import lifetime
from cli.base.airflow import Airflow
from cli.base.errors import UserError
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.capacity.nodes import Load, Worker, node
from cli.operations.cost import planned
from cli.operations.cost.prices import HOURS, Prices
from infra.contract import executors

STARTING_SECONDS = 60.0
"""AWS bills an instance from its start; a pod runs on it about a minute later."""

SECOND_LOOK_SECONDS = 20.0
"""What Karpenter takes beside the idle time (`docs/task-nodes.md`)."""


@dataclass(frozen=True)
class Span:
    """From when until when a task's pod ran, in seconds since 1970."""

    start: float
    end: float


@dataclass(frozen=True)
class Pool:
    """The nodes that tasks would have."""

    kind: str
    tasks: int
    """Of one node at once."""

    most: int
    hourly: float
    """Of one node with its disk, in dollars."""

    idle_seconds: float


@dataclass(frozen=True)
class TaskLoad:
    """The answer."""

    environment: str
    days: int
    spans: Sequence[Span]
    pool: Pool
    nodes: float
    """On the average of these days."""

    peak: int
    """Nodes at the busiest moment; no more than there may be."""

    at_once: int
    """Tasks at the busiest moment."""

    @property
    def pod_hours(self) -> float:
        return sum(span.end - span.start for span in self.spans) / 3600

    def data(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "days": self.days,
            "tasks": len(self.spans),
            "podHours": round(self.pod_hours, 3),
            "atOnce": self.at_once,
            "nodeType": self.pool.kind,
            "tasksOfANode": self.pool.tasks,
            "currency": "USD",
            "autoscaled": self._data(self.nodes),
            "alwaysThere": self._data(self.peak),
            "peakNodes": self.peak,
            "cutOff": self.at_once > self.pool.most * self.pool.tasks,
        }

    def _data(self, nodes: float) -> dict[str, float]:
        hourly = nodes * self.pool.hourly
        return {
            "nodes": round(nodes, 4),
            "hourly": round(hourly, 6),
            "monthly": round(hourly * HOURS, 2),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Headings and both ways."""
        ways = (
            ("as tasks come and go (taskNodes)", self.nodes),
            ("always there, for the busiest moment", float(self.peak)),
        )
        table: list[tuple[str, ...]] = [("", "nodes", "USD /h", "USD /month")]
        for name, nodes in ways:
            hourly = nodes * self.pool.hourly
            table.append((name, f"{nodes:.2f}", f"{hourly:.4f}", f"{hourly * HOURS:.2f}"))
        return table


def of(
    airflow: Airflow,
    environment: str,
    executor: str,
    pool: Pool,
    days: int,
    now: datetime | None = None,
) -> TaskLoad:
    """What the tasks of the last days would have needed. UserError if the executor makes no pods for tasks."""
    if not executors.executor(executor).task_pods:
        raise UserError(
            f'The tasks of "{environment}" have no pods of their own with the {executor}',
            "They run in pods that are always there, whatever the load is.",
            f"./aerodrome cost {environment}",
        )
    until = now or datetime.now(UTC)
    since = until - timedelta(days=days)
    spans = list(_spans(airflow.ended_tasks(since), executor, since.timestamp()))
    held, peak = nodes_of(spans, pool)
    return TaskLoad(
        environment,
        days,
        spans,
        pool,
        held / (days * 86_400),
        peak,
        max((count for _, _, count in _counts(spans)), default=0),
    )


def _spans(tasks: Iterable[Mapping[str, Any]], executor: str, since: float) -> Iterable[Span]:
    """Of those whose executor gives them a pod: an empty one is the environment's first."""
    first = executor.partition(",")[0]
    for task in tasks:
        name = str(task.get("executor") or first)
        known = executors.EXECUTORS.get(name)
        if (known is not None and not known.task_pods) or not task.get("start_date"):
            continue
        start = lifetime.instant(task["start_date"]).timestamp()
        yield Span(max(start, since), lifetime.instant(task["end_date"]).timestamp())


def pool_of(wanted: RequestedSettings, prices: Prices) -> Pool:
    """The cheapest of the types, for the task; UserError if none has a price."""
    asked = Load(*planned.task_requests(), 1)
    found = []
    for kind in map(str, wanted.value("taskNodeTypes")):
        price, place = prices.rate(kind), node(kind)
        tasks = 0 if place is None else _fitting(place, asked)
        if price is not None and tasks:
            found.append((price / tasks, kind, price, tasks))
    if not found:
        raise UserError(
            f"None of the types of nodes for tasks has a price in {prices.region}",
            f"They are {', '.join(map(str, wanted.value('taskNodeTypes')))} (the setting taskNodeTypes).",
        )
    _, kind, price, tasks = min(found)
    disk = (prices.rate("ebs-gp3") or 0.0) * int(wanted.value("nodeDiskGb")) / HOURS
    return Pool(
        kind,
        tasks,
        int(wanted.value("taskNodeMax")),
        price + disk,
        float(wanted.value("taskNodeIdleSeconds")),
    )


def _fitting(place: Worker, asked: Load) -> int:
    room = place.room
    return int(min(room.processors / asked.processors, room.memory / asked.memory, room.pods))


def nodes_of(spans: Sequence[Span], pool: Pool) -> tuple[float, int]:
    """Seconds of nodes, and the most at once. A node that is there takes the next task as well, so at each moment there are as
    many as were needed at some moment from the idle time before it to the start after it."""
    events: list[tuple[float, int, int]] = []
    for start, end, count in _counts(spans):
        needed = min(math.ceil(count / pool.tasks), pool.most)
        events.append((start - STARTING_SECONDS, 1, needed))
        events.append((end + pool.idle_seconds + SECOND_LOOK_SECONDS, -1, needed))
    events.sort()
    held: Counter[int] = Counter()
    total, peak = 0.0, 0
    for (moment, step, needed), (later, _, _) in pairwise([*events, (math.inf, 0, 0)]):
        held[needed] += step
        if not held[needed]:
            del held[needed]
        there = max(held, default=0)
        peak = max(peak, there)
        if there:
            total += there * (later - moment)
    return total, peak


def _counts(spans: Sequence[Span]) -> Iterable[tuple[float, float, int]]:
    """From when until when how many ran, where any did."""
    steps: Counter[float] = Counter()
    for span in spans:
        steps[span.start] += 1
        steps[span.end] -= 1
    count = 0
    for moment, later in pairwise(sorted(steps)):
        count += steps[moment]
        if count:
            yield moment, later, count
