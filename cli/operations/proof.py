"""The proof that a deployment works: one DAG run, seen green from outside.

It does what a user would do: log in, start a DAG, wait, read a task's log, both
from the bucket and through Airflow. It runs after every deployment that changed something.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cli.base.errors import KitError
from cli.operations.task_logs import TaskLogs

DAG = "aerodrome_proof"
"""In the image, outside the folder of the team's DAGs (images/airflow/kit_dags)."""

LAST_LINES = 40
"""Of a failing task's log: enough for a traceback."""


class AirflowApi(Protocol):
    """What the proof asks of Airflow (cli.base.airflow.Airflow)."""

    def has_dag(self, dag: str) -> bool: ...
    def import_errors(self) -> list[tuple[str, str]]: ...
    def unpause(self, dag: str) -> None: ...
    def trigger(self, dag: str, run: str) -> None: ...
    def run_state(self, dag: str, run: str) -> str: ...
    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]: ...
    def log(self, dag: str, run: str, task: str, attempt: int) -> list[str]: ...


@dataclass(frozen=True)
class ProofTimeouts:
    """Seconds to wait, and between two looks."""

    dag: float = 120.0
    run: float = 300.0
    upload: float = 30.0
    pause: float = 0.5


@dataclass(frozen=True)
class Proof:
    """One green run."""

    dag: str
    run: str
    seconds: float
    tasks: list[str]
    log_task: str
    log_uri: str
    log_lines: int

    def data(self) -> dict[str, Any]:
        return asdict(self)


def prove(
    airflow: AirflowApi,
    logs: TaskLogs,
    report: Callable[[str], None],
    *,
    dag: str = DAG,
    limits: ProofTimeouts | None = None,
) -> Proof:
    """Runs `dag` once. KitError with the failing task's log if it is not green."""
    limits = limits or ProofTimeouts()
    started = time.monotonic()
    _wait_for_dag(airflow, dag, limits)
    airflow.unpause(dag)
    run = f"proof-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    airflow.trigger(dag, run)
    report(f"run {run} of DAG {dag}")
    tasks = follow(airflow, dag, run, report, limits)
    seconds = time.monotonic() - started
    last = tasks[-1]["task_id"]
    log = logs.of_task(dag, run, last, seconds=limits.upload)
    lines = logs.read(log)
    if not lines:
        raise KitError(f'The log of task "{last}" in the bucket is empty', log.uri)
    report(f"log of task {last} read from {log.uri}")
    shown = airflow.log(dag, run, last, log.attempt or 1)
    if not shown:
        raise KitError(f'Airflow shows no log of task "{last}"', f"The bucket has it: {log.uri}")
    report(f"log of task {last} read through Airflow's API")
    names = [str(task["task_id"]) for task in tasks]
    return Proof(dag, run, round(seconds, 2), names, last, log.uri, len(lines))


def _wait_for_dag(airflow: AirflowApi, dag: str, limits: ProofTimeouts) -> None:
    """The DAG processor may not have read the files yet."""
    give_up = time.monotonic() + limits.dag
    while not airflow.has_dag(dag):
        if time.monotonic() > give_up:
            errors = [f"{file}\n{trace}" for file, trace in airflow.import_errors()]
            raise KitError(
                f'Airflow does not know the DAG "{dag}"',
                "\n".join([f"It did not appear within {limits.dag:.0f} seconds.", *errors]),
                "./aerodrome logs dag-processor",
            )
        time.sleep(limits.pause)


def follow(
    airflow: AirflowApi, dag: str, run: str, report: Callable[[str], None], limits: ProofTimeouts
) -> list[dict[str, Any]]:
    """The tasks of a run that has succeeded. KitError with the failing task's log if it has not."""
    give_up = time.monotonic() + limits.run
    seen: dict[str, str] = {}
    while True:
        # The state is asked for first: when it is final, so are those of the tasks.
        state = airflow.run_state(dag, run)
        tasks = airflow.tasks(dag, run)
        for task in tasks:
            name, now = str(task["task_id"]), str(task["state"])
            if now in ("running", "success", "failed") and seen.get(name) != now:
                report(f"task {name}: {now}")
            seen[name] = now
        if state == "success":
            return tasks
        if state == "failed":
            raise _failed(airflow, dag, run, tasks)
        if time.monotonic() > give_up:
            states = "\n".join(f"{name}: {now}" for name, now in seen.items())
            raise KitError(
                f"Run {run} of DAG {dag} is not over after {limits.run:.0f} seconds",
                f"It is {state}. Its tasks:\n{states}",
                "./aerodrome logs scheduler",
            )
        time.sleep(limits.pause)


def _failed(airflow: AirflowApi, dag: str, run: str, tasks: list[dict[str, Any]]) -> KitError:
    """The error that shows why: the first failed task's last lines."""
    failed = next((task for task in tasks if task["state"] == "failed"), None)
    if failed is None:
        return KitError(
            f"Run {run} of DAG {dag} failed, but none of its tasks did", "", "./aerodrome open"
        )
    task = str(failed["task_id"])
    try:
        lines = airflow.log(dag, run, task, int(failed.get("try_number") or 1))
    except KitError as error:
        lines = [f"(its log cannot be read: {error.summary})"]
    return KitError(
        f'Task "{task}" of DAG {dag} failed (run {run})',
        "\n".join(["The end of its log:", *lines[-LAST_LINES:]]),
        f"./aerodrome logs --dag {dag} --run {run} --task {task}",
    )
