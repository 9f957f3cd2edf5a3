"""How many Celery workers there are: as many as there are tasks for, and fewer only after a while."""

from contextlib import nullcontext
from typing import Any

import pytest

from tests.unit.images.loading import script

scale_workers = script("scale_workers")
BOUNDS = scale_workers.Bounds(tasks_each=4, fewest=1, most=3, delay=300)


@pytest.mark.parametrize(("tasks", "workers"), [(0, 1), (1, 1), (4, 1), (5, 2), (12, 3), (99, 3)])
def test_each_worker_has_its_tasks_within_the_bounds(tasks: int, workers: int) -> None:
    assert BOUNDS.needed(tasks) == workers


def test_more_come_at_once() -> None:
    assert scale_workers.Decision(BOUNDS).replicas(0, tasks=12, present=1) == 3


def test_fewer_only_when_fewer_were_enough_for_the_whole_delay() -> None:
    decision = scale_workers.Decision(BOUNDS)
    assert decision.replicas(0, tasks=12, present=3) == 3
    assert decision.replicas(10, tasks=0, present=3) == 3
    assert decision.replicas(200, tasks=5, present=3) == 3
    # The look at 0 is too old by now, that at 200 is not.
    assert decision.replicas(310, tasks=0, present=3) == 2
    assert decision.replicas(510, tasks=0, present=2) == 1


def test_one_that_starts_anew_does_not_end_workers_at_once() -> None:
    decision = scale_workers.Decision(BOUNDS)
    assert decision.replicas(0, tasks=0, present=3) == 3
    assert decision.replicas(310, tasks=0, present=3) == 1


def test_none_stay_none() -> None:
    assert scale_workers.Decision(BOUNDS).replicas(0, tasks=12, present=0) == 0


def test_bounds_hold_for_what_somebody_set_by_hand() -> None:
    decision = scale_workers.Decision(BOUNDS)
    assert decision.replicas(0, tasks=99, present=7) == 3


class Broker:
    """Redis, as far as it is asked."""

    def __init__(self, queues: dict[str, int], taken: int) -> None:
        self._queues = queues
        self._taken = taken
        self._answers: list[int] = []

    def pipeline(self, transaction: bool) -> Any:
        return nullcontext(self)

    def llen(self, queue: str) -> None:
        self._answers.append(self._queues.get(queue, 0))

    def hlen(self, name: str) -> None:
        self._answers.append(self._taken if name == "unacked" else 0)

    def execute(self) -> list[int]:
        return self._answers


class Workers:
    """A Deployment's scale."""

    def __init__(self, replicas: int) -> None:
        self.replicas = replicas
        self.written: list[int] = []

    def read(self) -> int:
        return self.replicas

    def write(self, replicas: int) -> None:
        self.written.append(replicas)


def test_tasks_that_wait_and_tasks_that_run_count() -> None:
    broker, workers = Broker({"default": 3, "large": 2, "other": 50}, taken=4), Workers(1)
    decision = scale_workers.Decision(BOUNDS)
    said = scale_workers.look(decision, broker, workers, ["default", "large"])
    assert workers.written == [3]
    assert said == "9 tasks: 1 -> 3 workers"


def test_nothing_is_written_when_nothing_changes() -> None:
    workers = Workers(1)
    assert scale_workers.look(scale_workers.Decision(BOUNDS), Broker({}, 0), workers, []) == ""
    assert workers.written == []
