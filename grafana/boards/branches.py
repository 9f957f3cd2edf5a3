"""The environments of a base beside each other: what each uses."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards.infrastructure import by_database
from grafana.influxql import INTERVAL, outer, select
from grafana.panels import BYTES, DOLLARS, MILLISECONDS, WIDTH, Line, amount, board, graph, rows
from infra.contract.metrics import ENVIRONMENT_TAG, PODS

_BY = (ENVIRONMENT_TAG,)

GIB_HOUR: Final = "0.0126"
"""Dollars: the hour of a node of the default type in us-east-1, by its memory."""


def _over_time(fields: str, name: str) -> list[Line]:
    return [Line(select(fields, name, by=_BY, every=INTERVAL), f"$tag_{ENVIRONMENT_TAG}")]


def _pods(mean: str) -> list[Line]:
    """Of all components together."""
    each = select(f'{mean} AS "mean"', PODS.name, by=(*_BY, *PODS.tags), every=INTERVAL)
    query = outer('sum("mean") AS "value"', [each], by=_BY, every=INTERVAL)
    return [Line(query, f"$tag_{ENVIRONMENT_TAG}")]


def dashboard() -> Dashboard:
    """The whole of it."""
    used = select('sum("count") AS "tries", sum("sum") AS "time"', "airflow_task_duration", by=_BY)
    failed = select('sum("count") AS "failed"', "airflow_dagrun_duration_failed", by=_BY)
    return (
        board("aerodrome-branches", "Branches", "Environments beside each other.")
        .with_variable(
            amount(
                "gib_hour",
                "USD for an hour of a node's GiB",
                GIB_HOUR,
                "The price of a node's hour by its memory in GiB; of `aerodrome cost`.",
            )
        )
        .with_panel(
            graph("Tries that ended", _over_time('sum("value") AS "tries"', "airflow_ti_finish"))
        )
        .with_panel(
            graph(
                "Time that tasks ran",
                _over_time('sum("sum") AS "time"', "airflow_task_duration"),
                unit=MILLISECONDS,
            )
        )
        .with_panel(
            graph(
                "Running tasks, the most",
                _over_time('max("value") AS "tasks"', "airflow_executor_running_tasks"),
            )
        )
        .with_panel(
            graph(
                "Scheduler's heartbeats",
                _over_time('sum("value") AS "heartbeats"', "airflow_scheduler_heartbeat"),
            )
        )
        .with_panel(
            graph("Processors in use", _pods('mean("cpu_usage_nanocores_sum") / 1000000000'))
        )
        .with_panel(
            graph("Memory in use", _pods('mean("memory_working_set_bytes_sum")'), unit=BYTES)
        )
        .with_panel(
            graph(
                "Tasks' pods killed for their memory",
                _over_time('sum("value") AS "pods"', "airflow_pod_oom_killed"),
            )
        )
        .with_panel(
            graph(
                "Tasks' pods evicted", _over_time('sum("value") AS "pods"', "airflow_pod_evicted")
            )
        )
        .with_panel(graph("Lines of logs", _over_time('sum("value") AS "lines"', "logs_arrived")))
        .with_panel(
            graph(
                "Size of databases",
                by_database('last("size_bytes") AS "size"'),
                unit=BYTES,
                description="The name of a branch's database has its environment's in it.",
            )
        )
        .with_panel(
            graph(
                "Cost of a day with the memory in use",
                _pods('mean("memory_working_set_bytes_sum") / 1073741824 * 24 * ${gib_hour:raw}'),
                unit=DOLLARS,
                span=WIDTH,
                description="Of nodes, which Airflow's pods fill by their memory. What environments share (the cluster, "
                "NAT, the base's database) and disks are in `aerodrome cost`.",
            )
        )
        .with_panel(rows("Tries, and the time that they ran (ms)", used))
        .with_panel(rows("Runs that failed", failed))
    )
