"""The health figures of an environment, from its metrics: what `aerodrome metrics` shows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cli.base.influxdb import InfluxDB
from cli.operations import metrics_store, monitoring_access
from cli.operations.live import Live
from infra.contract import metrics

BARS = "▁▂▃▄▅▆▇█"
POINTS = 30
"""How many a figure has, whatever the time that it shows."""


@dataclass(frozen=True)
class Question:
    """One figure: what is asked for each step of time, and how the steps become one number."""

    key: str
    title: str
    measurement: str
    field: str
    """In InfluxQL."""

    where: str = ""
    whole: str = "sum"
    """`sum` of all steps, `last` of them, or their `mean`."""


QUESTIONS = (
    Question(
        "schedulerHeartbeats",
        "scheduler's heartbeats",
        "airflow_scheduler_heartbeat",
        'sum("value")',
    ),
    Question(
        "dagProcessorHeartbeats",
        "DAG processor's heartbeats",
        "airflow_dag_processor_heartbeat",
        'sum("value")',
    ),
    Question(
        "triggererHeartbeats",
        "triggerer's heartbeats",
        "airflow_triggerer_heartbeat",
        'sum("value")',
    ),
    Question(
        "succeeded",
        "tries that succeeded",
        "airflow_ti_finish",
        'sum("value")',
        "state = 'success'",
    ),
    Question(
        "failed",
        "tries that failed",
        "airflow_ti_finish",
        'sum("value")',
        "state =~ /failed|retry/",
    ),
    Question("failedRuns", "runs that failed", "airflow_dagrun_duration_failed", 'sum("count")'),
    Question(
        "queued", "queued tasks", "airflow_executor_queued_tasks", 'max("value")', whole="last"
    ),
    Question(
        "running", "running tasks", "airflow_executor_running_tasks", 'max("value")', whole="last"
    ),
    Question(
        "scheduledMilliseconds",
        "scheduled to queued, ms",
        "airflow_task_scheduled_duration",
        'sum("sum") / sum("count")',
        whole="mean",
    ),
    Question(
        "importErrors",
        "DAG files with import errors",
        "airflow_dag_processing_import_errors",
        'max("value")',
        whole="last",
    ),
)


@dataclass(frozen=True)
class Figure:
    """What there is of one question; None for a step of time, or all of it, without points."""

    key: str
    title: str
    value: float | None
    steps: Sequence[float | None]

    @property
    def plot(self) -> str:
        """A bar for each step, the highest being the highest of all."""
        top = max((step for step in self.steps if step is not None), default=0.0)
        return "".join(_bar(step, top) for step in self.steps)


def _bar(step: float | None, top: float) -> str:
    if step is None:
        return " "
    return BARS[round(step / top * (len(BARS) - 1))] if top else BARS[0]


@contextmanager
def influxdb_of(found: Live) -> Iterator[InfluxDB]:
    """The InfluxDB with an environment's metrics, its own or its base's, while the block lasts.

    UserError if there is none.
    """
    with metrics_store.connection(monitoring_access.require_metrics(found)) as influxdb:
        yield influxdb


def figures(influxdb: InfluxDB, environment: str, hours: int) -> list[Figure]:
    """Of the last hours."""
    return [_figure(influxdb, question, environment, hours) for question in QUESTIONS]


def _figure(influxdb: InfluxDB, question: Question, environment: str, hours: int) -> Figure:
    where = f" AND {question.where}" if question.where else ""
    seconds = hours * 3600
    rows = influxdb.rows(
        f'SELECT {question.field} AS "step" FROM "{question.measurement}" '
        f"WHERE time > now() - {seconds}s AND \"{metrics.ENVIRONMENT_TAG}\" = '{environment}'{where} "
        f"GROUP BY time({seconds // POINTS}s)"
    )
    steps = [row["step"] for row in rows][-POINTS:]
    return Figure(question.key, question.title, _whole(question.whole, steps), steps)


def _whole(how: str, steps: Sequence[float | None]) -> float | None:
    there = [step for step in steps if step is not None]
    if not there:
        return None
    match how:
        case "sum":
            return sum(there)
        case "last":
            return there[-1]
        case _:
            return sum(there) / len(there)


def as_data(environment: str, hours: int, found: Sequence[Figure]) -> dict[str, Any]:
    """For programs."""
    return {
        "environment": environment,
        "hours": hours,
        "figures": {one.key: {"value": one.value, "steps": list(one.steps)} for one in found},
    }
