"""A database of the Airflow of before, brought to the image's: history kept, killed, twice at once, beside others, and back.

The kit's own scripts, with two real Airflows and a real PostgreSQL.
"""

import json
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2.extensions
import pytest

from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import PREVIOUS, Database, Databases
from tests.unit.images.loading import IMAGES, SCRIPTS, script
from tests.unit.images.postgresql import MASTER
from tests.unit.images.real_airflow import PASSWORD, USER, RealAirflow, until

pytestmark = pytest.mark.slow

ACCOUNT = {
    "ADMIN_USERNAME": USER,
    "ADMIN_PASSWORD": PASSWORD,
    "ADMIN_EMAIL": "admin@example.org",
}

DAG = """
import os, time
from pathlib import Path
from airflow.sdk import dag, task

@dag(schedule=None)
def history():
    @task
    def number():
        return 41

    @task
    def answer(value):
        return value + 1

    answer(number())

@dag(schedule=None)
def long():
    @task
    def wait(run_id=None):
        begun = Path(os.environ["OUT"], run_id)
        begun.touch()
        while begun.exists():
            time.sleep(0.1)

    @task
    def after():
        return "done"

    wait() >> after()

history()
long()
"""

LATE = DAG.replace("history", "late").replace("long", "late_long")

SECRET = "the CRM's p@ss"
MAKE = f"""
from airflow import settings
from airflow.models import Connection, Pool, Variable
session = settings.Session()
session.add(Connection(conn_id="crm", conn_type="http", host="crm.example", password={SECRET!r}, extra='{{"a": 1}}'))
session.add(Variable(key="region", val="north"))
session.add(Pool(pool="heavy", slots=3, description="", include_deferred=False))
session.commit()
"""

READ = """
import json
from airflow import settings
from airflow.models import Connection, DagRun, Pool, TaskInstance, Variable
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.xcom import XComModel
from sqlalchemy import select
session = settings.Session()
crm = session.scalar(select(Connection).where(Connection.conn_id == "crm"))
found = {
    "password": crm.password, "extra": crm.extra,
    "variable": session.scalar(select(Variable).where(Variable.key == "region")).val,
    "slots": session.scalar(select(Pool).where(Pool.pool == "heavy")).slots,
    "runs": [str(run.state) for run in session.scalars(select(DagRun))],
    "tasks": sorted((ti.task_id, str(ti.state)) for ti in session.scalars(select(TaskInstance))),
    "xcoms": sorted((x.task_id, XComModel.deserialize_value(x)) for x in session.scalars(select(XComModel))),
    "dag": sorted(SerializedDagModel.get("history", session=session).dag.task_dict),
}
print(json.dumps(found))
"""
KEPT = {
    "password": SECRET,
    "extra": '{"a": 1}',
    "variable": "north",
    "slots": 3,
    "runs": ["success"],
    "tasks": [["answer", "success"], ["number", "success"]],
    "xcoms": [["answer", 42], ["number", 41]],
    "dag": ["answer", "number"],
}

NOTE = "select obj_description('alembic_version'::regclass, 'pg_class')"
SHAPE = """
    select table_name, column_name, data_type, is_nullable from information_schema.columns
    where table_schema = 'public' order by 1, 2"""
TABLES = """
    select table_name, array_agg(quote_ident(column_name) order by column_name)
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = 'public' and table_type = 'BASE TABLE' group by 1 order by 1"""

MOVED = {"alembic_version", "alembic_version_fab", "log_template"}
"""Tables of which an upgrade may change the rows that are there."""

Content = dict[str, Counter[str]]


def version(lock: Path) -> str:
    found = re.search(r"^apache-airflow==(\S+)", lock.read_text(), re.MULTILINE)
    assert found
    return found[1]


OLD, NEW = version(PREVIOUS), version(IMAGES / "airflow" / "requirements.txt")


def columns(database: Database) -> dict[str, list[str]]:
    return dict(database.ask(TABLES))


def content(database: Database, of: dict[str, list[str]] | None = None) -> Content:
    """All rows, of these columns."""
    return {
        table: Counter(
            row for (row,) in database.ask(f'select row({", ".join(names)})::text from "{table}"')
        )
        for table, names in (of or columns(database)).items()
    }


def everything(database: Database) -> object:
    """What a refusal must leave as it was."""
    return content(database), database.ask(SHAPE), database.ask(NOTE)


def revision(database: Database) -> str:
    return str(database.ask("select version_num from alembic_version")[0][0])


