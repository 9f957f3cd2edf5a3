"""The user whom Telegraf has in PostgreSQL, on real servers with the rights that RDS gives; and from there to an alert.

Telegraf, InfluxDB and PostgreSQL are all real.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from types import ModuleType
from urllib.parse import quote

import psycopg2
import psycopg2.extensions
import pytest

from infra.contract import metrics
from tests.unit.grafana.evaluation import rule
from tests.unit.images import metrics_pipeline, postgresql
from tests.unit.images.loading import script
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.real_airflow import until

PASSWORD = "the monitor's p@ss/word"
BRANCH = "airflow_dev_feature_012345"
BRANCH_PASSWORD = "branch's p@ss"
LIMIT = 40
"""How many connections a branch may have: CONNECTIONS of images/airflow/scripts/branch_database.py."""

FIVE_MINUTES = 300


@pytest.fixture(scope="module", params=postgresql.VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with postgresql.running(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def monitor() -> ModuleType:
    assert script("wait_for_schema")
    assert script("branch_database")
    return script("database_monitor")


def connect(
    server: Server, user: str, password: str, database: str = MASTER
) -> psycopg2.extensions.connection:
    url = server.url(user, password, database).replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    return connection


def ask(server: Server, query: str, database: str = MASTER) -> list[tuple[object, ...]]:
    connection = connect(server, metrics.MONITOR, PASSWORD, database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def branched(server: Server, monitor: ModuleType) -> Server:
    """With a branch's database, which closes all others to whoever does not own them, and the monitor."""
    branch_database = script("branch_database")
    connection = connect(server, MASTER, MASTER_PASSWORD, MASTER)
    branch_database.create(connection, BRANCH, BRANCH_PASSWORD)
    assert monitor.ensure(connection, metrics.MONITOR, PASSWORD) is True
    assert monitor.ensure(connection, metrics.MONITOR, PASSWORD) is False
    with connection.cursor() as cursor:
        cursor.execute("create table crown_jewels as select 42 as value")
    connection.close()
    return server


def test_it_sees_what_all_users_do_and_how_large_their_databases_are(branched: Server) -> None:
    other = connect(branched, BRANCH, BRANCH_PASSWORD, BRANCH)
    try:
        seen = "select usename, backend_type from pg_stat_activity where usename is not null"
        assert (BRANCH, "client backend") in ask(branched, seen)
        ((size,),) = ask(branched, f"select pg_database_size('{BRANCH}')")
        assert isinstance(size, int)
        assert size > 1_000_000
    finally:
        other.close()


