"""Tasks run in order, side by side where they may, and a failure is told with its last lines."""

import threading
from pathlib import Path

import pytest

from sandbox.errors import KitError
from sandbox.setup import runner
from sandbox.setup.task import Log, Task


def task(name: str, run=lambda log: None, after=(), done=False) -> Task:
    return Task(name, name.title(), lambda: done, run, after)


def test_only_what_is_not_done_is_run(tmp_path: Path) -> None:
    ran: list[str] = []
    tasks = [
        task("packages", lambda log: ran.append("packages"), done=True),
        task("uv", lambda log: ran.append("uv"), after=["packages"]),
    ]
    assert runner.run(tasks, tmp_path) == ["uv"]
    assert ran == ["uv"]


def test_a_task_waits_for_those_it_comes_after(tmp_path: Path) -> None:
    ran: list[str] = []
    tasks = [
        task("second", lambda log: ran.append("second"), after=["first"]),
        task("first", lambda log: ran.append("first")),
    ]
    runner.run(tasks, tmp_path)
    assert ran == ["first", "second"]


def test_tasks_that_do_not_wait_for_each_other_run_at_the_same_time(tmp_path: Path) -> None:
    # Each waits for the other to have begun: run one after the other, this would time out.
    meeting = threading.Barrier(2, timeout=10)
    tasks = [
        task("a", lambda log: meeting.wait() and None),
        task("b", lambda log: meeting.wait() and None),
    ]
    assert sorted(runner.run(tasks, tmp_path)) == ["a", "b"]


def test_a_failure_starts_nothing_more_and_is_raised(tmp_path: Path) -> None:
    ran: list[str] = []

    def fail(log: Log) -> None:
        log.run(["sh", "-c", "echo the true reason; exit 3"])

    tasks = [task("first", fail), task("second", lambda log: ran.append("second"), after=["first"])]
    with pytest.raises(KitError) as failure:
        runner.run(tasks, tmp_path)
    assert failure.value.summary == "sh failed with status 3"
    assert "the true reason" in failure.value.detail
    assert str(tmp_path / "first.log") in failure.value.detail
    assert ran == []