def read(database: Database, interpreter: str, **more: str) -> object:
    done = subprocess.run(
        [interpreter, "-c", READ],
        env={**database.settings, **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def previous() -> str:
    return airflow_database.previous_python()


@contextmanager
def running(database: Database, interpreter: str = "") -> Iterator[RealAirflow]:
    """Airflow on a database, with the DAGs."""
    home = database.home / f"airflow-{time.monotonic_ns()}"
    (home / "out").mkdir(parents=True)
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(database.home / "dags")},
    }
    more = {
        name: value
        for name, value in database.settings.items()
        if name.endswith(("AUTH_MANAGER", "FERNET_KEY", "LOGGING_LEVEL"))
    }
    more["OUT"] = str(home / "out")
    with real_airflow.running(home, database.url, [bundle], more, interpreter=interpreter) as found:
        yield found


def finished(airflow: RealAirflow, dag: str, run: str) -> str:
    """The state of a run that has ended."""

    def look() -> str:
        with airflow.api() as api:
            state = api.run_state(dag, run)
        return state if state in ("success", "failed") else ""

    return until(look)


def trigger(airflow: RealAirflow, dag: str, run: str) -> None:
    with airflow.api() as api:
        until(lambda: api.has_dag(dag))
        api.trigger(dag, run)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory, previous: str) -> Iterator[Databases]:
    """Of the Airflow of before, each with a DAG run and what people keep in it."""
    home = tmp_path_factory.mktemp("home")
    (home / "dags").mkdir()
    (home / "dags" / "dags.py").write_text(DAG)
    with airflow_database.running(home, previous) as found:
        template = Database(found.server, airflow_database.TEMPLATE, home)
        done = template.run("prepare_database", interpreter=previous, **ACCOUNT)
        assert done.returncode == 0, done.stderr
        subprocess.run(
            [previous, "-c", MAKE], env=template.settings, check=True, capture_output=True
        )
        with running(template, previous) as airflow:
            trigger(airflow, "history", "before")
            assert finished(airflow, "history", "before") == "success", airflow.log()
        yield found


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.new("kept")


@pytest.fixture(scope="module")
def upgraded(databases: Databases) -> Database:
    """One that the image has migrated: not to be changed by who looks at it."""
    found = databases.new("upgraded")
    done = found.run("prepare_database", **ACCOUNT)
    assert done.returncode == 0, done.stderr
    assert f"database schema: from Airflow {OLD} to {NEW}" in done.stdout
    return found


def copied(databases: Databases, source: Database, name: str) -> Database:
    databases.server.superuser(
        f"drop database if exists {name} with (force)",
        f"create database {name} owner {MASTER} template {source.name}",
    )
    return Database(databases.server, name, databases.home)


def test_the_lock_is_of_the_minor_version_before() -> None:
    major, minor, _ = NEW.split(".", 2)
    assert OLD.startswith(f"{major}.{int(minor) - 1}.")


def test_nothing_is_lost_on_the_way_forward(database: Database, upgraded: Database) -> None:
    before, kept = content(database), columns(database)
    assert before["dag_run"].total() == 1
    assert before["task_instance"].total() == before["xcom"].total() == 2
    gone = {table: names for table, names in kept.items() if table in columns(upgraded)}
    assert gone.keys() == kept.keys()
    after = content(upgraded, kept)
    lost = {table: rows - after[table] for table, rows in before.items() if table not in MOVED}
    assert {table: rows for table, rows in lost.items() if rows} == {}
    assert read(upgraded, airflow_database.python()) == KEPT


def test_it_is_noted_which_airflow_has_migrated(database: Database, upgraded: Database) -> None:
    assert (database.ask(NOTE), upgraded.ask(NOTE)) == (
        [(f"Airflow {OLD}",)],
        [(f"Airflow {NEW}",)],
    )
    assert revision(upgraded) != revision(database)


