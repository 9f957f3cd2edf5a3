"""Each alert fires and resolves, by the rule of the committed file, on a real InfluxDB."""

import re
import time
from collections.abc import Callable, Mapping

import pytest

from grafana.alerts import ALERTS
from grafana.boards.dags import ENDED
from infra.contract import metrics
from tests.unit.grafana import evaluation
from tests.unit.grafana.evaluation import history, rule
from tests.unit.grafana.points import Points
from tests.unit.images.metrics_pipeline import Pipeline

MINUTE, HOUR = 60, 3600
START = int(time.time()) // HOUR * HOUR - 12 * HOUR
"""Long enough ago that the server's own continuous queries do not look at it."""


def minutes(*numbers: int) -> list[int]:
    """A minute's evaluations come some seconds after it has begun, as Grafana's do."""
    return [START + number * MINUTE + 7 for number in numbers]


def states(
    name: str, pipeline: Pipeline, points: Points, last: int, **labels: str
) -> Callable[[int], bool]:
    """Whether the alert fires in a minute, evaluated in each up to the last."""
    points.write(pipeline)
    found = history(rule(name), pipeline, minutes(*range(last + 1)), **labels)
    return lambda minute: found[minutes(minute)[0]]


def test_no_scheduler_heartbeat(pipeline: Pipeline) -> None:
    points = Points()
    for first, last in ((0, 20), (70, 90)):
        span = range(START + first * MINUTE, START + last * MINUTE)
        points.every(5, "airflow_scheduler_heartbeat", span, 1, environment="beats")
    other = range(START, START + 90 * MINUTE)
    points.every(5, "airflow_scheduler_heartbeat", other, 1, environment="lives")
    fires = states("no-scheduler-heartbeat", pipeline, points, 89, environment="beats")
    # The first minutes are an environment's that is new.
    assert not any(fires(minute) for minute in range(21))
    assert all(fires(minute) for minute in range(26, 70))
    assert not any(fires(minute) for minute in range(73, 90))
    lives = history(
        rule("no-scheduler-heartbeat"), pipeline, minutes(*range(5, 90, 4)), environment="lives"
    )
    assert not any(lives.values())


def test_an_environment_that_nobody_took_down_alerts_for_an_hour(pipeline: Pipeline) -> None:
    points = Points()
    span = range(START, START + 10 * MINUTE)
    points.every(5, "airflow_scheduler_heartbeat", span, 1, environment="gone")
    points.write(pipeline)
    found = history(
        rule("no-scheduler-heartbeat"), pipeline, minutes(20, 22, 60, 75), environment="gone"
    )
    assert list(found.values()) == [False, True, True, False]


def test_no_heartbeats_at_all_alert(pipeline: Pipeline) -> None:
    long_ago = START - 5 * 24 * HOUR
    found = history(rule("no-scheduler-heartbeat"), pipeline, [long_ago, long_ago + MINUTE])
    assert list(found.values()) == [False, True]


def ended(points: Points, dag: str, outcomes: str, environment: str = "runs") -> None:
    """A run every ten minutes: `+` succeeded, `-` failed, and a blank is none."""
    for number, one in enumerate(outcomes, start=1):
        if one == " ":
            continue
        kind = "success" if one == "+" else "failed"
        points.add(
            f"airflow_dagrun_duration_{kind}",
            START + number * 10 * MINUTE,
            4000,
            dag_id=dag,
            run_type="scheduled",
            environment=environment,
        )


@pytest.mark.parametrize(
    ("dag", "outcomes", "firing"),
    [
        ("in a row", "+---+", [4]),
        ("never.succeeded", "----", [3, 4]),
        ("now and then", "--+--+-", []),
        ("größe/数据", "-+---", [5]),
        ("twice", "--", []),
    ],
)
def test_a_dag_that_fails_in_a_row(
    pipeline: Pipeline, dag: str, outcomes: str, firing: list[int]
) -> None:
    points = Points()
    ended(points, dag, outcomes)
    points.write(pipeline)
    times = {number: minutes(number * 10 + 5)[0] for number in range(1, len(outcomes) + 1)}
    found = history(
        rule("dag-fails-in-a-row"), pipeline, times.values(), dag_id=dag, environment="runs"
    )
    assert [number for number, when in times.items() if found[when]] == firing


def ended_at(points: Points, dag: str, outcomes: Mapping[int, str]) -> None:
    """Runs that end in a step of five seconds of their own, or several in the same."""
    for second, several in outcomes.items():
        for kind, sign in (("success", "+"), ("failed", "-")):
            if sign in several:
                durations = [4000.0] * several.count(sign)
                tags = {"dag_id": dag, "run_type": "manual", "environment": "runs"}
                points.add(f"airflow_dagrun_duration_{kind}", START + second, *durations, **tags)


