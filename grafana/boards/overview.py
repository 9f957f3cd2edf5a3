"""Is it healthy? Heartbeats, import errors, the queue, failures."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.influxql import HERE, INTERVAL, select
from grafana.panels import BAD, GOOD, WARNING, Line, board, environment, graph, number
from infra.contract.metrics import ENVIRONMENT_TAG

_BY = (ENVIRONMENT_TAG,)


def _heartbeats(component: str) -> str:
    # The mean of two minutes: the one that has just begun alone would be nearly empty.
    return select(
        'moving_average(sum("value"), 2) AS "heartbeats"',
        f"airflow_{component}_heartbeat",
        where=[HERE],
        by=_BY,
        every="1m",
    )


def _last(name: str) -> str:
    return select('last("value") AS "last"', name, where=[HERE], by=_BY)


def dashboard() -> Dashboard:
    """The whole of it."""
    alive = [(None, BAD), (1, GOOD)]
    none = [(None, GOOD), (1, BAD)]
    few = [(None, GOOD), (1, WARNING)]
    ended = select(
        'sum("value") AS "tries"',
        "airflow_ti_finish",
        where=[HERE],
        by=["state"],
        every=INTERVAL,
    )
    failed = select(
        'sum("count") AS "runs"',
        "airflow_dagrun_duration_failed",
        where=[HERE],
        by=["dag_id"],
        every=INTERVAL,
    )
    levels = [
        Line(
            select(
                'max("value") AS "tasks"',
                f"airflow_executor_{what}_tasks",
                where=[HERE],
                by=["executor_class_name"],
                every=INTERVAL,
            ),
            f"{what}: $tag_executor_class_name",
        )
        for what in ("queued", "running")
    ]
    return (
        board("aerodrome-overview", "Overview", "Is Airflow healthy?")
        .with_variable(environment())
        .with_panel(number("Scheduler: heartbeats a minute", _heartbeats("scheduler"), alive))
        .with_panel(
            number("DAG processor: heartbeats a minute", _heartbeats("dag_processor"), alive)
        )
        .with_panel(number("Triggerer: heartbeats a minute", _heartbeats("triggerer"), alive))
        .with_panel(number("Import errors", _last("airflow_dag_processing_import_errors"), none))
        .with_panel(number("Tasks without a slot", _last("airflow_scheduler_tasks_starving"), few))
        .with_panel(number("DAGs", _last("airflow_dagbag_size"), [(None, GOOD)]))
        .with_panel(graph("Tries that ended", [Line(ended, "$tag_state")]))
        .with_panel(graph("Runs that failed", [Line(failed, "$tag_dag_id")]))
        .with_panel(graph("The executor's tasks", levels))
        .with_panel(graph("Heartbeats a minute", _all_heartbeats()))
    )


def _all_heartbeats() -> list[Line]:
    return [
        Line(_heartbeats(component), f"{component}: $tag_{ENVIRONMENT_TAG}")
        for component in ("scheduler", "dag_processor", "triggerer")
    ]
