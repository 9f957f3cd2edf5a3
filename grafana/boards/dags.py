"""How long DAGs' runs take, how many succeed, how late they begin."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.influxql import HERE, INTERVAL, THIS_DAG, outer, select, values_of
from grafana.panels import MILLISECONDS, RATIO, Line, board, environment, graph, rows, variable
from infra.contract import metrics

ENDED = metrics.RUNS_ENDED.name
_MINE = (HERE, THIS_DAG)
EXACT = "Of the points, and exact: a run that ends is one, unless two runs of a DAG end within five seconds."


def rate(by: list[str], every: str = "") -> str:
    """Succeeded runs of all that ended. Where none failed there is no `failed`: each part has zeroes for the other."""
    parts = [
        select(f'"{field}" AS "{one}", "{field}" * 0 AS "{other}"', ENDED, where=_MINE)
        for field, one, other in (("success", "good", "bad"), ("failed", "bad", "good"))
    ]
    whole = 'sum("good") / (sum("good") + sum("bad")) AS "rate"'
    return outer(whole, parts, by=by, every=every)


def dashboard() -> Dashboard:
    """The whole of it."""
    name = "airflow_dagrun_duration_success"
    percentiles = ", ".join(f'percentile("mean", {n}) AS "p{n}"' for n in (50, 90, 99))
    over_time = select(percentiles, name, where=_MINE, every=INTERVAL)
    each = select(f'{percentiles}, sum("count") AS "runs"', name, where=_MINE, by=["dag_id"])
    delay = select(
        'max("upper") AS "delay"',
        "airflow_dagrun_schedule_delay",
        where=_MINE,
        by=["dag_id"],
        every=INTERVAL,
    )
    failed = select('sum("failed") AS "failed"', ENDED, where=_MINE, by=["dag_id"], every=INTERVAL)
    dags = values_of("dag_id", "^airflow_(ti_|dagrun_)", HERE)
    return (
        board("aerodrome-dags", "DAGs", "Runs: duration, success, delay.")
        .with_variable(environment())
        .with_variable(variable("dag", "DAG", dags))
        .with_panel(
            graph(
                "Duration of runs that succeeded",
                [Line(over_time, "$col")],
                unit=MILLISECONDS,
                description=EXACT,
            )
        )
        .with_panel(
            graph(
                "Success rate of runs",
                [Line(rate(["dag_id"], INTERVAL), "$tag_dag_id")],
                unit=RATIO,
            )
        )
        .with_panel(
            graph(
                "Schedule delay, the longest",
                [Line(delay, "$tag_dag_id")],
                unit=MILLISECONDS,
                description="From the time at which a run was due to its start. A catch-up is late by design.",
            )
        )
        .with_panel(graph("Runs that failed", [Line(failed, "$tag_dag_id")]))
        .with_panel(rows("Duration by DAG", each, unit=MILLISECONDS, description=EXACT))
        .with_panel(rows("Success rate by DAG", rate(["dag_id"]), unit=RATIO))
    )