def test_it_reads_no_table_makes_nothing_and_gets_into_no_other_database(branched: Server) -> None:
    for database in ("postgres", BRANCH):
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            ask(branched, "select 1", database)
    for statement in (
        "select * from crown_jewels",
        "create role other",
        "create database other",
        f"alter role {MASTER} password 'x'",
        f"set role {MASTER}",
        "select * from pg_authid",
        "select pg_read_file('/etc/passwd')",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(branched, statement)


def test_its_password_is_in_no_log_of_the_server(branched: Server) -> None:
    assert PASSWORD.replace("'", "''") not in (log := (branched.folder / "log").read_text())
    assert PASSWORD not in log
    assert metrics.MONITOR in log


def test_a_new_password_is_taken_and_without_metrics_it_is_gone(
    branched: Server, monitor: ModuleType
) -> None:
    name = "another_monitor"
    connection = connect(branched, MASTER, MASTER_PASSWORD, MASTER)
    try:
        for password in ("the first password", "the second password"):
            monitor.ensure(connection, name, password)
            connect(branched, name, password).close()
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            connect(branched, name, "the first password")
        assert monitor.drop(connection, name) is True
        assert monitor.drop(connection, name) is False
    finally:
        connection.close()
    assert not branched.superuser(f"select 1 from pg_roles where rolname = '{name}'")


@pytest.fixture(scope="module")
def pipeline(branched: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Telegraf asks that server."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "database").mkdir()
    # As infra/database_monitor.py writes it.
    mode = "require" if branched.tls else "prefer"
    login = f"{metrics.MONITOR}:{quote(PASSWORD, safe='')}"
    address = f"postgres://{login}@127.0.0.1:{branched.port}/{MASTER}?sslmode={mode}"
    (folder / "database" / metrics.MONITOR_ADDRESS).write_text(address)
    with metrics_pipeline.running(folder, postgresql={"secret": metrics.MONITOR_SECRET}) as found:
        yield found


def last(pipeline: Pipeline, measurement: str, where: str = "") -> dict[str, object]:
    fields = ", ".join(
        f'last("{name}") AS "{name}"'
        for one in (metrics.POSTGRESQL, metrics.POSTGRESQL_DATABASE)
        if one.name == measurement
        for name in metrics.FIELDS[one.kind]
    )
    query = f'SELECT {fields} FROM "{measurement}" WHERE time > 0{where}'
    (row,) = until(lambda: pipeline.ask(query))
    return dict(row)


def test_figures_of_the_server_and_of_each_database_arrive(
    pipeline: Pipeline, branched: Server
) -> None:
    found = last(pipeline, metrics.POSTGRESQL.name)
    ((most, kept),) = branched.superuser(
        "select current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int"
    )
    assert isinstance(most, int)
    assert isinstance(kept, int)
    assert found["connection_limit"] == most - kept
    own = last(pipeline, metrics.POSTGRESQL_DATABASE.name, f" AND \"database\" = '{BRANCH}'")
    assert own["connection_limit"] == LIMIT
    assert int(str(own["size_bytes"])) > 1_000_000
    base = last(pipeline, metrics.POSTGRESQL_DATABASE.name, f" AND \"database\" = '{MASTER}'")
    assert base["connection_limit"] == most - kept
    # Nothing else became a tag, above all no address.
    for one in (metrics.POSTGRESQL, metrics.POSTGRESQL_DATABASE):
        keys = {row["tagKey"] for row in pipeline.ask(f'SHOW TAG KEYS FROM "{one.name}"')}
        assert keys == set(one.tags)
    assert PASSWORD not in pipeline.log("telegraf")


def fires(pipeline: Pipeline, name: str, **labels: str) -> bool:
    """After five minutes in which the figure is the last that Telegraf has sent."""
    evaluated, now = rule(name), int(time.time())
    evaluated.firing(pipeline, now)
    firing = evaluated.firing(pipeline, now + FIVE_MINUTES)
    return any(set(labels.items()) <= set(series) for series in firing)


def test_few_connections_left_fire_and_resolve(pipeline: Pipeline, branched: Server) -> None:
    limit = int(str(last(pipeline, metrics.POSTGRESQL.name)["connection_limit"]))
    alerts: dict[str, dict[str, str]] = {
        "server-connections": {},
        "database-connections": {"database": BRANCH},
    }
    assert not [name for name, labels in alerts.items() if fires(pipeline, name, **labels)]
    with ExitStack() as opened:
        for _ in range(LIMIT - 4):
            one = connect(branched, BRANCH, BRANCH_PASSWORD, BRANCH)
            opened.callback(one.close)
        until(lambda: fires(pipeline, "database-connections", database=BRANCH))
        assert not fires(pipeline, "server-connections")
        for _ in range(limit * 85 // 100 - (LIMIT - 4)):
            one = connect(branched, MASTER, MASTER_PASSWORD, MASTER)
            opened.callback(one.close)
        until(lambda: fires(pipeline, "server-connections"))
        # Telegraf has a connection already, and goes on to tell.
        assert fires(pipeline, "database-connections", database=BRANCH)
    for name, labels in alerts.items():
        until(lambda name=name, labels=labels: not fires(pipeline, name, **labels))


def test_a_server_that_is_away_stops_nothing_else(pipeline: Pipeline, branched: Server) -> None:
    address = pipeline.folder / "database" / metrics.MONITOR_ADDRESS
    text = address.read_text()
    address.write_text(text.replace(f":{branched.port}/", ":1/"))
    pipeline.stop("telegraf")
    pipeline.start("telegraf")
    before = pipeline.sum("airflow_ti_finish")
    pipeline.send(
        "stats.incr('ti.finish', tags={'dag_id': 'd', 'task_id': 't', 'state': 'success'})"
    )
    until(lambda: pipeline.sum("airflow_ti_finish") == before + 1)
    assert PASSWORD not in pipeline.log("telegraf")
    assert quote(PASSWORD, safe="") not in pipeline.log("telegraf")
