"""PgBouncer between the image's Airflow and a PostgreSQL that wants TLS, as RDS does: all three of them are real."""

import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from tests.unit.images import airflow_database, pgbouncer, real_airflow
from tests.unit.images.airflow_database import Database, Databases
from tests.unit.images.pgbouncer import PgBouncer
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.real_airflow import MODULES, until

ARGUMENTS = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC"
POOL = 3

QUERIES = """
import asyncio, sys
from sqlalchemy import func, select, text
from airflow import settings
from airflow.models.pool import Pool
from airflow.models.dag import DagModel
from airflow.utils.session import create_session, create_session_async

settings.configure_orm()

async def ask(number):
    for _ in range(15):
        async with create_session_async() as session:
            assert await session.scalar(select(func.count()).select_from(Pool)) >= 0
            await session.execute(select(DagModel.dag_id).where(DagModel.dag_id == f"dag-{number}"))
        async with create_session_async() as session:
            assert await session.scalar(text("select :number + 0").bindparams(number=number)) == number

async def ask_all():
    await asyncio.gather(*(ask(number) for number in range(5)))
    await settings.async_engine.dispose()

for _ in range(10):
    with create_session() as session:
        session.scalar(select(func.count()).select_from(Pool))
asyncio.run(ask_all())
print("answered")
"""
"""What Airflow's processes do: with both of its engines, and several sessions at once."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short: the paths of Unix sockets end at 108 characters.
    with tempfile.TemporaryDirectory(prefix="pb-") as name:
        yield Path(name)


@pytest.fixture
def pool(databases: Databases, folder: Path) -> Iterator[PgBouncer]:
    with pgbouncer.running(databases.server, folder, poolSize=POOL) as found:
        yield found


def sessions(server: Server) -> int:
    """The connections that the server has of Airflow's user."""
    query = f"select count(*) from pg_stat_activity where usename = '{MASTER}'"
    return int(str(server.superuser(query)[0][0]))


@contextmanager
def counted(server: Server) -> Iterator[list[int]]:
    """How many connections the server had, looked at again and again while the block lasts."""
    counts: list[int] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            counts.append(sessions(server))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield counts
    finally:
        done.set()
        thread.join()


class TestLogin:
    def test_the_right_password_gets_in_and_another_one_does_not(self, pool: PgBouncer) -> None:
        pool.connect(airflow_database.TEMPLATE).close()
        for user, password in ((MASTER, "wrong"), (MASTER, ""), ("nobody", MASTER_PASSWORD)):
            with pytest.raises(psycopg2.OperationalError) as refused:
                pool.connect(airflow_database.TEMPLATE, user, password)
            assert MASTER_PASSWORD not in str(refused.value)

    def test_a_password_may_hold_any_character(self, databases: Databases, folder: Path) -> None:
        password = 'a "quoted" \\ p@ss:word/ %s $HOME'
        literal = password.replace("'", "''")
        databases.server.superuser(
            "drop role if exists other", f"create role other login password '{literal}'"
        )
        with pgbouncer.running(databases.server, folder, {"other": password}) as pool:
            pool.connect(airflow_database.TEMPLATE, "other", password).close()

    def test_a_password_that_the_server_does_not_take_is_an_error_at_once(
        self, databases: Databases, folder: Path
    ) -> None:
        users = {MASTER: "the server has another one"}
        with (
            pgbouncer.running(databases.server, folder, users) as pool,
            pytest.raises(psycopg2.OperationalError, match="password authentication failed"),
        ):
            pool.connect(airflow_database.TEMPLATE, MASTER, users[MASTER])

    def test_it_asks_with_scram_only(self, pool: PgBouncer) -> None:
        # libpq refuses every other question, a password in clear among them.
        pool.connect(airflow_database.TEMPLATE, require_auth="scram-sha-256").close()
        with pytest.raises(psycopg2.OperationalError, match="requirement"):
            pool.connect(airflow_database.TEMPLATE, require_auth="md5,password")

    def test_nobody_but_its_own_user_gets_at_the_console(self, pool: PgBouncer) -> None:
        with pytest.raises(psycopg2.OperationalError):
            pool.connect("pgbouncer", "pgbouncer", "")
        with pytest.raises(psycopg2.OperationalError):
            pool.connect("pgbouncer")

    def test_no_password_is_in_its_log_or_in_a_process_list(self, pool: PgBouncer) -> None:
        pool.connect(airflow_database.TEMPLATE).close()
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        assert MASTER_PASSWORD not in listed.stdout + pool.log()


