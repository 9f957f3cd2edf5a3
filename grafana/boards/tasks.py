"""Tries of tasks: how many begin and end, how long they take; the slots that they wait for; the pods, and what these use."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.influxql import HERE, INTERVAL, THIS_DAG, select, values_of
from grafana.panels import BYTES, MILLISECONDS, Line, board, environment, graph, rows, variable
from infra.contract import metrics

_MINE = (HERE, THIS_DAG)
_TASK = ("dag_id", "task_id")
_COMPONENT = (metrics.ENVIRONMENT_TAG, *metrics.PODS.tags)
_OF_COMPONENT = "$tag_environment: $tag_component"


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
    tries = (
        board(
            "aerodrome-tasks",
            "Tasks and pods",
            "Tries of tasks, the slots that they wait for, pods.",
        )
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
                description="How long its pod then takes to start is a panel of its own.",
            )
        )
        .with_panel(graph("Slots of pools", _slots()))
        .with_panel(
            graph("The executor's open slots", [Line(open_slots, "$tag_executor_class_name")])
        )
        .with_panel(rows("Duration by task", each, unit=MILLISECONDS))
    )
    return _with_pods(tries)


def _with_pods(tries: Dashboard) -> Dashboard:
    started = select(
        'sum("sum") / sum("count") AS "mean", max("upper") AS "longest"',
        "airflow_pod_start",
        where=[HERE],
        every=INTERVAL,
    )
    lost = [
        Line(select('sum("value") AS "pods"', name, where=[HERE], every=INTERVAL), alias)
        for name, alias in (
            ("airflow_pod_oom_killed", "killed for their memory"),
            ("airflow_pod_evicted", "evicted"),
        )
    ]
    return (
        tries.with_panel(
            graph(
                "From creation to start of tasks' pods",
                [Line(started, "$col")],
                unit=MILLISECONDS,
                description="Of the KubernetesExecutor. Pods of the warm pool have started before.",
            )
        )
        .with_panel(graph("Tasks' pods that were lost", lost))
        .with_panel(
            graph("Processors in use", [_pods('mean("cpu_usage_nanocores_sum") / 1000000000')])
        )
        .with_panel(
            graph("Memory in use", [_pods('mean("memory_working_set_bytes_sum")')], unit=BYTES)
        )
        .with_panel(
            graph(
                "Memory of a container, the most",
                [_pods('max("memory_working_set_bytes_max")')],
                unit=BYTES,
            )
        )
        .with_panel(
            graph(
                "Containers started again, killed for their memory, evicted",
                [
                    _pods('max("restarts_sum")', "restarts"),
                    _pods('max("oom_killed_sum")', "killed for their memory"),
                    _pods('max("evicted_sum")', "evicted"),
                ],
                description="Of the pods that are there now.",
            )
        )
    )


def _pods(field: str, what: str = "") -> Line:
    query = select(
        f'{field} AS "value"', metrics.PODS.name, where=[HERE], by=_COMPONENT, every=INTERVAL
    )
    return Line(query, f"{what}, {_OF_COMPONENT}" if what else _OF_COMPONENT)


def _slots() -> list[Line]:
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
