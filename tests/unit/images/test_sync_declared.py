"""Pools, variables and connections as declared: real Airflow's models on a real PostgreSQL."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.charts.rendering import Object, render
from tests.unit.images import airflow_database
from tests.unit.images.airflow_database import FERNET_KEY, Database, Databases
from tests.unit.images.loading import SCRIPTS

PASSWORD = "pässword-7d1a"
EXTRA_TOKEN = "tok-5e11c0de"
SECRETS = {"crm/password": PASSWORD, "my-declared/crm-extra": json.dumps({"token": EXTRA_TOKEN})}

ALL: Object = {
    "secrets": {"declared": "my-declared"},
    "pools": {"heavy": {"slots": 4, "description": "few at once"}},
    "variables": {
        "colour": "blue",
        "limits": {"json": {"rows": 5}, "description": "of a query"},
        "greeting": {"secret": {"name": "crm", "key": "password"}},
    },
    "connections": {
        "crm": {
            "type": "http",
            "host": "crm.example",
            "port": 443,
            "login": "kit",
            "extra": {"timeout": 30},
            "password": {"secret": {"name": "crm", "key": "password"}},
            "secretExtra": {"config": "crm-extra"},
        },
        "plain": {"type": "postgres", "host": "db"},
    },
}
NAMES = ["pool heavy", "variable colour", "variable greeting", "variable limits"]
NAMES += ["connection crm", "connection plain"]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as found:
        yield found


_number = iter(range(100))


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.new(f"db{next(_number)}")


def job(declared: Object) -> tuple[str, dict[str, dict[str, str]]]:
    """What the chart gives the migration Job: the file, and the Secrets' keys by variable."""
    rendered = render(declared)
    assert rendered.error == ""
    (pod,) = [one for name, one in rendered.pod_specs() if name.startswith("airflow-migrate")]
    items = pod["containers"][0]["env"]
    keys = {
        item["name"]: item["valueFrom"]["secretKeyRef"]
        for item in items
        if item["name"].startswith("DECLARED_") and "valueFrom" in item
    }
    return rendered.find("ConfigMap", "airflow-declared")["data"]["declared.json"], keys


def run(
    database: Database, tmp_path: Path, declared: Object, secrets: dict[str, str] = SECRETS
) -> "subprocess.CompletedProcess[str]":
    text, keys = job(declared)
    file = tmp_path / "declared.json"
    file.write_text(text)
    values = {
        variable: secrets[name]
        for variable, key in keys.items()
        if (name := f"{key['name']}/{key['key']}") in secrets
    }
    return database.run("sync_declared", DECLARED_FILE=str(file), **values)


def sync(
    database: Database, tmp_path: Path, declared: Object, secrets: dict[str, str] = SECRETS
) -> dict[str, list[str]]:
    """What was done, without what was not."""
    done = run(database, tmp_path, declared, secrets)
    assert done.returncode == 0, done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert EXTRA_TOKEN not in done.stdout + done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return {key: names for key, names in found.items() if names}


def decrypted(text: str) -> str:
    return Fernet(FERNET_KEY).decrypt(text.encode()).decode()


def connection(database: Database, name: str) -> dict[str, Any]:
    (row,) = database.ask("select row_to_json(c) from connection c where conn_id = %s", name)
    found: dict[str, Any] = row[0]
    return found


def test_what_is_declared_is_made_and_its_secrets_are_encrypted(
    database: Database, tmp_path: Path
) -> None:
    assert sync(database, tmp_path, ALL) == {"created": NAMES}
    pool = "select slots, description, include_deferred from slot_pool where pool = 'heavy'"
    assert database.ask(pool) == [(4, "few at once", False)]
    values = dict(database.ask("select key, val from variable"))
    assert {key: decrypted(value) for key, value in values.items()} == {
        "colour": "blue",
        "limits": '{"rows": 5}',
        "greeting": PASSWORD,
    }
    crm = connection(database, "crm")
    assert (crm["conn_type"], crm["host"], crm["port"], crm["login"]) == (
        "http",
        "crm.example",
        443,
        "kit",
    )
    assert crm["is_encrypted"]
    assert decrypted(crm["password"]) == PASSWORD
    assert json.loads(decrypted(crm["extra"])) == {"timeout": 30, "token": EXTRA_TOKEN}
    plain = connection(database, "plain")
    assert (plain["password"], plain["extra"]) == (None, None)
    assert sync(database, tmp_path, ALL) == {}


def test_what_people_made_stays_and_what_is_no_longer_declared_goes(
    database: Database, tmp_path: Path
) -> None:
    database.insert("slot_pool", pool="theirs", slots=9)
    database.insert("connection", conn_id="theirs", conn_type="http")
    database.insert("variable", key="theirs", val="x")
    sync(database, tmp_path, ALL)
    fewer = {**ALL, "pools": {}, "variables": {}, "connections": {}}
    assert sync(database, tmp_path, fewer) == {"removed": NAMES}
    assert database.ask("select conn_id from connection") == [("theirs",)]
    assert database.ask("select key from variable") == [("theirs",)]
    left = [row[0] for row in database.ask("select pool from slot_pool order by 1")]
    assert left == ["default_pool", "theirs"]


def test_a_change_by_hand_is_taken_back_and_named_without_its_value(
    database: Database, tmp_path: Path
) -> None:
    sync(database, tmp_path, ALL)
    database.ask("update slot_pool set slots = 99 where pool = 'heavy'")
    database.ask(
        "update connection set host = 'elsewhere', password = 'x', is_encrypted = false where conn_id = 'crm'"
    )
    database.ask("delete from variable where key = 'colour'")
    assert sync(database, tmp_path, ALL) == {
        "drift": ["pool heavy (slots)", "variable colour", "connection crm (host, password)"]
    }
    assert decrypted(connection(database, "crm")["password"]) == PASSWORD
    assert sync(database, tmp_path, ALL) == {}


