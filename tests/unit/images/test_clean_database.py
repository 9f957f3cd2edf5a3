"""Old rows on their way to the bucket: real Airflow's rules, a real PostgreSQL, a real emulator of S3."""

import io
import json
import subprocess
import tarfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.ports import free_port
from tests.unit.images import airflow_database, airflow_forks
from tests.unit.images.airflow_database import Database, Databases
from tests.unit.images.airflow_forks import Forks
from tests.unit.images.loading import SCRIPTS
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

BUCKET = "logs"
KEEP_DAYS = 30
NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=40)
NEW = NOW - timedelta(days=1)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    home = tmp_path_factory.mktemp("home")
    with airflow_database.running(home) as found:
        schema = str(home / "schema.json")
        record = [airflow_database.python(), str(SCRIPTS / "record_schema.py"), schema]
        subprocess.run(record, env={"AIRFLOW_HOME": str(home)}, check=True, capture_output=True)
        yield found


@pytest.fixture(scope="module")
def forks(databases: Databases) -> Iterator[Forks]:
    with airflow_forks.running(databases, "airflow.settings", "boto3", "psycopg2") as found:
        yield found


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    running.client("s3").create_bucket(Bucket=BUCKET)
    yield running
    running.process.terminate()
    running.process.wait()
    running.kubernetes.server.shutdown()


class Archive:
    """A folder of the bucket, and a user who has the rights of the pod that writes to it."""

    def __init__(self, emulator: Emulator, forks: Forks, folder: str) -> None:
        from infra.policies import archive_rows

        self.forks = forks
        self._s3 = emulator.client("s3")
        self._folder = folder
        policy = json.loads(archive_rows(f"arn:aws:s3:::{BUCKET}", folder))
        key = emulator.user(folder, policy)
        self.settings = {
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": key["id"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
            "CLEAN_BUCKET": BUCKET,
            "CLEAN_PREFIX": folder,
            "CLEAN_ENVIRONMENT": "dev",
            "CLEAN_KEEP_DAYS": str(KEEP_DAYS),
            "CLEAN_BATCH_ROWS": "5000",
        }

    def objects(self) -> list[str]:
        found = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{self._folder}/")
        return [item["Key"] for item in found.get("Contents", [])]

    def rows(self) -> Counter[tuple[str, str]]:
        """Each row of each object, by table and text."""
        found: Counter[tuple[str, str]] = Counter()
        for key in self.objects():
            content = self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    table, _, piece = member.name.partition("/")
                    file = archive.extractfile(member)
                    assert file is not None
                    lines = file.read().decode().splitlines() if piece else []
                    found.update((table, line) for line in lines)
        return found

    def counts(self) -> Counter[str]:
        return Counter(table for table, _ in self.rows().elements())


_number = iter(range(100))


@pytest.fixture
def archive(emulator: Emulator, forks: Forks) -> Archive:
    return Archive(emulator, forks, f"archive-{next(_number)}")


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.new(f"db{next(_number)}")


def run_of(
    database: Database, dag: str, run: str, when: datetime, state: str = "success", **more: Any
) -> int:
    """A run with two tasks, one of them never started, an XCom and a note."""
    ended = None if state in ("running", "queued") else more.pop("ended", when)
    version = more.pop("version", None)
    number: int = database.insert(
        "dag_run",
        dag_id=dag,
        run_id=run,
        state=state,
        run_type=more.pop("run_type", "manual"),
        start_date=when,
        end_date=ended,
        created_dag_version_id=version,
    )
    database.insert("dag_run_note", dag_run_id=number)
    for task, started in (("work", when), ("skipped", None)):
        database.insert(
            "task_instance",
            dag_id=dag,
            run_id=run,
            task_id=task,
            map_index=-1,
            state=more.get("task", "success") if started else "skipped",
            start_date=started,
            dag_version_id=version,
            trigger_id=more.get("trigger") if started else None,
        )
    database.insert(
        "xcom",
        dag_run_id=number,
        dag_id=dag,
        run_id=run,
        task_id="work",
        map_index=-1,
        key="return_value",
        value={"text": "tab\t line\n back\\slash 日本"},
        # Newer than its run: by its own date it would stay, and go unseen with the run.
        timestamp=NOW,
    )
    return number