@pytest.mark.parametrize(
    ("dag", "outcomes", "fires"),
    [
        # Runs count, however many of them end in a minute, or in the same seconds.
        ("one minute", {0: "-", 20: "-", 40: "-"}, True),
        ("at once", {0: "---"}, True),
        ("two at once", {0: "--", 600: "-"}, True),
        ("two of two", {0: "-", 20: "-"}, False),
        ("success first", {0: "+", 10: "-", 20: "-", 30: "-"}, True),
        ("two after success", {0: "---", 10: "+", 20: "-", 30: "-"}, False),
        ("success last", {0: "-", 10: "-", 20: "-", 30: "+"}, False),
        ("many, then success", {0: "-" * 50, 10: "+"}, False),
        ("successes, then many", {0: "+" * 50, 10: "-" * 3}, True),
        # Nobody knows which was first.
        ("in the same seconds", {0: "--", 10: "+-"}, False),
        ("after the same seconds", {0: "+-", 10: "--"}, False),
        ("enough after the same seconds", {0: "+-", 10: "--", 20: "-"}, True),
    ],
)
def test_runs_count_and_not_the_minutes_in_which_they_end(
    pipeline: Pipeline, dag: str, outcomes: Mapping[int, str], fires: bool
) -> None:
    points = Points()
    ended_at(points, dag, outcomes)
    points.write(pipeline)
    found = history(rule("dag-fails-in-a-row"), pipeline, minutes(15), dag_id=dag)
    assert list(found.values()) == [fires]


def test_the_steps_of_time_are_those_of_the_continuous_queries(pipeline: Pipeline) -> None:
    step = re.compile(r"GROUP BY time\((\w+)\)")
    rows = pipeline.ask("SHOW CONTINUOUS QUERIES", metrics.ADMIN)
    made = {step.findall(row["query"])[0] for row in rows if row["name"].startswith("runs_")}
    assert made == set(step.findall(rule("dag-fails-in-a-row").parts["A"]["model"]["query"]))


def test_the_same_dag_of_another_environment_is_another(pipeline: Pipeline) -> None:
    points = Points()
    ended(points, "shared", "---", "one")
    ended(points, "shared", "+++", "two")
    points.write(pipeline)
    firing = rule("dag-fails-in-a-row").firing(pipeline, minutes(35)[0])
    found = {dict(one)["environment"] for one in firing if ("dag_id", "shared") in one}
    assert found == {"one"}


def test_the_summary_of_both_outcomes_is_one_measurement(pipeline: Pipeline) -> None:
    points = Points()
    ended(points, "both", "+-")
    points.write(pipeline)
    rows = pipeline.ask(f'SELECT * FROM "{ENDED}" WHERE "dag_id" = \'both\'')
    assert [(row["success"], row["failed"]) for row in rows] == [(1, None), (None, 1)]
    assert {row[metrics.ENVIRONMENT_TAG] for row in rows} == {"runs"}


def test_import_errors(pipeline: Pipeline) -> None:
    points = Points()
    name = "airflow_dag_processing_import_errors"
    for minute in range(60):
        files = 2 if 10 <= minute < 30 else 0
        points.add(name, START + minute * MINUTE, files, environment="files")
    fires = states("import-errors", pipeline, points, 59, environment="files")
    assert [minute for minute in range(60) if fires(minute)] == list(range(15, 30))


def test_tasks_queued_too_long(pipeline: Pipeline) -> None:
    points = Points()
    for minute in range(100):
        # The queue of one is full from the 10th to the 60th minute; the other's is emptied now and then.
        full = 4 if 10 <= minute < 60 else 0
        busy = 30 if minute % 10 else 0
        for pool, value in (("full pool", full), ("busy", busy)):
            points.add(
                "airflow_pool_queued_slots",
                START + minute * MINUTE,
                value,
                pool_name=pool,
                environment="queue",
            )
    fires = states(
        "tasks-queued-too-long", pipeline, points, 99, pool_name="full pool", environment="queue"
    )
    firing = [minute for minute in range(100) if fires(minute)]
    assert firing == list(range(firing[0], 60))
    assert 38 <= firing[0] <= 41
    times = minutes(*range(100))
    busy_ones = history(rule("tasks-queued-too-long"), pipeline, times, pool_name="busy")
    assert not any(busy_ones.values())