def test_a_changed_declaration_and_a_changed_secret_are_no_drift(
    database: Database, tmp_path: Path
) -> None:
    sync(database, tmp_path, ALL)
    changed = {**ALL, "pools": {"heavy": {"slots": 5}}}
    found = sync(database, tmp_path, changed, {**SECRETS, "crm/password": "another"})
    assert found == {
        "changed": [
            "pool heavy (description, slots)",
            "variable greeting (value)",
            "connection crm (password)",
        ]
    }
    assert decrypted(connection(database, "crm")["password"]) == "another"


def test_a_password_that_is_no_longer_declared_goes(database: Database, tmp_path: Path) -> None:
    sync(database, tmp_path, ALL)
    bare = {**ALL, "connections": {"crm": {"type": "http"}}}
    sync(database, tmp_path, bare)
    crm = connection(database, "crm")
    assert (crm["password"], crm["extra"], crm["host"], crm["port"]) == (None, None, None, None)


def test_what_was_there_by_hand_is_taken_over_when_it_is_declared(
    database: Database, tmp_path: Path
) -> None:
    database.insert("slot_pool", pool="heavy", slots=1)
    pools = {"pools": {"heavy": {"slots": 4}}}
    assert sync(database, tmp_path, pools) == {"taken_over": ["pool heavy"]}
    assert database.ask("select slots from slot_pool where pool = 'heavy'") == [(4,)]


def test_pruning_takes_all_of_a_kind_that_is_not_declared(
    database: Database, tmp_path: Path
) -> None:
    database.insert("slot_pool", pool="theirs", slots=9)
    database.insert("variable", key="theirs", val="x")
    asked = {"pools": {"heavy": {"slots": 4}}, "prune": ["pools"]}
    found = sync(database, tmp_path, asked)
    # Airflow cannot do without its default pool.
    assert found["removed"] == ["pool theirs"]
    assert database.ask("select key from variable") == [("theirs",)]


def test_the_default_pool_can_be_declared_and_becomes_airflows_again(
    database: Database, tmp_path: Path
) -> None:
    sync(database, tmp_path, {"pools": {"default_pool": {"slots": 7}}})
    slots = "select slots from slot_pool where pool = 'default_pool'"
    assert database.ask(slots) == [(7,)]
    sync(database, tmp_path, {})
    assert database.ask(slots) == [(128,)]


def test_a_secret_that_is_not_there_ends_it_and_nothing_is_changed(
    database: Database, tmp_path: Path
) -> None:
    done = run(database, tmp_path, ALL, {"my-declared/crm-extra": "{}"})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "variables.greeting: password of the Secret crm is not there; nothing was changed"
    )
    assert database.ask("select count(*) from slot_pool where pool = 'heavy'") == [(0,)]


def test_where_secrets_may_be_missing_only_what_needs_them_is_left_out(
    database: Database, tmp_path: Path
) -> None:
    found = sync(database, tmp_path, {**ALL, "missingSecrets": "leaveOut"}, {})
    assert len(found["left_out"]) == 2
    assert found["created"] == [
        "pool heavy",
        "variable colour",
        "variable limits",
        "connection plain",
    ]


def test_an_extra_that_is_no_object_is_refused_without_being_shown(
    database: Database, tmp_path: Path
) -> None:
    done = run(database, tmp_path, ALL, {**SECRETS, "my-declared/crm-extra": f'"{EXTRA_TOKEN}"'})
    assert done.returncode == 1
    assert "connections.crm: its secretExtra is no JSON object" in done.stderr
    assert EXTRA_TOKEN not in done.stdout + done.stderr


def test_what_another_key_encrypted_is_written_anew(database: Database, tmp_path: Path) -> None:
    sync(database, tmp_path, ALL)
    foreign = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    database.ask("update connection set password = %s where conn_id = 'crm'", foreign)
    database.ask("update variable set val = %s where key = 'colour'", foreign)
    # Of somebody else: it can be neither read nor, for that, be in the way.
    theirs = {"conn_type": "http", "password": foreign, "is_encrypted": True}
    database.insert("connection", conn_id="theirs", **theirs)
    found = sync(database, tmp_path, ALL)
    assert found == {"drift": ["variable colour (value)", "connection crm (password)"]}
    assert sync(database, tmp_path, ALL) == {}


RESTORE = """
import io, os, sys
sys.path.insert(0, {scripts!r})
import database_copy, restore_database
from backup_database import fingerprint
from wait_for_schema import connect
key = os.environ["AIRFLOW__CORE__FERNET_KEY"]
about = {{"environment": "prod", "airflow": "3", "fernet": fingerprint(key)}}
backup = io.BytesIO()
database_copy.dump(connect(), backup, about)
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = os.environ["TARGET"]
backup.seek(0)
restore_database.load(connect(), database_copy.Backup(backup), key, "")
"""


def test_a_backup_holds_what_the_kit_made_so_a_restore_knows_it(
    databases: Databases, database: Database, tmp_path: Path
) -> None:
    sync(database, tmp_path, ALL)
    # Nothing was ever declared there: it has no record.
    target = databases.new("restored")
    done = subprocess.run(
        [airflow_database.python(), "-c", RESTORE.format(scripts=str(SCRIPTS))],
        env={**database.settings, "TARGET": target.url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sync(target, tmp_path, ALL) == {}
    assert sync(target, tmp_path, {}) == {"removed": NAMES}
