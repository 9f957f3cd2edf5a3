"""Prepare `airflow scheduler`: the kit's KubernetesExecutor, an end on SIGTERM, and running tasks that are spared.

The process that watches Kubernetes is forked off the scheduler and inherits its handler for
SIGTERM, which does nothing there. So the scheduler waits 20 seconds for it at every stop,
every rollout and every teardown. A forked child starts without the handler here.

A scheduler takes over what one that has ended had queued. A task that its executor does not know
is started again, also one that runs: in the old scheduler's pod, which waits for it, or in a pod or a worker
of the executor that was configured before. Here such a task stays as it is while its heartbeat
is young. When it dies its heartbeats end, which every scheduler notices.
"""

import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

ALIVE = timedelta(seconds=30)
"""The age of a heartbeat that is young. A task sends one every few seconds."""


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