def test_airflow_works_on_until_the_new_one_takes_over(databases: Databases, previous: str) -> None:
    """As in a rollout: the pods of before go when the new ones are ready, long after the migration."""
    database = databases.new("beside")
    with running(database, previous) as airflow:
        trigger(airflow, "long", "across")
        begun = Path(airflow.environment["OUT"], "across")
        until(begun.exists)
        done = database.run("prepare_database", **ACCOUNT)
        assert done.returncode == 0, done.stdout + done.stderr
        # The dag-processor of before may not be able to record what it has never seen.
        (database.home / "dags" / "late.py").write_text(LATE)
        begun.unlink()
        assert finished(airflow, "long", "across") == "success", airflow.log()
        trigger(airflow, "history", "between")
        assert finished(airflow, "history", "between") == "success", airflow.log()
        assert [process.poll() for process in airflow.processes] == [None] * 3, airflow.log()
    with running(database) as airflow:
        for dag in ("history", "late"):
            trigger(airflow, dag, "after")
            assert finished(airflow, dag, "after") == "success", airflow.log()
        with airflow.api() as api:
            assert api.run_state("history", "before") == "success"
            assert api.run_state("long", "across") == "success"
            assert api.import_errors() == []


class TestBack:
    """The image of before meets the newer database."""

    def test_it_is_refused_with_both_versions_and_the_way_out(
        self, databases: Databases, upgraded: Database, previous: str
    ) -> None:
        newer = copied(databases, upgraded, "refused")
        before = everything(newer)
        done = newer.run("prepare_database", interpreter=previous, **ACCOUNT)
        assert done.returncode == script("schema_versions").EXIT_CODE
        said = done.stdout.splitlines()[-1]
        assert said.startswith("nothing was changed: the database has the schema of Airflow ")
        assert f"Airflow {NEW}, which this image's Airflow {OLD} does not know" in said
        assert "./aerodrome restore --no-migrate --from BACKUP" in said
        assert "Traceback" not in done.stdout + done.stderr
        assert everything(newer) == before

    def test_without_a_note_it_is_refused_as_well(
        self, databases: Databases, upgraded: Database, previous: str
    ) -> None:
        newer = copied(databases, upgraded, "unnoted")
        newer.ask(f"comment on table alembic_version is 'Airflow {OLD}'")
        done = newer.run("prepare_database", interpreter=previous, **ACCOUNT)
        assert "has the schema of a newer Airflow, which" in done.stdout.splitlines()[-1]


class TestInterrupted:
    """Of a migration nothing is done twice, and nothing stays half done."""

    def start(self, database: Database) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [airflow_database.python(), str(SCRIPTS / "prepare_database.py")],
            env={**database.settings, **ACCOUNT},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @contextmanager
    def in_use(self, database: Database, table: str) -> Iterator[psycopg2.extensions.connection]:
        """Somebody reads a table in a transaction that does not end."""
        connection = psycopg2.connect(database.url.replace("+psycopg2", ""))
        with connection.cursor() as cursor:
            cursor.execute(f"select count(*) from {table}")
        try:
            yield connection
        finally:
            connection.close()

    def wait_for(self, process: "subprocess.Popen[str]", text: str) -> None:
        assert process.stdout
        for line in process.stdout:
            if text in line:
                return
        raise AssertionError(f"it never said: {text}")

    def test_killed_in_the_middle_the_next_one_goes_on(self, database: Database) -> None:
        first = revision(database)
        with self.in_use(database, "trigger"):
            process = self.start(database)
            self.wait_for(process, "a table is in use")
            process.send_signal(signal.SIGKILL)
            process.wait()
            middle = revision(database)
        done = database.run("prepare_database", **ACCOUNT)
        assert done.returncode == 0, done.stderr
        assert len({first, middle, revision(database)}) == 3
        assert read(database, airflow_database.python()) == KEPT

    def test_beside_a_long_transaction_it_waits_and_holds_up_nobody(
        self, database: Database
    ) -> None:
        with self.in_use(database, "task_instance"):
            process = self.start(database)
            self.wait_for(process, "a table is in use")
            began = time.monotonic()
            # Between two tries nobody queues behind it.
            assert database.ask("select count(*) from task_instance") == [(2,)]
            assert time.monotonic() - began < 3
        process.communicate()
        assert process.returncode == 0
        assert read(database, airflow_database.python()) == KEPT

    def test_two_at_once_run_one_after_the_other(self, database: Database) -> None:
        processes = [self.start(database), self.start(database)]
        texts = [process.communicate()[0] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], texts
        assert sum("another migration of this database is under way" in text for text in texts) == 1
        assert sum(f"from Airflow {OLD} to {NEW}" in text for text in texts) == 1
        assert database.ask("select count(*) from ab_user") == [(1,)]