def dag_of(database: Database, name: str, versions: int = 1, **more: Any) -> list[str]:
    """A DAG with versions, all old; their ids."""
    if not database.ask("select 1 from dag_bundle where name = 'b'"):
        database.insert("dag_bundle", name="b")
    stale, parsed = more.get("stale", False), more.get("parsed", NOW)
    database.insert(
        "dag",
        dag_id=name,
        bundle_name="b",
        is_stale=stale,
        is_paused=False,
        last_parsed_time=parsed,
    )
    made = []
    for number in range(1, versions + 1):
        version = str(uuid.uuid4())
        database.insert(
            "dag_version",
            id=version,
            dag_id=name,
            version_number=number,
            created_at=OLD + timedelta(hours=number),
        )
        database.insert("serialized_dag", dag_id=name, dag_version_id=version, dag_hash="x")
        made.append(version)
    return made


def clean(database: Database, archive: Archive, **more: str) -> dict[str, Any]:
    done = archive.forks.script(database, "clean_database", **{**archive.settings, **more})
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def everything(database: Database) -> Counter[tuple[str, str]]:
    """Each row of each table of runs, as COPY writes it."""
    found: Counter[tuple[str, str]] = Counter()
    connection = database.connection()
    with connection.cursor() as cursor:
        for table in TABLES:
            text = io.StringIO()
            cursor.copy_expert(f"copy {table} to stdout", text)
            found.update((table, line) for line in text.getvalue().splitlines())
    connection.close()
    return found


TABLES = ("dag_run", "dag_run_note", "task_instance", "xcom", "log")


def runs(database: Database) -> set[str]:
    return {row[0] for row in database.ask("select run_id from dag_run")}


@pytest.fixture
def filled(database: Database) -> Database:
    for number in range(3):
        run_of(database, "daily", f"old-{number}", OLD + timedelta(minutes=number))
    run_of(database, "daily", "new", NEW)
    for when in (OLD, NEW):
        database.insert("log", dttm=when, event="cli")
    return database


def test_finished_runs_go_with_all_that_belongs_to_them_and_lie_in_the_bucket(
    filled: Database, archive: Archive
) -> None:
    before = everything(filled)
    done = clean(filled, archive)
    assert runs(filled) == {"new"}
    assert done["tables"] == {
        "dag_run": 3,
        "dag_run_note": 3,
        "log": 1,
        "task_instance": 6,
        "xcom": 3,
    }
    assert archive.counts() == done["tables"]
    # What was there is in one of the two, once.
    assert everything(filled) + archive.rows() == before
    assert filled.ask("select 1 from pg_namespace where nspname = 'aerodrome_archive'") == []
    assert clean(filled, archive)["rows"] == 0


def test_an_object_says_what_it_is_and_is_read_as_a_backup_is(
    filled: Database, archive: Archive, emulator: Emulator
) -> None:
    done = clean(filled, archive)
    first = done["objects"][0].removeprefix(f"s3://{BUCKET}/")
    content = emulator.client("s3").get_object(Bucket=BUCKET, Key=first)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as found:
        names = found.getnames()
        file = found.extractfile("manifest.json")
        assert file is not None
        manifest = json.loads(file.read())
    assert names[0] == "manifest.json"
    assert names[-1] == "rows.json"
    assert manifest["table"] == "dag_run"
    assert manifest["environment"] == "dev"
    assert manifest["tables"]["dag_run"][:2] == ["id", "dag_id"]


def test_a_look_changes_nothing(filled: Database, archive: Archive) -> None:
    before = everything(filled)
    done = clean(filled, archive, CLEAN_DRY_RUN="true")
    assert done["tables"] == {"dag_run": 3, "log": 1}
    assert everything(filled) == before
    assert archive.objects() == []


def test_what_is_unfinished_or_in_use_stays(database: Database, archive: Archive) -> None:
    first, used, last = dag_of(database, "daily", versions=3)
    run_of(database, "daily", "running", OLD, state="running", version=used)
    run_of(database, "daily", "queued", OLD, state="queued")
    run_of(database, "daily", "ended-late", OLD, ended=NEW)
    trigger = database.insert("trigger", created_date=OLD, classpath="x")
    run_of(database, "other", "deferred", OLD, task="deferred", trigger=trigger)
    forgotten = database.insert("trigger", created_date=OLD, classpath="x")
    run_of(database, "daily", "scheduled", OLD, run_type="scheduled")
    clean(database, archive)
    # The last scheduled run says when the next one is due.
    assert runs(database) == {"running", "queued", "ended-late", "deferred", "scheduled"}
    assert database.ask("select count(*) from task_instance") == [(10,)]
    assert {row[0] for row in database.ask("select id from trigger")} == {trigger}
    assert forgotten != trigger
    left = {row[0] for row in database.ask("select id::text from dag_version")}
    assert left == {used, last}
    assert first not in left
    assert database.ask("select count(*) from serialized_dag") == [(2,)]


