"""The alerts: the one table from which Grafana's file of rules and the links to the runbooks are made."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from grafana.boards.dags import ENDED
from grafana.boards.infrastructure import CONNECTIONS_USED, DAYS_LEFT, DISK_USED
from grafana.influxql import outer, select
from infra.contract import metrics

MINUTE, HOUR, DAY = 60, 3600, 86400
FAILED_RUNS: Final = 3
"""In a row."""

_STEP: Final = "5s"
"""How finely the order of runs is known: that of the continuous queries, and of what Telegraf counts together."""

_SUCCESS: Final = 1_000_000
"""More failures than end in some steps of time."""

CERTIFICATE_DAYS: Final = 14
"""Those that renew themselves have done so a month before the end."""

_ENVIRONMENT = metrics.ENVIRONMENT_TAG
_DAG = (_ENVIRONMENT, "dag_id")


class Severity(StrEnum):
    """A label of the alert, for whoever routes notifications."""

    critical = "critical"
    warning = "warning"


class NoData(StrEnum):
    """What it means that the query finds nothing."""

    alerting = "Alerting"
    fine = "OK"


@dataclass(frozen=True)
class Alert:
    """One rule: it fires for each series whose value is beyond the threshold for long enough."""

    name: str
    """Of the rule, and of its page in docs/runbooks."""

    title: str
    summary: str
    """With Grafana's templates: `$labels` are the tags of the series, `$values.B.Value` its value."""

    severity: Severity
    query: str
    """Grafana takes the last value of each series."""

    seconds: int
    """How far back it looks."""

    beyond: str
    """`gt` or `lt`."""

    threshold: float
    lasting: str
    """How long it must be so until the alert fires."""

    no_data: NoData = NoData.fine


def _heartbeats() -> str:
    # A series that ends would be gone from the answer, and the alert with it: the zeroes of an hour keep it there.
    # Two steps of time, because the last one has only begun.
    return select(
        'moving_average(sum("value"), 2) AS "heartbeats"',
        "airflow_scheduler_heartbeat",
        by=[_ENVIRONMENT],
        every="2m",
    )


def _failed_in_a_row() -> str:
    """How many of a DAG's last runs failed, up to the number that matters or more; far below zero after a success.

    Each step of time has the number of runs that failed in it, or a success. Of the last one, two, ... steps the sum is that of
    failures, unless one of them has a success: the longest row is the greatest sum. Each step that is there has a run, so
    that no more steps are needed than runs.
    """
    outcomes = [
        select('"failed" AS "runs"', ENDED),
        select(f'"success" * 0 - {_SUCCESS} AS "runs"', ENDED),
    ]
    sums = ['min("runs")'] + [
        f'moving_average(min("runs"), {steps}) * {steps}' for steps in range(2, FAILED_RUNS + 1)
    ]
    lasts = [outer(f'{one} AS "runs"', outcomes, by=_DAG, every=_STEP) for one in sums]
    greatest = outer('max("runs") AS "most"', lasts, by=_DAG, every=_STEP)
    # One row for each DAG: InfluxDB answers with no more than some, and a week has many.
    return outer('last("most") AS "streak"', [greatest], by=_DAG)


ALERTS: Final = (
    Alert(
        "no-scheduler-heartbeat",
        "No scheduler heartbeat",
        "The scheduler of {{ $labels.environment }} sends no heartbeat: no task is started.",
        Severity.critical,
        _heartbeats(),
        HOUR,
        "lt",
        0.5,
        "1m",
        NoData.alerting,
    ),
    Alert(
        "dag-fails-in-a-row",
        "DAG fails again and again",
        f"The last {FAILED_RUNS} runs of {{{{ $labels.dag_id }}}} in {{{{ $labels.environment }}}} failed.",
        Severity.warning,
        _failed_in_a_row(),
        7 * DAY,
        "gt",
        FAILED_RUNS - 0.5,
        "0s",
    ),
    Alert(
        "import-errors",
        "DAG files cannot be imported",
        "{{ $values.B.Value }} DAG files of {{ $labels.environment }} cannot be imported.",
        Severity.warning,
        select(
            'last("value") AS "files"',
            "airflow_dag_processing_import_errors",
            by=[_ENVIRONMENT],
        ),
        15 * MINUTE,
        "gt",
        0,
        "5m",
    ),
    Alert(
        "tasks-queued-too-long",
        "Tasks are queued for too long",
        "The pool {{ $labels.pool_name }} of {{ $labels.environment }} has had queued tasks for half an hour.",
        Severity.warning,
        select(
            'min("value") AS "tasks"',
            "airflow_pool_queued_slots",
            by=[_ENVIRONMENT, "pool_name"],
        ),
        15 * MINUTE,
        "gt",
        0,
        "15m",
    ),
    Alert(
        "schedule-delay",
        "Runs begin late",
        "Runs of {{ $labels.dag_id }} in {{ $labels.environment }} begin more than five minutes late.",
        Severity.warning,
        select(
            'sum("sum") / sum("count") AS "delay"',
            "airflow_dagrun_schedule_delay",
            by=_DAG,
        ),
        30 * MINUTE,
        "gt",
        5 * MINUTE * 1000,
        "5m",
    ),
    Alert(
        "disk-filling",
        "A node's disk is filling",
        'The disk of {{ $labels.node_name }} is {{ printf "%.0f" $values.B.Value }} % full.',
        Severity.critical,
        select(DISK_USED, metrics.NODE.name, by=metrics.NODE.tags),
        10 * MINUTE,
        "gt",
        80,
        "10m",
    ),
    Alert(
        "server-connections",
        "PostgreSQL has few connections left",
        'PostgreSQL has {{ printf "%.0f" $values.B.Value }} % of its connections in use, those of all environments together.',
        Severity.critical,
        select(CONNECTIONS_USED, metrics.POSTGRESQL.name),
        10 * MINUTE,
        "gt",
        80,
        "5m",
    ),
    Alert(
        "database-connections",
        "A database has few connections left",
        'The owner of the database {{ $labels.database }} has {{ printf "%.0f" $values.B.Value }} % of its connections in use.',
        Severity.warning,
        select(
            CONNECTIONS_USED, metrics.POSTGRESQL_DATABASE.name, by=metrics.POSTGRESQL_DATABASE.tags
        ),
        10 * MINUTE,
        "gt",
        80,
        "5m",
    ),
    Alert(
        "logs-not-arriving",
        "Logs do not arrive",
        "No line of {{ $labels.environment }} has come to Elasticsearch for ten minutes or more.",
        Severity.warning,
        select(
            'moving_average(sum("value"), 2) AS "lines"',
            metrics.LOGS_ARRIVED.name,
            by=[_ENVIRONMENT],
            every="10m",
        ),
        3 * HOUR,
        "lt",
        0.5,
        "1m",
    ),
    Alert(
        "certificate-near-its-end",
        "A certificate is near its end",
        'The certificate of {{ $labels.source }} is valid for {{ printf "%.0f" $values.B.Value }} days.',
        Severity.warning,
        select(
            DAYS_LEFT,
            metrics.CERTIFICATE.name,
            by=metrics.CERTIFICATE.tags,
        ),
        HOUR,
        "lt",
        CERTIFICATE_DAYS,
        "10m",
    ),
)
