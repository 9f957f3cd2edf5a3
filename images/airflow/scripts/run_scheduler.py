"""Prepare `airflow scheduler`: the kit's KubernetesExecutor, an end on SIGTERM, running tasks that are spared, short pauses.

The process that watches Kubernetes is forked off the scheduler and inherits its handler for
SIGTERM, which does nothing there. So the scheduler waits 20 seconds for it at every stop,
every rollout and every teardown. A forked child starts without the handler here.

A scheduler takes over what one that has ended had queued. A task that its executor does not know
is started again, also one that runs: in the old scheduler's pod, which waits for it, or in a pod or a worker
of the executor that was configured before. Here such a task stays as it is while its heartbeat
is young. When it dies its heartbeats end, which every scheduler notices.

The next task of a chain is found by a round of the scheduler, and after a round that found nothing it pauses, for half a
second by default. While tasks are at work, one small query looks ten times a second whether fewer are than before: then the
pause is over. A round is some thirty queries.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import task_lines

ALIVE = timedelta(seconds=30)
"""The age of a heartbeat that is young. A task sends one every few seconds."""


LOOK_SECONDS = 0.1
"""Between two looks whether a task has ended."""


class Clock:
    """The module `time` for the scheduler's loop, whose pauses end when a task has."""

    def __init__(self, at_work: Callable[[], int], clock: Any = time) -> None:
        """`at_work` counts the tasks that are queued or running."""
        self._at_work = at_work
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def sleep(self, seconds: float) -> None:
        """Pause for so long, or until fewer tasks are at work."""
        end = self._clock.monotonic() + seconds
        before = self._count()
        while (left := end - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, LOOK_SECONDS) if before else left)
            if (now := self._count() if before else 0) < before:
                return
            before = now

    def _count(self) -> int:
        try:
            return self._at_work()
        except Exception:
            # The round that follows meets whatever it is, and knows what to do.
            return 0


def at_work() -> int:
    """How many task instances are queued or running; by an index, and few at any time."""
    from airflow.utils.session import create_session
    from sqlalchemy import text

    query = text("SELECT count(*) FROM task_instance WHERE state IN ('queued', 'running')")
    with create_session() as session:
        return int(session.scalar(query) or 0)


def pause_until_a_task_has_ended() -> None:
    """The scheduler's loop has its pauses from this module's clock."""
    from airflow.jobs import scheduler_job_runner

    assert scheduler_job_runner.time is time
    scheduler_job_runner.time = Clock(at_work)


def default_sigterm() -> None:
    """Runs in a child, right after the fork; what it sets for itself comes later."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def use_task_pods() -> None:
    """The executor keeps its name, in the configuration and in the history; it is loaded where it is used."""
    from airflow.executors.executor_loader import ExecutorLoader

    ExecutorLoader.executors["KubernetesExecutor"] = "task_pods.KubernetesExecutor"


def is_alive(task: Any, now: datetime) -> bool:
    """Whether something runs the task instance at this moment."""
    beat = task.last_heartbeat_at
    return task.state == "running" and beat is not None and now - beat < ALIVE


def sparing(adopt: Callable[[Sequence[Any]], Sequence[Any]]) -> Callable[[Sequence[Any]], Any]:
    """An executor's adoption, which returns what is to be started again: without what is alive."""

    def adopt_or_spare(tasks: Sequence[Any]) -> list[Any]:
        now = datetime.now(UTC)
        return [task for task in adopt(tasks) if not is_alive(task, now)]

    return adopt_or_spare


def spare_running_tasks() -> None:
    """Every executor that the scheduler loads adopts in that way."""
    from airflow.executors.executor_loader import ExecutorLoader

    init = ExecutorLoader.init_executors

    def init_executors() -> list[Any]:
        executors = init()
        for executor in executors:
            executor.try_adopt_task_instances = sparing(executor.try_adopt_task_instances)
        return executors

    ExecutorLoader.init_executors = init_executors


def prepare() -> None:
    """Before `airflow scheduler` starts in this process."""
    os.register_at_fork(after_in_child=default_sigterm)
    use_task_pods()
    spare_running_tasks()
    pause_until_a_task_has_ended()
    task_lines.use_json_in_workers()