def test_a_dag_goes_when_its_file_and_its_runs_are_gone(
    database: Database, archive: Archive
) -> None:
    # An environment that was at rest: all its DAGs were last parsed long ago.
    dag_of(database, "resting", parsed=OLD)
    dag_of(database, "gone", parsed=OLD, stale=True)
    dag_of(database, "gone_with_runs", parsed=OLD, stale=True)
    run_of(database, "gone_with_runs", "new", NEW)
    clean(database, archive)
    left = {row[0] for row in database.ask("select dag_id from dag")}
    assert left == {"resting", "gone_with_runs"}
    assert archive.counts()["serialized_dag"] == 1


def test_many_rows_go_in_batches(database: Database, archive: Archive) -> None:
    for number in range(7):
        run_of(database, "daily", f"old-{number}", OLD)
        database.insert("log", dttm=OLD, event=f"e{number}")
    before = everything(database)
    done = clean(database, archive, CLEAN_BATCH_ROWS="50")
    assert [name.rpartition("/")[2] for name in done["objects"]] == [
        *(f"dag_run-0000{number}.tar.gz" for number in (1, 2, 3, 4)),
        "log-00001.tar.gz",
    ]
    assert archive.rows() == before


def test_expired_logins_go_and_are_not_kept(database: Database, archive: Archive) -> None:
    database.insert("session", session_id="old", expiry=OLD.replace(tzinfo=None))
    database.insert("session", session_id="new", expiry=NOW.replace(tzinfo=None))
    assert clean(database, archive)["objects"] == []
    assert database.ask("select session_id from session") == [("new",)]


def test_without_s3_nothing_is_deleted_and_the_next_run_goes_on(
    filled: Database, archive: Archive
) -> None:
    before = everything(filled)
    away = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_MAX_ATTEMPTS": "1"}
    failed = archive.forks.script(filled, "clean_database", **{**archive.settings, **away})
    assert failed.returncode == 1
    assert "the upload failed" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert everything(filled) == before
    done = clean(filled, archive)
    assert everything(filled) + archive.rows() == before
    assert done["rows"] == sum(archive.counts().values())


def test_what_did_not_arrive_is_not_deleted(filled: Database, archive: Archive) -> None:
    before = everything(filled)
    # Refused by IAM: another folder than its own.
    failed = archive.forks.script(
        filled, "clean_database", **{**archive.settings, "CLEAN_PREFIX": "backups"}
    )
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert everything(filled) == before


AT = {
    "before its upload": "Batch.send",
    "between upload and deletion": "Batch.delete",
    "after its deletion": "Done.add",
}
KILLED = """
import os, sys
sys.path.insert(0, {scripts!r})
import archive_batch, clean_database
from archive_batch import Batch
from clean_database import Done
{where} = lambda *_: os._exit(9)
clean_database.main()
"""


@pytest.mark.parametrize("where", AT.values(), ids=AT)
def test_killed_half_way_and_run_again_nothing_is_lost_and_nothing_is_there_twice(
    filled: Database, archive: Archive, where: str
) -> None:
    before = everything(filled)
    program = KILLED.format(scripts=str(SCRIPTS), where=where)
    killed = archive.forks.code(filled, program, **archive.settings)
    assert killed.returncode == 9, killed.stderr
    clean(filled, archive)
    assert runs(filled) == {"new"}
    assert everything(filled) + archive.rows() == before


CHANGED = """
import os, sys
sys.path.insert(0, {scripts!r})
import clean_database
from archive_batch import Batch
send = Batch.send
def meddle(*arguments):
    rows = send(*arguments)
    import psycopg2
    from wait_for_schema import connect
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(os.environ["MEDDLE"])
    return rows
Batch.send = meddle
clean_database.main()
"""