class TestServer:
    def test_it_is_reached_with_tls_as_asked(self, databases: Databases, pool: PgBouncer) -> None:
        with pool.connect(airflow_database.TEMPLATE) as connection, connection.cursor() as cursor:
            cursor.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            assert cursor.fetchone() == (True,)

    def test_without_tls_the_server_refuses(self, databases: Databases, folder: Path) -> None:
        with (
            pgbouncer.running(databases.server, folder, sslmode="disable") as pool,
            pytest.raises(psycopg2.OperationalError, match="no encryption"),
        ):
            pool.connect(airflow_database.TEMPLATE)

    def test_more_clients_than_the_pool_wait_and_the_server_has_no_more(
        self, databases: Databases, pool: PgBouncer
    ) -> None:
        def work(_: int) -> int:
            connection = pool.connect(airflow_database.TEMPLATE)
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute("select 1 from pg_sleep(0.3)")
                    ((one,),) = cursor.fetchall()
                    return int(one)
            finally:
                connection.close()

        clients = 5 * POOL
        with counted(databases.server) as counts, ThreadPoolExecutor(clients) as threads:
            assert sum(threads.map(work, range(clients))) == clients
        assert max(counts) == POOL
        (found,) = [one for one in pool.pools() if one["database"] == airflow_database.TEMPLATE]
        assert found["pool_mode"] == "transaction"
        assert int(found["sv_active"]) + int(found["sv_idle"]) + int(found["sv_used"]) <= POOL

    def test_idle_clients_hold_no_connection_of_the_server(
        self, databases: Databases, pool: PgBouncer
    ) -> None:
        held = [pool.connect(airflow_database.TEMPLATE) for _ in range(10 * POOL)]
        try:
            for connection in held:
                with connection, connection.cursor() as cursor:
                    cursor.execute("select 1")
            assert sessions(databases.server) <= POOL
        finally:
            for connection in held:
                connection.close()

    def test_a_transaction_ends_before_it_stops(self, pool: PgBouncer) -> None:
        connection = pool.connect(airflow_database.TEMPLATE)
        with connection, connection.cursor() as cursor:
            cursor.execute("select 1")
            # As the container's runtime does.
            pool.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            assert pool.process.poll() is None
            cursor.execute("select 2")
            assert cursor.fetchone() == (2,)
        assert pool.process.wait(30) == 0


def airflow(pool: PgBouncer, database: Database, **more: str) -> "subprocess.Popen[str]":
    url = pool.url(MASTER, MASTER_PASSWORD, database.name)
    environment = {
        **database.settings,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "PYTHONPATH": str(MODULES),
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }
    return subprocess.Popen(
        [airflow_database.python(), "-c", QUERIES],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outputs(processes: Sequence["subprocess.Popen[str]"]) -> list[tuple[str, str]]:
    return [process.communicate(timeout=300) for process in processes]


class TestAirflow:
    PROCESSES = 2

    def test_both_engines_work_through_it(self, databases: Databases, pool: PgBouncer) -> None:
        database = databases.new("engines")
        through = {ARGUMENTS: "aerodrome_database.POOLED_CONNECT_ARGS"}
        with counted(databases.server) as counts:
            started = [airflow(pool, database, **through) for _ in range(self.PROCESSES)]
            for output, errors in outputs(started):
                assert output == "answered\n", errors[-3000:]
        assert 0 < max(counts) <= POOL
        left = "select count(*) from pg_prepared_statements"
        with pool.connect(database.name) as connection, connection.cursor() as cursor:
            cursor.execute(left)
            assert cursor.fetchone() == (0,)

    def test_with_statements_that_are_kept_they_do_not(
        self, databases: Databases, pool: PgBouncer
    ) -> None:
        """What the arguments are for: the day on which this fails they can go."""
        database = databases.new("kept")
        started = [airflow(pool, database) for _ in range(self.PROCESSES)]
        errors = "".join(text for _, text in outputs(started))
        assert "prepared statement" in errors

    @pytest.mark.slow
    def test_a_dag_runs_through_it(
        self, databases: Databases, pool: PgBouncer, tmp_path: Path
    ) -> None:
        database = databases.new("runs")
        dags = tmp_path / "dags"
        dags.mkdir()
        (dags / "chain.py").write_text(DAG)
        bundle = {
            "name": "dags",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(dags)},
        }
        home = tmp_path / "airflow"
        home.mkdir()
        with (
            counted(databases.server) as counts,
            real_airflow.running(
                home,
                database.url,
                [bundle],
                {ARGUMENTS: "aerodrome_database.POOLED_CONNECT_ARGS"},
                pooled=pool.url(MASTER, MASTER_PASSWORD, database.name),
            ) as running,
            running.api() as api,
        ):
            until(lambda: api.has_dag("chain"))
            # The migration is over, which went past it.
            counts.clear()
            api.trigger("chain", "once")
            until(lambda: api.run_state("chain", "once") in ("success", "failed"))
            assert api.run_state("chain", "once") == "success", running.log()
            states = {str(one["task_id"]): one["state"] for one in api.tasks("chain", "once")}
        assert states == {"first": "success", "second": "success"}
        assert 0 < max(counts) <= POOL


DAG = """
from airflow.sdk import dag, task

@dag(dag_id="chain", schedule=None)
def chain():
    @task
    def first():
        return 1

    @task
    def second(number):
        assert number == 1

    second(first())

chain()
"""
