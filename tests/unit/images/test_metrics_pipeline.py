"""From Airflow's own StatsD client through Telegraf to InfluxDB: all three of them are real."""

import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.base.influxdb import InfluxDB
from cli.operations import health_figures
from infra.contract import metrics
from tests.unit.images import airflow_database, metrics_pipeline, real_airflow
from tests.unit.images.airflow_database import Databases
from tests.unit.images.metrics_pipeline import PASSWORDS, Pipeline, Refused
from tests.unit.images.real_airflow import until

NAMES = [
    "with.dots-and_more",
    "with/slashes",
    "with blanks  in it",
    "größe-数据-🙂",
    'it\'s "quoted" \\ back',
]

FINISHED = "airflow_ti_finish"

ALWAYS_SENT = [
    one
    for one in metrics.AIRFLOW
    # A triggerer, a scheduled run, one that succeeds and pods are not among what these tests start.
    if not one.name.endswith(("triggerer_heartbeat", "schedule_delay", "duration_success"))
    and not one.name.startswith("airflow_pod_")
]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with metrics_pipeline.running(tmp_path_factory.mktemp("metrics")) as found:
        yield found


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as found:
        yield found


def finished(state: str, count: int = 1, dag: str = "dag") -> str:
    tags = {"dag_id": dag, "task_id": "task", "state": state}
    return f"for _ in range({count}): stats.incr('ti.finish', tags={tags!r})\n"


def test_names_of_dags_and_tasks_arrive_whole(pipeline: Pipeline) -> None:
    pipeline.send(
        f"for name in {NAMES!r}:\n"
        "    stats.incr('ti.start', tags={'dag_id': name, 'task_id': 'in ' + name})\n"
    )
    query = 'SELECT "dag_id", "task_id", "value" FROM "airflow_ti_start"'
    rows = until(lambda: len(found := pipeline.ask(query)) >= len(NAMES) and found)
    assert isinstance(rows, list)
    assert {row["dag_id"]: row["task_id"] for row in rows} == {n: f"in {n}" for n in NAMES}
    assert [row["value"] for row in rows] == [1] * len(NAMES)


def test_every_point_says_whose_it_is_and_none_which_run(pipeline: Pipeline) -> None:
    tags = {"dag_id": "d", "task_id": "t", "run_id": "manual__1", "job_id": "7"}
    pipeline.send(
        f"for run in 'abc':\n    stats.incr('ti.start', tags={{**{tags!r}, 'run_id': run}})\n"
    )
    # One series, and none of the three is lost in another's point.
    until(lambda: pipeline.sum("airflow_ti_start", dag_id="d") == 3)
    keys = {row["tagKey"] for row in pipeline.ask("SHOW TAG KEYS FROM /airflow_ti_start/")}
    assert keys == {"dag_id", "task_id", metrics.ENVIRONMENT_TAG, "metric_type"}
    rows = pipeline.ask(f'SHOW TAG VALUES WITH KEY = "{metrics.ENVIRONMENT_TAG}"')
    assert {row["value"] for row in rows} == {"dev"}


def test_what_ends_a_name_in_the_protocol_is_replaced(pipeline: Pipeline) -> None:
    pipeline.send("stats.gauge('pool.open_slots', 5, tags={'pool_name': 'a:b|c'})")
    (row,) = until(lambda: pipeline.ask('SELECT * FROM "airflow_pool_open_slots"'))
    assert (row["pool_name"], row["value"]) == ("a_b_c", 5)


def test_timings_have_count_sum_and_extremes(pipeline: Pipeline) -> None:
    pipeline.send(
        "for ms in (100, 200, 600):\n"
        "    stats.timing('task.duration', ms, tags={'dag_id': 'timed', 'task_id': 't'})\n"
    )
    rows = until(lambda: pipeline.ask('SELECT * FROM "airflow_task_duration"'))
    assert sum(row["count"] for row in rows) == 3
    assert sum(row["sum"] for row in rows) == 900
    assert min(row["lower"] for row in rows) == 100
    assert max(row["upper"] for row in rows) == 600


def test_who_writes_may_not_read_and_who_reads_may_not_write(pipeline: Pipeline) -> None:
    with pytest.raises(Refused):
        pipeline.ask(f'SELECT * FROM "{FINISHED}"', metrics.WRITER)
    with pytest.raises(Refused, match="not authorized"):
        pipeline.ask(f'DROP MEASUREMENT "{FINISHED}"')
    users = pipeline.ask("SHOW USERS", metrics.ADMIN)
    assert {row["user"]: row["admin"] for row in users} == {
        user: user == metrics.ADMIN for user in metrics.USERS
    }


def test_nobody_gets_in_without_a_password_or_with_a_wrong_one(pipeline: Pipeline) -> None:
    api = f"http://127.0.0.1:{pipeline.influxdb_port}"
    with pytest.raises(Refused, match="401"):
        metrics_pipeline.ask(api, "SHOW DATABASES", None)
    with pytest.raises(Refused, match="401"):
        pipeline.ask("SHOW DATABASES", metrics.ADMIN, "wrong")
    request = urllib.request.Request(f"{api}/write?db={metrics.DATABASE}", b"a value=1")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(request)


