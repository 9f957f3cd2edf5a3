"""What Airflow encrypts is ciphertext in PostgreSQL, and comes under another key without a gap, killed or not.

Real rows of the image's Airflow, read back with SQL and by Airflow itself.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import pytest

from tests.unit.images import airflow_database, airflow_forks
from tests.unit.images.airflow_database import FERNET_KEY, Database, Databases
from tests.unit.images.loading import SCRIPTS, script

NEW_KEY = "bmV3IGtleSBvZiB0aGUgdGVzdHMsIDMyIGJ5dGVzISE="
LOST_KEY = "YSBrZXkgdGhhdCBub2JvZHkgaGFzIGFueSBtb3JlISE="
BOTH = f"{NEW_KEY},{FERNET_KEY}"
KEY = "AIRFLOW__CORE__FERNET_KEY"
SECRETS = ("crm-Passw0rd", "token-in-extra", "region-north", "argument-of-a-trigger")
ACCOUNT = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "a-password",
    "ADMIN_EMAIL": "admin@example.org",
}

MAKE = f"""
import sys
from airflow import settings
from airflow.models import Connection, Variable
from airflow.models.trigger import Trigger
session, name = settings.Session(), sys.argv[1]
session.add(Connection(conn_id=name, conn_type="http", password={SECRETS[0]!r}, extra='{{"k": "{SECRETS[1]}"}}'))
session.add(Connection(conn_id=name + "-bare", conn_type="http", host="h"))
session.add(Variable(key=name, val={SECRETS[2]!r}))
session.add(Variable(key=name + "-empty", val=""))
session.add(Trigger(classpath="x.Y", kwargs={{"a": {SECRETS[3]!r}}}))
session.commit()
"""

READ = """
import json
from airflow import settings
from airflow.models import Connection, Variable
from airflow.models.trigger import Trigger
from sqlalchemy import select
session = settings.Session()
found = [[c.conn_id, c.password, c.extra] for c in session.scalars(select(Connection))]
found += [[v.key, v.val] for v in session.scalars(select(Variable))]
found += [sorted(t.kwargs.items()) for t in session.scalars(select(Trigger))]
print(json.dumps(sorted(map(str, found))))
"""

MODELS = """
import json
import airflow.models.connection_test
from airflow.models.base import Base
for module in ("connection", "variable", "trigger"):
    __import__("airflow.models." + module)