@pytest.mark.parametrize(
    "change",
    [
        "update dag_run set state = 'queued' where run_id = 'old-1'",
        "update task_instance set state = 'failed' where run_id = 'old-1' and state = 'success'",
        "insert into dag_run_note (dag_run_id, content, created_at, updated_at) select id, 'x', now(), now()"
        " from dag_run where run_id = 'old-1' on conflict (dag_run_id) do update set content = 'y'",
    ],
    ids=["a run is cleared", "a task is marked", "a note is written"],
)
def test_what_somebody_changes_meanwhile_is_not_deleted_as_it_was(
    filled: Database, archive: Archive, change: str
) -> None:
    program = CHANGED.format(scripts=str(SCRIPTS))
    done = archive.forks.code(filled, program, **archive.settings, MEDDLE=change)
    assert done.returncode == 0, done.stderr
    assert "have changed meanwhile" in done.stdout
    cleared = "queued" in change
    assert runs(filled) == ({"new", "old-1"} if cleared else {"new"})
    # The object has what was deleted, as it was then.
    assert archive.counts()["dag_run"] == (2 if cleared else 3)


SLOW = """
    create function slow() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.3); return old; end $$;
    create trigger slow before delete on log for each row execute function slow();
"""
IMPATIENT = """
import sys
sys.path.insert(0, {scripts!r})
import archive_batch, clean_database
archive_batch.DELETE_SECONDS = 1
clean_database.main()
"""


def test_a_batch_that_takes_too_long_is_made_smaller(database: Database, archive: Archive) -> None:
    for number in range(8):
        database.insert("log", dttm=OLD, event=f"e{number}")
    before = everything(database)
    database.ask(SLOW)
    settings = {**archive.settings, "CLEAN_BATCH_ROWS": "8"}
    done = archive.forks.code(database, IMPATIENT.format(scripts=str(SCRIPTS)), **settings)
    assert done.returncode == 0, done.stderr
    assert "more than 1 seconds; from now on 4 rows at once" in done.stdout
    assert database.ask("select count(*) from log") == [(0,)]
    assert archive.rows() == before


def test_it_stays_away_from_a_backup_and_gives_way_to_one(
    filled: Database, archive: Archive
) -> None:
    held = filled.connection()
    with held.cursor() as cursor:
        cursor.execute("select pg_advisory_lock_shared(%s)", (LOCK,))
    assert "under way" in clean(filled, archive)["stopped"]
    assert runs(filled) == {"new", "old-0", "old-1", "old-2"}
    held.close()


LOCK = 0xAE0DC

WAITING = """
import sys
sys.path.insert(0, {scripts!r})
import maintenance
with maintenance.at_work({patience}):
    print("at work")
"""


@pytest.mark.parametrize("patience", [30, 1], ids=["gives way", "is ended"])
def test_who_wants_to_work_gets_to(filled: Database, forks: Forks, patience: int) -> None:
    cleaning = filled.connection()
    with cleaning.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
    if patience > 1:
        threading.Timer(1, cleaning.close).start()
    began = time.monotonic()
    program = WAITING.format(scripts=str(SCRIPTS), patience=patience)
    done = forks.code(filled, program)
    assert done.stdout == "at work\n", done.stderr
    assert time.monotonic() - began < 20
    if patience == 1:
        with pytest.raises(psycopg2.Error), cleaning.cursor() as cursor:
            cursor.execute("select 1")


def test_a_database_of_another_version_is_left_alone(
    filled: Database, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "schema.json").write_text('{"alembic_version": ["newer"]}')
    done = archive.forks.script(
        filled, "clean_database", **{**archive.settings, "AIRFLOW_HOME": str(tmp_path)}
    )
    assert done.returncode == 1
    assert "not cleaned: alembic_version is at" in done.stderr
    assert archive.objects() == []


def test_all_that_refers_to_a_cleaned_table_is_known(databases: Databases) -> None:
    """A newer Airflow with another reference must be thought about: deleting may take along what is in use."""
    found = databases.new("referring").ask(
        "select confrelid::regclass::text, conrelid::regclass::text from pg_constraint "
        "where contype = 'f' and confrelid::regclass::text in ('asset_event', 'callback', 'dag_version', 'trigger')"
    )
    assert {f"{table} of {of}" for of, table in found} == {
        "asset_alias_asset_event of asset_event",
        "dag_code of dag_version",
        "dag_run of dag_version",
        "dagrun_asset_event of asset_event",
        "deadline of callback",
        "asset_watcher of trigger",
        "callback of trigger",
        "serialized_dag of dag_version",
        "task_instance of dag_version",
        "task_instance of trigger",
    }
