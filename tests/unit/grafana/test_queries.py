"""Every query of every dashboard, asked of a real InfluxDB, with the values that it must find."""

import json
import re
import time
from typing import Any

import pytest

from cli.operations.cost import prices
from grafana.boards import BOARDS
from grafana.boards.branches import GIB_HOUR
from grafana.files import FOLDER
from infra.contract import metrics
from infra.contract.settings import Settings
from tests.unit.grafana.points import Points, in_grafana, line
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.real_airflow import until

HOUR = 3600
BASE = int(time.time()) // HOUR * HOUR - 4 * HOUR
SINCE, LAST = BASE - 1207, BASE + HOUR - 1
"""Of what is shown. No step of time begins with it."""

DEV, FEATURE = "prod", "feature/a b"
SHOWN = {
    "environment": r"(prod|feature\/a b)",
    "dag": r"(etl|re\.port\/größe)",
    "gib_hour": "0.05",
}
"""As Grafana replaces a variable, with several values or with a number that somebody has typed."""

GIB = 2**30
Found = dict[str, Any]


def data() -> Points:
    """An hour of two environments, with a third of which nothing may be seen, and two nodes."""
    points = Points()
    hour, half = range(BASE, BASE + HOUR), range(BASE, BASE + HOUR // 2)
    for component, seconds in (("scheduler", 5), ("dag_processor", 10), ("triggerer", 15)):
        name = f"airflow_{component}_heartbeat"
        points.every(seconds, name, hour, 1, environment=DEV)
        points.every(seconds, name, half, 1, environment=FEATURE)
        points.every(seconds, name, hour, 7, environment="elsewhere")
    for name, values in (
        ("dag_processing_import_errors", (3, 2)),
        ("scheduler_tasks_starving", (1, 4)),
        ("dagbag_size", (10, 12)),
    ):
        for when, value in zip((BASE + 10, BASE + 3000), values, strict=True):
            points.add(f"airflow_{name}", when, value, environment=DEV)
    _levels(points)
    _runs(points)
    _tries(points)
    for number, node in enumerate(("node-a", "node-b"), start=1):
        for when in (BASE + 100, BASE + 200):
            values = (number * 5 * 10**8, number * GIB, 3 * GIB, number * 20 * GIB, 50 * GIB)
            points.add("kubernetes_node", when, *values, node_name=node)
    _pods(points)
    for environment, lines in ((DEV, 40), (FEATURE, 7)):
        points.every(600, "logs_arrived", range(BASE, BASE + 1800), lines, environment=environment)
    for when, days in ((BASE + 100, 12), (BASE + 200, 90)):
        points.add("x509_cert", when, days * 86400, source="tcp://a.example:443")
    for when, used in ((BASE + 100, 90), (BASE + 200, 60)):
        points.add("postgresql_server", when, used, 297)
        for user, waiting in (("airflow", used // 10), ("airflow_celery", 0)):
            points.add("pgbouncer_pools", when, 7, waiting, used, 3, 0, db=user, user=user)
        for name, part, most, size in (("airflow", 2, 297, GIB), ("airflow_x", 3, 40, GIB // 8)):
            points.add("postgresql_database", when, used // part, most, size, database=name)
    return points


def _levels(points: Points) -> None:
    for when, many in ((BASE + 100, 5), (BASE + 200, 2)):
        for what, value in (("queued", many), ("running", many * 2), ("open", 20 - many)):
            kind = "slots" if what == "open" else "tasks"
            points.add(
                f"airflow_executor_{what}_{kind}",
                when,
                value,
                executor_class_name="KubernetesExecutor",
                environment=DEV,
            )
            points.add(
                f"airflow_pool_{what}_slots",
                when,
                value + 100,
                pool_name="default pool",
                environment=DEV,
            )


def _pods(points: Points) -> None:
    for when, ms in ((BASE + 10, (1000, 3000)), (BASE + 20, (2000,))):
        points.add("airflow_pod_start", when, *ms, environment=DEV)
    points.add("airflow_pod_start", BASE + 30, 9000, environment="elsewhere")
    for what, count in (("oom_killed", 2), ("evicted", 1)):
        for when in (BASE + 40, BASE + 1600):
            points.add(f"airflow_pod_{what}", when, count, environment=DEV)
    for component, cores, environment in (
        ("scheduler", 1, DEV),
        ("worker", 3, DEV),
        ("worker", 2, FEATURE),
    ):
        for when, share in ((BASE + 100, 1), (BASE + 130, 3)):
            values = (cores * share * 10**9, cores * GIB, GIB * share, share, 2, 0)
            points.add(
                "kubernetes_pods", when, *values, environment=environment, component=component
            )


def _runs(points: Points) -> None:
    def run(kind: str, when: int, ms: float, dag: str, environment: str = DEV) -> None:
        points.add(
            f"airflow_dagrun_{kind}",
            BASE + when,
            ms,
            dag_id=dag,
            run_type="scheduled",
            environment=environment,
        )

    for number in range(1, 10):
        run("duration_success", number * 100, number * 1000, "etl")
    run("duration_success", 1000, 100_000, "re.port/größe", FEATURE)
    run("duration_failed", 1100, 500, "etl")
    for number in range(1, 4):
        run("duration_failed", number * 120, 700, "re.port/größe", FEATURE)
    run("duration_success", 1000, 1, "not chosen")
    run("duration_failed", 1000, 1, "etl", "elsewhere")
    for late in (1000, 9000, 3000):
        run("schedule_delay", 300 + late // 1000, late, "etl")


def _tries(points: Points) -> None:
    for number, (state, ms) in enumerate(
        (("success", 2000), ("success", 4000), ("failed", 600), ("up_for_retry", 400))
    ):
        when = BASE + 60 * number
        tags = {"dag_id": "etl", "task_id": "load it", "environment": DEV}
        points.add("airflow_ti_start", when, 1, **tags)
        points.add("airflow_ti_finish", when, 1, **tags, state=state)
        points.add("airflow_task_duration", when, ms, **tags)
        points.add("airflow_task_scheduled_duration", when, 100 + number, **tags, queue="default")
    tags = {"dag_id": "re.port/größe", "task_id": "t", "environment": FEATURE}
    points.add("airflow_ti_finish", BASE + 30, 3, **tags, state="success")
    points.add("airflow_task_duration", BASE + 30, 50, 70, 60, **tags)


EXPECTED: dict[str, dict[str, Found]] = {
    "overview": {
        "Scheduler: heartbeats a minute": {DEV: 12, FEATURE: 0},
        "DAG processor: heartbeats a minute": {DEV: 6, FEATURE: 0},
        "Triggerer: heartbeats a minute": {DEV: 4, FEATURE: 0},
        "Import errors": {DEV: 2},
        "Tasks without a slot": {DEV: 4},
        "DAGs": {DEV: 12},
        "Tries that ended": {"success": 5, "failed": 1, "up_for_retry": 1},
        "Runs that failed": {"etl": 1, "re.port/größe": 3},
        "The executor's tasks": {
            "queued: KubernetesExecutor": 5,
            "running: KubernetesExecutor": 10,
        },
        "Heartbeats a minute": {
            f"scheduler: {DEV}": 12,
            f"scheduler: {FEATURE}": 0,
            f"dag_processor: {DEV}": 6,
            f"dag_processor: {FEATURE}": 0,
            f"triggerer: {DEV}": 4,
            f"triggerer: {FEATURE}": 0,
        },
    },
    "dags": {
        "Duration of runs that succeeded": {"p50": 5000, "p90": 9000, "p99": 100_000},
        "Success rate of runs": {"etl": 0.9, "re.port/größe": 0.25},
        "Schedule delay, the longest": {"etl": 9000},
        "Runs that failed": {"etl": 1, "re.port/größe": 3},
        "Duration by DAG": {
            "etl": {"p50": 5000, "p90": 8000, "p99": 9000, "runs": 9},
            "re.port/größe": {"p50": 100_000, "p90": 100_000, "p99": 100_000, "runs": 1},
        },
        "Success rate by DAG": {"etl": {"rate": 0.9}, "re.port/größe": {"rate": 0.25}},
    },
    "tasks": {
        "Tries that began": {"began": 4},
        "Tries that ended": {"success": 5, "failed": 1, "up_for_retry": 1},
        "Duration of a try, the longest": {"etl: load it": 4000, "re.port/größe: t": 70},
        "From scheduled to queued, the mean": {"default": 101.5},
        "Slots of pools": {
            "open: default pool": 118,
            "queued: default pool": 105,
            "running: default pool": 110,
        },
        "The executor's open slots": {"KubernetesExecutor": 15},
        "Duration by task": {
            "etl, load it": {"tries": 4, "mean": 1750, "longest": 4000},
            "re.port/größe, t": {"tries": 3, "mean": 60, "longest": 70},
        },
        "From creation to start of tasks' pods": {"mean": 2000, "longest": 3000},
        "Tasks' pods that were lost": {"killed for their memory": 4, "evicted": 2},
        "Processors in use": {
            f"{DEV}: scheduler": 2,
            f"{DEV}: worker": 6,
            f"{FEATURE}: worker": 4,
        },
        "Memory in use": {
            f"{DEV}: scheduler": GIB,
            f"{DEV}: worker": 3 * GIB,
            f"{FEATURE}: worker": 2 * GIB,
        },
        "Memory of a container, the most": {
            f"{DEV}: scheduler": 3 * GIB,
            f"{DEV}: worker": 3 * GIB,
            f"{FEATURE}: worker": 3 * GIB,
        },
        "Containers started again, killed for their memory, evicted": {
            f"{what}, {who}": value
            for who in (f"{DEV}: scheduler", f"{DEV}: worker", f"{FEATURE}: worker")
            for what, value in (("restarts", 3), ("killed for their memory", 2), ("evicted", 0))
        },
    },
    "infrastructure": {
        "Processors in use": {"node-a": 0.5, "node-b": 1},
        "Memory in use": {"node-a": GIB, "node-b": 2 * GIB},
        "Memory available, the least": {"node-a": 3 * GIB, "node-b": 3 * GIB},
        "Disk in use": {"node-a": 40, "node-b": 80},
        "PostgreSQL: connections": {"connections": 90, "limit": 297},
        "PostgreSQL: connections by database, the most": {"airflow": 45, "airflow_x": 30},
        "PostgreSQL: size by database": {"airflow": GIB, "airflow_x": GIB // 8},
        "PgBouncer: clients that wait, the most": {
            "airflow as airflow": 9,
            "airflow_celery as airflow_celery": 0,
        },
        "PgBouncer: connections to PostgreSQL, the most": {
            f"{what}: {pool} as {pool}": value
            for pool in ("airflow", "airflow_celery")
            for what, value in (("in use", 90), ("idle", 3))
        },
        "Certificates: days left": {"tcp://a.example:443": 90},
        "Disk in use now": {"node-a": 40, "node-b": 80},
    },
    "branches": {
        "Tries that ended": {DEV: 4, FEATURE: 3},
        "Time that tasks ran": {DEV: 7000, FEATURE: 180},
        "Running tasks, the most": {DEV: 10},
        "Scheduler's heartbeats": {DEV: 720, FEATURE: 360, "elsewhere": 5040},
        "Processors in use": {DEV: 8, FEATURE: 4},
        "Memory in use": {DEV: 4 * GIB, FEATURE: 2 * GIB},
        "Cost of a day with the memory in use": {DEV: 4 * 24 * 0.05, FEATURE: 2 * 24 * 0.05},
        "Tasks' pods killed for their memory": {DEV: 4},
        "Tasks' pods evicted": {DEV: 2},
        "Lines of logs": {DEV: 120, FEATURE: 21},
        "Size of databases": {"airflow": GIB, "airflow_x": GIB // 8},
        "Tries, and the time that they ran (ms)": {
            DEV: {"tries": 4, "time": 7000},
            FEATURE: {"tries": 3, "time": 180},
        },
        "Runs that failed": {
            DEV: {"failed": 1},
            FEATURE: {"failed": 3},
            "elsewhere": {"failed": 1},
        },
    },
}


def content(name: str) -> Found:
    return dict(json.loads((FOLDER / "dashboards" / f"{name}.json").read_text()))


@pytest.fixture(scope="module")
def filled(pipeline: Pipeline) -> Pipeline:
    data().write(pipeline)
    return pipeline


def legend(alias: str, row: Found, column: str) -> str:
    """What Grafana calls a series."""
    named = re.sub(r"\$tag_(\w+)", lambda tag: str(row[tag[1]]), alias)
    return named.replace("$col", column)


def shown(pipeline: Pipeline, panel: Found) -> Found:
    """The last value of each series of a panel, or the row of each in a table."""
    found: Found = {}
    for target in panel["targets"]:
        for row in pipeline.ask(in_grafana(target["query"], SINCE, LAST, **SHOWN)):
            columns = re.findall(r'AS "(\w+)"', target["query"].split(" FROM ")[0])
            values = {name: row[name] for name in columns}
            if target["resultFormat"] == "table":
                tags = [row[name] for name in row if name not in (*columns, "time")]
                found[", ".join(sorted(tags, key=list(row.values()).index))] = values
            else:
                pairs = {legend(target["alias"], row, key): one for key, one in values.items()}
                found.update({name: one for name, one in pairs.items() if one is not None})
    return found


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_shows_what_was_measured(filled: Pipeline, name: str) -> None:
    found = {panel["title"]: shown(filled, panel) for panel in content(name)["panels"]}
    assert found == {
        title: {
            series: pytest.approx(value) if not isinstance(value, dict) else value
            for series, value in expected.items()
        }
        for title, expected in EXPECTED[name].items()
    }


@pytest.mark.parametrize(
    ("name", "variable", "values"),
    [
        ("overview", "environment", {DEV, FEATURE, "elsewhere"}),
        ("dags", "environment", {DEV, FEATURE, "elsewhere"}),
        ("tasks", "environment", {DEV, FEATURE, "elsewhere"}),
        ("dags", "dag", {"etl", "re.port/größe", "not chosen"}),
        ("tasks", "dag", {"etl", "re.port/größe"}),
    ],
)
def test_variables_offer_what_is_there(
    filled: Pipeline, name: str, variable: str, values: set[str]
) -> None:
    variables = {one["name"]: one for one in content(name)["templating"]["list"]}
    query = in_grafana(variables[variable]["query"], SINCE, LAST, **SHOWN)
    # What the next test sends is of another environment.
    assert {row["value"] for row in filled.ask(query)} - {"dev"} == values


def test_every_variable_of_a_query_is_one_of_its_dashboard() -> None:
    for name in BOARDS:
        board = content(name)
        there = {one["name"] for one in board["templating"].get("list", ())}
        used = set(re.findall(r"\$\{(\w+):regex\}", json.dumps(board)))
        assert used <= there


def test_the_points_of_these_tests_are_as_telegraf_writes_them(filled: Pipeline) -> None:
    filled.send(
        "stats.incr('scheduler_heartbeat')\n"
        "stats.gauge('pool.open_slots', 5, tags={'pool_name': 'p'})\n"
        "stats.timing('dagrun.duration.failed', 7, tags={'dag_id': 'd', 'run_type': 'manual'})\n"
    )
    for name, tags in (
        ("airflow_scheduler_heartbeat", {}),
        ("airflow_pool_open_slots", {"pool_name": "p"}),
        ("airflow_dagrun_duration_failed", {"dag_id": "d", "run_type": "manual"}),
    ):
        query = f'SELECT * FROM "{name}" WHERE "environment" = \'dev\''
        row = until(lambda query=query: filled.ask(query))[0]
        sent = {key: one for key, one in row.items() if one is not None and key != "time"}
        ours = line(name, 1, {**tags, metrics.ENVIRONMENT_TAG: "dev"}, 7).replace(" ", ",")
        keys = {part.split("=")[0] for part in ours.split(",")[1:-1]}
        assert set(sent) == keys
        for part in ours.split(",")[1:-1]:
            key, value = part.split("=")
            if isinstance(sent[key], str):
                assert sent[key] == value


def test_the_price_of_memory_is_that_of_the_default_node() -> None:
    (node,) = Settings(environment="x").node_instance_types
    rate = prices.of("us-east-1").rate(node)
    assert (node, rate) == ("m7i.large", pytest.approx(float(GIB_HOUR) * 8))
