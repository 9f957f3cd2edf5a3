"""Lines of tasks on standard output: each says which try it is of, as JSON that the shipper of logs reads.

Under the KubernetesExecutor and the CeleryExecutor Airflow writes JSON there. With the LocalExecutor it prints text on the
scheduler's, and masks no secret in it: the scheduler's own logging has no masker.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any


def named(supervise: Any, module: Any) -> Any:
    """Airflow's `supervise_task`, whose lines on standard output all tell which try of which task they are of.

    The task's process says so itself, but not before it has begun. What goes into the task's log stays as it is.
    """

    @functools.wraps(supervise)
    def wrapper(**arguments: Any) -> Any:
        task = arguments["ti"]
        module.log = module.log.bind(
            ti_id=str(task.id),
            dag_id=task.dag_id,
            task_id=task.task_id,
            run_id=task.run_id,
            try_number=task.try_number,
            map_index=task.map_index,
        )
        return supervise(**arguments)

    return wrapper


def name() -> None:
    """In this process, and in those that it forks."""
    from airflow.sdk.execution_time import supervisor

    supervisor.supervise_task = named(supervisor.supervise_task, supervisor)


def use_json_in_workers() -> None:
    """In each process that the LocalExecutor forks off this one, from its first task on."""
    from airflow.executors.base_executor import BaseExecutor

    BaseExecutor.run_workload = staticmethod(_prepared(BaseExecutor.run_workload))


def _prepared(run_workload: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run_workload)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        _write_json()
        return run_workload(*arguments, **options)

    return wrapper


@functools.cache
def _write_json() -> None:
    """Once in a process: the logging that tasks' processes have, masker included."""
    from airflow.sdk.log import configure_logging

    configure_logging(output=sys.stdout.buffer, json_output=True)
    name()