print(json.dumps(sorted({m.class_.__tablename__ for m in Base.registry.mappers if hasattr(m.class_, "rotate_fernet_key")})))
"""

DUMP = """select c.password, c.is_encrypted, c.extra, c.is_extra_encrypted from connection c where conn_id not like '%-bare'
    union all select val, is_encrypted, val, is_encrypted from variable
    union all select kwargs, true, kwargs, true from "trigger" """


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as found:
        yield found


MODULES = (
    "airflow.settings",
    *(
        f"airflow.models.{name}"
        for name in ("connection", "connection_test", "variable", "trigger")
    ),
)


class Airflow(Protocol):
    """Something that Airflow itself does, with this key; an empty one is none."""

    def __call__(
        self, database: Database, code: str, *words: str, key: str = FERNET_KEY
    ) -> str: ...


@pytest.fixture(scope="module")
def airflow(databases: Databases) -> Iterator[Airflow]:
    with airflow_forks.running(databases, *MODULES) as forks:

        def run(database: Database, code: str, *words: str, key: str = FERNET_KEY) -> str:
            done = forks.code(database, code, *words, **{KEY: key})
            assert done.returncode == 0, done.stderr
            return done.stdout.splitlines()[-1] if done.stdout else ""

        yield run


def shown_rows(database: Database) -> str:
    """What PostgreSQL itself says, as text."""
    letters = {True: "t", False: "f"}
    rows = [[letters.get(value, value) for value in row] for row in database.ask(DUMP)]
    return "\n".join("|".join(row) for row in rows)


def count(database: Database, key: str = FERNET_KEY, other: str = "") -> dict[str, dict[str, Any]]:
    done = database.run("fernet_rows", **{KEY: key, "OTHER_FERNET_KEY": other})
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def numbers(counts: Mapping[str, Mapping[str, Any]], which: str) -> dict[str, int]:
    return {table: one[which] for table, one in counts.items()}


@pytest.fixture
def encrypted(airflow: Airflow, databases: Databases) -> Database:
    """As Airflow writes with a key."""
    database = databases.new("encrypted")
    airflow(database, MAKE, "one")
    return database


@pytest.fixture
def clear(airflow: Airflow, databases: Databases) -> Database:
    """As Airflow writes without one."""
    database = databases.new("clear")
    airflow(database, MAKE, "one", key="")
    return database


def test_the_tables_are_those_that_airflow_encrypts(airflow: Airflow, encrypted: Database) -> None:
    tables = json.loads(airflow(encrypted, MODELS))
    assert sorted({column.table for column in script("fernet_rows").COLUMNS}) == tables


def test_rows_are_ciphertext_in_the_database(encrypted: Database) -> None:
    shown = shown_rows(encrypted)
    assert len(shown.splitlines()) == 4
    for line in shown.splitlines():
        first, is_first, second, is_second = line.split("|")
        assert (first[:5], is_first, second[:5], is_second) == ("gAAAA", "t", "gAAAA", "t")
    assert not [secret for secret in SECRETS if secret in shown]
    counts = count(encrypted)
    assert numbers(counts, "encrypted") == {"connection": 1, "variable": 2, "trigger": 1}
    assert numbers(counts, "clear") == dict.fromkeys(counts, 0)
    assert numbers(counts, "own") == numbers(counts, "encrypted")


class TestMigration:
    """What the Job of every deployment does about it."""

    def test_clear_text_is_encrypted_and_told(self, airflow: Airflow, clear: Database) -> None:
        shown = shown_rows(clear)
        assert all(secret in shown for secret in SECRETS)
        before = airflow(clear, READ)
        done = clear.run("prepare_database", **ACCOUNT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "clear text encrypted: 1 connections, 2 variables, 1 triggers" in done.stdout
        assert not [s for s in SECRETS if s in shown_rows(clear) + done.stdout]
        assert numbers(count(clear), "own") == {"connection": 1, "variable": 2, "trigger": 1}
        assert airflow(clear, READ) == before
        again = clear.run("prepare_database", **ACCOUNT)
        assert again.returncode == 0
        assert "encrypted" not in again.stdout

    def test_a_wrong_key_changes_nothing(self, encrypted: Database) -> None:
        encrypted.ask("update variable set is_encrypted = false, val = 'clear' where key = 'one'")
        before = shown_rows(encrypted)
        done = encrypted.run("prepare_database", **ACCOUNT, **{KEY: NEW_KEY})
        assert done.returncode == script("schema_versions").EXIT_CODE
        said = done.stdout.splitlines()[-1]
        assert "this key cannot read 1 of 1 connections, 1 of 1 variables, 1 of 1 triggers" in said
        assert said.startswith("nothing was changed: ")
        assert "Traceback" not in done.stderr
        assert NEW_KEY not in done.stdout + done.stderr
        assert shown_rows(encrypted) == before
        assert encrypted.ask("select count(*) from ab_user") == [(0,)]

    def test_one_row_that_nobody_reads_is_told_and_stops_nothing(
        self, airflow: Airflow, encrypted: Database
    ) -> None:
        airflow(encrypted, MAKE, "lost", key=LOST_KEY)
        done = encrypted.run("prepare_database", **ACCOUNT)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning: this Fernet key cannot read 1 of 2 connections: 3" in done.stdout


class TestRotation:
    """Under another key, while rows are read and written."""

    def encrypt(self, database: Database, key: str = BOTH) -> dict[str, Any]:
        done = database.run("fernet_rows", **{KEY: key, "FERNET_TASK": "encrypt"})
        assert done.returncode == 0, done.stderr
        assert not [
            text for text in (*SECRETS, *key.split(",")) if text in done.stdout + done.stderr
        ]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def test_the_new_key_reads_all_and_the_old_one_nothing(
        self, airflow: Airflow, encrypted: Database
    ) -> None:
        before = airflow(encrypted, READ)
        # As Airflow of before has written some, and that without a key one.
        encrypted.ask(
            "insert into trigger (classpath, kwargs, created_date) values ('x.Y', '{}', now())"
        )
        work = self.encrypt(encrypted)
        assert work["anew"] == {"connection": 1, "variable": 2, "trigger": 1}
        assert work["encrypted"] == {"trigger": 1}
        counts = count(encrypted, NEW_KEY, FERNET_KEY)
        assert numbers(counts, "own") == {"connection": 1, "variable": 2, "trigger": 2}
        assert numbers(counts, "own") == numbers(counts, "encrypted")
        assert numbers(counts, "other") == dict.fromkeys(counts, 0)
        encrypted.ask("delete from trigger where id = (select max(id) from trigger)")
        assert airflow(encrypted, READ, key=NEW_KEY) == before
        assert self.encrypt(encrypted)["anew"] == {}

    def test_what_no_key_reads_is_counted_and_left(
        self, airflow: Airflow, encrypted: Database
    ) -> None:
        airflow(encrypted, MAKE, "lost", key=LOST_KEY)
        lost = encrypted.ask("select password from connection where conn_id = 'lost'")
        assert self.encrypt(encrypted)["unreadable"] == {
            "connection": 1,
            "variable": 2,
            "trigger": 1,
        }
        assert encrypted.ask("select password from connection where conn_id = 'lost'") == lost
        assert count(encrypted, NEW_KEY)["connection"]["unreadable"] == ["3"]

    def test_killed_in_the_middle_it_goes_on(self, encrypted: Database) -> None:
        """Both keys read everything at any moment, and rows that were done are not done again."""
        total = 3000
        encrypted.ask(
            "insert into variable (key, val, is_encrypted) select 'v' || n, val, true "
            f"from variable, generate_series(1, {total}) n where key = 'one'"
        )
        kills = 0
        while True:
            process = subprocess.Popen(
                [airflow_database.python(), str(SCRIPTS / "fernet_rows.py")],
                env={**encrypted.settings, KEY: BOTH, "FERNET_TASK": "encrypt"},
                stdout=subprocess.PIPE,
            )
            before = self.done(encrypted)
            while process.poll() is None and self.done(encrypted) < before + 600:
                time.sleep(0.005)
            if process.poll() is not None:
                break
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            assert numbers(count(encrypted, BOTH), "own")["variable"] == total + 2
        assert kills >= 2
        assert process.returncode == 0
        counts = count(encrypted, NEW_KEY, FERNET_KEY)
        assert numbers(counts, "own") == {"connection": 1, "variable": total + 2, "trigger": 1}
        assert numbers(counts, "other") == {"connection": 0, "variable": 0, "trigger": 0}

    def done(self, database: Database) -> int:
        """Rows that were written since they were made."""
        (found,) = database.ask("select count(distinct val) from variable")
        return int(found[0])

    def test_somebody_elses_change_wins(self, airflow: Airflow, encrypted: Database) -> None:
        """A row that changes between the look and the writing keeps the change, and is looked at again."""
        rows = script("fernet_rows")
        connection = encrypted.connection()
        connection.autocommit = False
        try:
            column = next(one for one in rows.COLUMNS if one.table == "variable")
            (row,) = [r for r in rows.rows(connection, column) if r[1] == self.value(encrypted)]
            encrypted.ask(
                "update variable set val = 'changed', is_encrypted = false where key = 'one'"
            )
            work = rows.Work()
            with connection.cursor() as cursor:
                rows._encrypt(cursor, rows.Reader(BOTH), work, column, row, False)
            connection.commit()
            assert (work.missed, self.value(encrypted)) == (1, "changed")
        finally:
            connection.close()
        self.encrypt(encrypted)
        assert "'changed'" in airflow(encrypted, READ, key=NEW_KEY)

    def value(self, database: Database) -> str:
        return str(database.ask("select val from variable where key = 'one'")[0][0])