def test_an_influxdb_that_is_killed_loses_nothing(pipeline: Pipeline) -> None:
    """Nor does a Telegraf that is started anew meanwhile: what waits is on its disk."""
    pipeline.send(finished("success", 40))
    until(lambda: pipeline.sum(FINISHED, state="success") == 40)
    pipeline.stop("influxd", signal.SIGKILL)
    pipeline.send(finished("failed", 25))
    # Counted by then, and kept: it has tried twice since.
    before = pipeline.log("telegraf").count("connection refused")
    until(lambda: pipeline.log("telegraf").count("connection refused") > before + 1)
    pipeline.stop("telegraf")
    pipeline.start("telegraf")
    pipeline.send(finished("failed", 17))
    pipeline.set_up()
    pipeline.start("influxd")
    until(lambda: pipeline.sum(FINISHED, state="failed") == 42)
    assert pipeline.sum(FINISHED, state="success") == 40


def test_a_wrong_password_is_in_telegrafs_log_and_a_new_one_is_taken(pipeline: Pipeline) -> None:
    pipeline.stop("telegraf")
    pipeline.configure({**PASSWORDS, metrics.WRITER: "wrong"})
    pipeline.start("telegraf")
    pipeline.send(finished("success", 3, "wrong-password"))
    until(lambda: "authorization failed" in pipeline.log("telegraf"))
    assert pipeline.sum(FINISHED, dag_id="wrong-password") == 0
    # Another start of the pod with what the Secret says now: the password is the new one, the data is there.
    pipeline.stop("influxd")
    pipeline.set_up()
    pipeline.start("influxd")
    assert pipeline.sum(FINISHED, state="failed") == 42
    pipeline.send(finished("success", 2, "new-password"))
    until(lambda: pipeline.sum(FINISHED, dag_id="new-password") == 2)


DAG = """
from airflow.sdk import DAG, task

with DAG("measured", schedule=None, catchup=False):

    @task
    def good(): ...

    @task(retries=1, retry_delay=0.1)
    def second(**context):
        if context["ti"].try_number == 1:
            raise RuntimeError("once")

    @task
    def bad():
        raise RuntimeError("for good")

    @task
    def mapped(number): ...

    good() >> [second(), bad(), mapped.expand(number=[1, 2, 3])]
"""


@pytest.mark.slow
def test_a_dag_runs_success_failure_retry_and_mapped_task(
    pipeline: Pipeline, databases: Databases, tmp_path: Path
) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "measured.py").write_text(DAG)
    bundle = {
        "name": "dags",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags)},
    }
    home = tmp_path / "airflow"
    home.mkdir()
    database = databases.new("measured")
    with real_airflow.running(home, database.url, [bundle], pipeline.airflow()) as airflow:
        with airflow.api() as api:
            until(lambda: api.has_dag("measured"))
            api.trigger("measured", "once")
            until(lambda: api.run_state("measured", "once") in ("success", "failed"))
        counted = {}

        def all_in() -> bool:
            rows = pipeline.ask(
                f'SELECT sum("value") AS total FROM "{FINISHED}" '
                'WHERE "dag_id" = \'measured\' GROUP BY "task_id", "state"'
            )
            counted.update({(row["task_id"], row["state"]): row["total"] for row in rows})
            return sum(counted.values()) >= 7

        until(all_in)
    assert counted == {
        ("good", "success"): 1,
        ("second", "up_for_retry"): 1,
        ("second", "success"): 1,
        ("bad", "failed"): 1,
        ("mapped", "success"): 3,
    }
    assert pipeline.sum("airflow_ti_start", dag_id="measured") == 7
    # A name of a DAG in the name of a measurement would make one for each.
    names = [str(row["name"]) for row in pipeline.ask("SHOW MEASUREMENTS")]
    assert not [name for name in names if "measured" in name]
    assert {one.name for one in ALWAYS_SENT} <= set(names)
    (run_row,) = pipeline.ask(
        'SELECT sum("count") AS n FROM "airflow_dagrun_duration_failed" WHERE "dag_id" = \'measured\''
    )
    assert run_row["n"] == 1
    assert pipeline.sum("airflow_scheduler_heartbeat") > 0


def test_the_command_line_reads_the_health_figures(pipeline: Pipeline) -> None:
    pipeline.send(
        finished("success", 4, "shown")
        + finished("failed", 2, "shown")
        + "stats.gauge('dag_processing.import_errors', 3)\n"
    )
    until(lambda: pipeline.sum(FINISHED, dag_id="shown") == 6)
    until(lambda: pipeline.ask('SELECT * FROM "airflow_dag_processing_import_errors"'))
    with _reader(pipeline, PASSWORDS[metrics.READER]) as influxdb:
        found = {one.key: one for one in health_figures.figures(influxdb, "dev", 1)}
        elsewhere = health_figures.figures(influxdb, "another", 1)
    assert found["succeeded"].value == pipeline.sum(FINISHED, state="success")
    assert found["failed"].value is not None
    assert found["failed"].value >= 2
    assert found["importErrors"].value is not None
    assert "█" in found["succeeded"].plot
    assert len(found["succeeded"].plot) <= health_figures.POINTS
    assert {one.value for one in elsewhere} == {None}
    data = health_figures.as_data("dev", 1, list(found.values()))
    assert data["figures"]["succeeded"]["value"] == found["succeeded"].value
    with (
        _reader(pipeline, "wrong") as influxdb,
        pytest.raises(UserError, match="refuses the login"),
    ):
        influxdb.rows("SHOW DATABASES")


def _reader(pipeline: Pipeline, password: str) -> InfluxDB:
    url = f"http://127.0.0.1:{pipeline.influxdb_port}"
    return InfluxDB(url, metrics.DATABASE, metrics.READER, password)
