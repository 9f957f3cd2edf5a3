"""Tries of tasks: how many begin and end, how long they take; the slots that they wait for."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.influxql import HERE, INTERVAL, THIS_DAG, select, values_of
from grafana.panels import MILLISECONDS, Line, board, environment, graph, rows, variable

_MINE = (HERE, THIS_DAG)
_TASK = ("dag_id", "task_id")


def dashboard() -> Dashboard:
    """The whole of it."""
    started = select('sum("value") AS "started"', "airflow_ti_start", where=_MINE, every=INTERVAL)
    ended = select(
        'sum("value") AS "ended"', "airflow_ti_finish", where=_MINE, by=["state"], every=INTERVAL
    )
    duration = select(
        'max("upper") AS "longest"',
        "airflow_task_duration",
        where=_MINE,
        by=_TASK,
        every=INTERVAL,
    )
    waited = select(
        'sum("sum") / sum("count") AS "mean"',
        "airflow_task_scheduled_duration",
        where=_MINE,
        by=["queue"],
        every=INTERVAL,
    )
    each = select(
        'sum("count") AS "tries", sum("sum") / sum("count") AS "mean", max("upper") AS "longest"',
        "airflow_task_duration",
        where=_MINE,
        by=_TASK,
    )
    open_slots = select(
        'min("value") AS "slots"',
        "airflow_executor_open_slots",
        where=[HERE],
        by=["executor_class_name"],
        every=INTERVAL,
    )
    dags = values_of("dag_id", "^airflow_(ti_|task_)", HERE)
    return (
        board("aerodrome-tasks", "Tasks", "Tries of tasks, and the slots that they wait for.")
        .with_variable(environment())
        .with_variable(variable("dag", "DAG", dags))
        .with_panel(graph("Tries that began", [Line(started, "began")]))
        .with_panel(graph("Tries that ended", [Line(ended, "$tag_state")]))
        .with_panel(
            graph(
                "Duration of a try, the longest",
                [Line(duration, "$tag_dag_id: $tag_task_id")],
                unit=MILLISECONDS,
            )
        )
        .with_panel(
            graph(
                "From scheduled to queued, the mean",
                [Line(waited, "$tag_queue")],
                unit=MILLISECONDS,
                description="Airflow does not measure how long a task waits for its pod.",
            )
        )
        .with_panel(graph("Slots of pools", _pools()))
        .with_panel(
            graph("The executor's open slots", [Line(open_slots, "$tag_executor_class_name")])
        )
        .with_panel(rows("Duration by task", each, unit=MILLISECONDS))
    )


def _pools() -> list[Line]:
    return [
        Line(
            select(
                'max("value") AS "slots"',
                f"airflow_pool_{what}_slots",
                where=[HERE],
                by=["pool_name"],
                every=INTERVAL,
            ),
            f"{what}: $tag_pool_name",
        )
        for what in ("open", "queued", "running")
    ]
