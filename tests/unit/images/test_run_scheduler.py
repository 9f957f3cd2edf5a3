"""What a scheduler does with tasks of one that has ended: none that something runs is started again."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.unit.images.loading import script

run_scheduler = script("run_scheduler")


def task(state: str, age: float | None) -> SimpleNamespace:
    beat = None if age is None else datetime.now(UTC) - timedelta(seconds=age)
    return SimpleNamespace(state=state, last_heartbeat_at=beat)


@pytest.mark.parametrize(
    ("state", "age", "again"),
    [
        ("running", 3, False),
        ("running", 300, True),
        ("running", None, True),
        # A task that waits in a queue which nobody reads any more has no heartbeat of this try.
        ("queued", 3, True),
        ("queued", None, True),
    ],
)
def test_what_is_not_alive_is_started_again(state: str, age: float | None, again: bool) -> None:
    one = task(state, age)
    adopt = run_scheduler.sparing(lambda tasks: tasks)
    assert adopt([one]) == ([one] if again else [])


def test_what_the_executor_has_taken_over_is_its_own() -> None:
    known, unknown = task("queued", None), task("queued", None)
    adopt = run_scheduler.sparing(lambda tasks: [one for one in tasks if one is not known])
    assert adopt([known, unknown]) == [unknown]


class Time:
    """A clock on which only sleep takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("counts", "pause"),
    [
        # Nothing is at work: one look, and the whole pause.
        ([0], 0.5),
        ([2, 2, 2, 2, 2, 2], 0.5),
        ([2, 2, 1], 0.2),
        ([1, 0], 0.1),
        # More have been queued by another scheduler, and one of them has ended.
        ([1, 3, 2], 0.2),
        # The database is away: what follows is the round's to say.
        ([RuntimeError()], 0.5),
    ],
)
def test_a_pause_ends_when_a_task_has(counts: list[int | Exception], pause: float) -> None:
    def at_work() -> int:
        answer = counts.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    clock = Time()
    run_scheduler.Clock(at_work, clock).sleep(0.5)
    assert clock.now == pytest.approx(pause)
    assert not counts
