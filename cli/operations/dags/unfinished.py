"""Runs that have begun when their DAG's file changes, or goes.

A bundle of the image has no versions: a run goes on with the file that is there, whatever it began
with. A task that is no longer in it is `removed`, and the run is green without it; the runs of a DAG
whose file is gone stay `running` for ever. So the runs are named before the deployment, and after
it those whose only unfinished tasks are gone are ended as failed, with a note that says why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cli.base.errors import KitError
from cli.operations.dags import image
from cli.operations.dags.image import ImageRecord
from cli.operations.live import Live

FINAL = ("success", "failed", "upstream_failed", "skipped", "removed")
AT_WORK = ("running", "queued", "deferred", "restarting")
PATIENCE = 30.0
"""Seconds for an Airflow that does not answer: the deployment may be what repairs it."""


class Runs(Protocol):
    """What is asked of Airflow (cli.base.airflow.Airflow)."""

    def dags(self) -> list[dict[str, Any]]: ...
    def unfinished_runs(self) -> list[dict[str, Any]]: ...
    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]: ...
    def task_ids(self, dag: str) -> set[str]: ...
    def change_run(self, dag: str, run: str, change: dict[str, str]) -> None: ...


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that has begun, and whose code changes under it."""

    dag: str
    run: str
    why: str
    tasks: tuple[str, ...]
    """Those that are not over."""

    @property
    def text(self) -> str:
        waiting = ", ".join(self.tasks) or "none yet"
        return f"run {self.run} of DAG {self.dag} has begun, and {self.why}; unfinished tasks: {waiting}"

    def data(self) -> dict[str, Any]:
        return {"dag": self.dag, "run": self.run, "why": self.why, "tasks": list(self.tasks)}


def look(live: Live, report: Callable[[str], None]) -> list[UnfinishedRun]:
    """The runs that a deployment of this checkout would touch, each reported."""
    if not live.outputs.ui_service:
        return []
    try:
        pod = image.processor(live)
        known = image.record(live, pod) if pod else None
        if known is None or not (changed := known.changed()):
            return []
        with live.airflow(PATIENCE) as airflow:
            found = touched(airflow, known, changed)
    except KitError as error:
        report(f"whether runs of changed DAGs are unfinished is not known: {error.summary}")
        return []
    for item in found:
        report(f"warning: {item.text}")
    return found


def touched(
    airflow: Runs, known: ImageRecord, changed: set[str], folder: Path = image.FOLDER
) -> list[UnfinishedRun]:
    """Of the unfinished runs, those that the changed files belong to."""
    runs = airflow.unfinished_runs()
    if not runs:
        return []
    files = {each.dag: each.file for each in known.dags if each.bundle == image.BUNDLE}
    # A module that DAGs import, a query, a template: which DAG uses it cannot be known.
    common = sorted(changed - set(files.values()))
    found = []
    for run in runs:
        dag, name = str(run["dag_id"]), str(run["dag_run_id"])
        file = files.get(dag)
        if file is None:
            continue
        if file in changed:
            why = f"{file} changes" if (folder / file).is_file() else f"{file} goes"
        elif common:
            why = f"{common[0]} changes, which it may use"
        else:
            continue
        tasks = airflow.tasks(dag, name)
        left = tuple(sorted({str(t["task_id"]) for t in tasks if t["state"] not in FINAL}))
        found.append(UnfinishedRun(dag, name, why, left))
    return found


def settle(airflow: Runs, runs: list[UnfinishedRun], report: Callable[[str], None]) -> list[str]:
    """After the rollout: no run ends green, or never, because what it had yet to do is gone.

    Returns a line for each run that was ended, or that somebody must look after.
    """
    present = {str(dag["dag_id"]) for dag in airflow.dags()}
    lines = []
    for item in runs:
        here = airflow.task_ids(item.dag) if item.dag in present else set()
        gone = [task for task in item.tasks if task not in here]
        if not gone:
            continue
        words = f"{', '.join(gone)} had not finished when a deployment removed it from the DAG"
        at_work = [
            str(task["task_id"])
            for task in airflow.tasks(item.dag, item.run)
            if task["state"] in AT_WORK or (task["state"] not in FINAL and task["task_id"] in here)
        ]
        if at_work:
            airflow.change_run(item.dag, item.run, {"note": words})
            line = f"run {item.run} of DAG {item.dag} goes on without it: {words}"
        else:
            airflow.change_run(item.dag, item.run, {"state": "failed", "note": words})
            line = f"run {item.run} of DAG {item.dag} was ended as failed: {words}"
        report(f"warning: {line}")
        lines.append(line)
    return lines