def test_schedule_delay(pipeline: Pipeline) -> None:
    points = Points()
    for minute in range(0, 120, 10):
        late = 400_000 if 30 <= minute < 60 else 2_000
        points.add(
            "airflow_dagrun_schedule_delay",
            START + minute * MINUTE,
            late,
            dag_id="late",
            run_type="scheduled",
            environment="delay",
        )
    fires = states("schedule-delay", pipeline, points, 119, dag_id="late", environment="delay")
    firing = [minute for minute in range(120) if fires(minute)]
    assert firing, "it never fires"
    assert firing[0] > 30
    assert firing[-1] < 90
    assert firing == list(range(firing[0], firing[-1] + 1))


def test_disk_filling(pipeline: Pipeline) -> None:
    points = Points()
    size = 50 * 10**9
    for minute in range(60):
        full = 41 * 10**9 if 10 <= minute < 40 else 20 * 10**9
        for node, used in (("10.0.0.1", full), ("10.0.0.2", 39 * 10**9)):
            values = (10**9, 10**9, 10**9, used, size)
            points.add("kubernetes_node", START + minute * MINUTE, *values, node_name=node)
    fires = states("disk-filling", pipeline, points, 59, node_name="10.0.0.1")
    assert [minute for minute in range(60) if fires(minute)] == list(range(20, 40))
    other = history(rule("disk-filling"), pipeline, minutes(*range(60)), node_name="10.0.0.2")
    assert not any(other.values())


def test_server_connections(pipeline: Pipeline) -> None:
    points = Points()
    for minute in range(60):
        used = 240 if 10 <= minute < 40 else 200
        points.add("postgresql_server", START + minute * MINUTE, used, 297)
    fires = states("server-connections", pipeline, points, 59)
    assert [minute for minute in range(60) if fires(minute)] == list(range(15, 40))


def test_database_connections(pipeline: Pipeline) -> None:
    points = Points()
    for minute in range(60):
        when = START + minute * MINUTE
        # The branch's is dropped in the end.
        if minute < 40:
            used = 33 if minute >= 10 else 12
            points.add("postgresql_database", when, used, 40, 10**7, database="airflow_x")
        points.add("postgresql_database", when, 33, 297, 10**8, database="airflow")
    fires = states("database-connections", pipeline, points, 59, database="airflow_x")
    assert [minute for minute in range(60) if fires(minute)] == list(range(15, 49))
    base = history(rule("database-connections"), pipeline, minutes(30, 36), database="airflow")
    assert not any(base.values())


def test_logs_not_arriving(pipeline: Pipeline) -> None:
    points = Points()
    for first, last in ((0, 30), (80, 120)):
        span = range(START + first * MINUTE, START + last * MINUTE)
        points.every(5 * MINUTE, "logs_arrived", span, 4, environment="quiet")
        points.every(15, "logs_arrived", span, 100, environment="busy")
    for name in ("quiet", "busy"):
        fires = states("logs-not-arriving", pipeline, points, 119, environment=name)
        firing = [minute for minute in range(120) if fires(minute)]
        assert firing == list(range(firing[0], 80))
        assert 40 <= firing[0] <= 51


def test_certificate_near_its_end(pipeline: Pipeline) -> None:
    points = Points()
    for minute in range(0, 120, 5):
        # A day a minute; renewed in the end.
        left = max(30 - minute, 1) if minute < 40 else 90
        for source, days in (("tcp://a.example:443", left), ("tcp://b.example:443", 15)):
            when = START + minute * MINUTE
            points.add("x509_cert", when, days * 86400, source=source)
    fires = states("certificate-near-its-end", pipeline, points, 59, source="tcp://a.example:443")
    assert [minute for minute in range(60) if fires(minute)] == list(range(30, 40))
    other = rule("certificate-near-its-end")
    found = history(other, pipeline, minutes(*range(60)), source="tcp://b.example:443")
    assert not any(found.values())


def test_every_alert_is_tested_here() -> None:
    names = {name for name in globals() if name.startswith("test_")}
    tested = {"dag-fails-in-a-row": "test_a_dag_that_fails_in_a_row"}
    for alert in ALERTS:
        assert tested.get(alert.name, f"test_{alert.name.replace('-', '_')}") in names


def test_rules_are_what_grafana_takes() -> None:
    group = evaluation.group()
    assert evaluation.seconds(group["interval"]) == MINUTE
    assert len({one["uid"] for one in group["rules"]}) == len(ALERTS)
    for one in group["rules"]:
        # Grafana's limit.
        assert len(one["uid"]) <= 40
        assert evaluation.seconds(one["for"]) % MINUTE == 0
        assert one["labels"]["severity"] in ("critical", "warning")