def dumped(database: Database, airflow: str, key: str = airflow_database.FERNET_KEY) -> Path:
    """A backup, as a file. `key`: the newest when it was made."""
    copy = script("database_copy")
    script("wait_for_schema")
    script("maintenance")
    script("object_upload")
    fingerprint = script("backup_database").fingerprint
    about = {
        "environment": "dev",
        "airflow": airflow,
        "made": "2027-01-31T02:17:00Z",
        "fernet": fingerprint(key),
    }
    path = database.home / f"{database.name}.tar.gz"
    connection = psycopg2.connect(database.url.replace("+psycopg2", ""))
    with path.open("wb") as file:
        copy.dump(connection, file, about)
    connection.close()
    return path


@pytest.fixture(scope="module")
def backup(databases: Databases) -> Path:
    """One from before the upgrade."""
    return dumped(databases.new("source"), OLD)


class TestRestore:
    """A backup from before the upgrade."""

    def restore(
        self, database: Database, backup: Path, interpreter: str = "", **more: str
    ) -> "subprocess.CompletedProcess[str]":
        return database.run(
            "restore_database",
            interpreter=interpreter,
            BACKUP_URL=backup.as_uri(),
            FORMER_FERNET_KEY=airflow_database.FERNET_KEY,
            **ACCOUNT,
            **more,
        )

    def test_it_leads_back_to_the_airflow_of_before(
        self,
        databases: Databases,
        database: Database,
        upgraded: Database,
        backup: Path,
        previous: str,
    ) -> None:
        newer = copied(databases, upgraded, "back")
        done = self.restore(newer, backup, RESTORE_MIGRATE="false")
        assert done.returncode == 0, done.stderr
        kept = {table: names for table, names in columns(database).items() if table != "session"}
        assert content(newer, kept) == content(database, kept)
        assert newer.ask(NOTE) == [(f"Airflow {OLD}",)]
        done = newer.run("prepare_database", interpreter=previous, **ACCOUNT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "account admin: unchanged" in done.stdout
        assert read(newer, previous) == KEPT

    def test_it_is_migrated_where_the_newer_airflow_stays(
        self, databases: Databases, upgraded: Database, backup: Path
    ) -> None:
        newer = copied(databases, upgraded, "again")
        newer.ask("delete from dag_run")
        done = self.restore(newer, backup)
        assert done.returncode == 0, done.stdout + done.stderr
        assert revision(newer) == revision(upgraded)
        assert read(newer, airflow_database.python()) == KEPT
        # People's accounts get numbers that are free.
        assert newer.ask("select nextval('ab_user_id_seq') > max(id) from ab_user") == [(True,)]

    @pytest.mark.parametrize("moment", ["before", "in the middle"])
    def test_one_of_another_fernet_key_comes_under_the_new_one(
        self, databases: Databases, upgraded: Database, moment: str
    ) -> None:
        """Of before a rotation; or of its middle, with a new key and rows that are still under the old one."""
        old, new = airflow_database.FERNET_KEY, "YW5vdGhlciBmZXJuZXQga2V5IG9mIDMyIGJ5dGVzISE="
        backup = dumped(databases.new("rotating"), OLD, new if moment != "before" else old)
        rotated = copied(databases, upgraded, "rotated")
        key = {"AIRFLOW__CORE__FERNET_KEY": new}
        settings = {"BACKUP_URL": backup.as_uri(), "FORMER_FERNET_KEY": f"{new},{old}", **ACCOUNT}
        done = rotated.run("restore_database", **settings, **key)
        assert done.returncode == 0, done.stdout + done.stderr
        assert read(rotated, airflow_database.python(), **key) == KEPT

    def test_a_damaged_one_is_refused_before_anything_is_dropped(
        self, databases: Databases, upgraded: Database, backup: Path, tmp_path: Path
    ) -> None:
        newer = copied(databases, upgraded, "damaged")
        before = everything(newer)
        cut = tmp_path / "cut.tar.gz"
        cut.write_bytes(backup.read_bytes()[:-2000])
        done = self.restore(newer, cut, RESTORE_MIGRATE="false")
        assert done.returncode == 1
        assert "not restored: the backup is cut short" in done.stderr
        assert everything(newer) == before

    def test_a_newer_one_is_refused_by_the_older_airflow(
        self, database: Database, upgraded: Database, previous: str
    ) -> None:
        before = everything(database)
        done = self.restore(database, dumped(upgraded, NEW), previous)
        assert done.returncode == 1
        assert f"the backup is of Airflow {NEW}, whose schema" in done.stderr
        assert f"Airflow {OLD} does not know" in done.stderr
        assert everything(database) == before
