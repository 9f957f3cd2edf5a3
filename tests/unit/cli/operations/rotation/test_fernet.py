"""A rotation of the Fernet key on a real database: what every pod of the moment writes, every other one reads, and
whoever is killed at any step is followed by somebody who ends it.
"""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from cli.base.errors import KitError, UserError
from cli.operations.rotation import fernet
from tests.unit.cli.operations.rotation.on_disk import OnDisk, in_a_process
from tests.unit.images import airflow_database
from tests.unit.images.airflow_database import Database
from tests.unit.images.loading import script

ROWS = script("fernet_rows")
STEPS = [
    "under_way",
    "begin",
    "configure",
    "deploy",
    "configure",
    "deploy",
    "encrypt",
    "retire",
    "configure",
    "deploy",
    "count",
    "end",
]


@dataclass
class Encrypted(OnDisk):
    """With a real database and pods that are sets of keys."""

    database: Database = field(kw_only=True)

    def configured(self) -> str:
        return str(self.state()["keys"])

    def deployed(self) -> str:
        return str(self.state()["deployed"])

    def configure(self, keys: str) -> None:
        self.called("configure")
        self.write(keys=keys)

    def retire(self, old: str) -> None:
        self.called("retire")
        self.write(retired=old)

    def deploy(self, number: int) -> None:
        self.called("deploy")
        # In a rollout there are pods of before and pods of now: both write, both read.
        pods = (self.deployed(), self.configured())
        for keys in pods:
            self.add_row(keys)
        for keys in pods:
            for table, one in self.counted(keys).items():
                assert one["own"] == one["encrypted"], f"step {number}: {table} is not readable"
        self.write(deployed=self.configured())

    def encrypt(self) -> Mapping[str, Any]:
        self.called("encrypt")
        connection = self.database.connection()
        connection.autocommit = False
        try:
            return asdict(ROWS.encrypt_all(connection, self.deployed()))
        finally:
            connection.close()

    def count(self, other: str = "") -> Mapping[str, Mapping[str, Any]]:
        if other:
            self.called("count")
        return self.counted(self.deployed(), other)

    def counted(self, own: str, other: str = "") -> dict[str, dict[str, Any]]:
        connection = self.database.connection()
        try:
            return {table: asdict(one) for table, one in ROWS.count(connection, own, other).items()}
        finally:
            connection.close()

    def add_row(self, keys: str, text: str = "a value") -> None:
        value = ROWS.Reader(keys).write(text.encode())
        name = f"v{os.urandom(6).hex()}"
        self.database.insert("variable", key=name, val=value, is_encrypted=True)

    def make(self) -> str:
        return Fernet.generate_key().decode()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as databases:
        yield databases.new("rotated")


@pytest.fixture
def installation(tmp_path: Path, database: Database) -> Encrypted:
    database.ask("delete from variable")
    database.ask("delete from connection")
    key = Fernet.generate_key().decode()
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"keys": key, "deployed": key}))
    it = Encrypted(file, database=database)
    it.add_row(key)
    secret = ROWS.Reader(key).write(b"a password")
    database.insert(
        "connection", conn_id="crm", conn_type="http", password=secret, is_encrypted=True
    )
    return it


def rotated(installation: Encrypted) -> fernet.Rotated:
    return fernet.rotate(installation, lambda _: None)


def test_the_new_key_reads_all_and_the_old_one_none(installation: Encrypted) -> None:
    old = installation.configured()
    done = rotated(installation)
    assert installation.calls == STEPS
    state = installation.state()
    assert (state["retired"], state["record"]) == (old, None)
    assert state["keys"] == state["deployed"] != old
    assert "," not in state["keys"]
    assert (done.resumed, done.old_reads) == (False, 0)
    assert done.rows == {"connection": 1, "variable": done.encrypted["variable"] + 3}
    counts = installation.counted(state["keys"], old)
    assert {(one["own"], one["other"]) for one in counts.values()} == {
        (number, 0) for number in done.rows.values()
    }


def test_killed_at_any_step_it_is_ended_by_the_next(installation: Encrypted) -> None:
    for step in range(1, len(STEPS) + 1):
        old = installation.configured()
        killed = Encrypted(installation.file, database=installation.database, kill_at=step)
        assert in_a_process(lambda it=killed: rotated(it)) == -signal.SIGKILL, STEPS[step - 1]
        done = rotated(Encrypted(installation.file, database=installation.database))
        state = installation.state()
        assert state["record"] is None, STEPS[step - 1]
        assert state["keys"] == state["deployed"] != old
        assert done.resumed == (step > 2)
        counts = installation.counted(state["keys"], old)
        assert all((one["own"], one["other"]) == (one["encrypted"], 0) for one in counts.values())


def test_several_old_keys_are_all_taken_away(installation: Encrypted) -> None:
    """Somebody has begun a rotation by hand."""
    first = installation.configured()
    second = installation.make()
    installation.write(keys=f"{second},{first}", deployed=f"{second},{first}")
    installation.add_row(second)
    done = rotated(installation)
    assert "," not in installation.configured()
    assert (
        done.rows["variable"] == installation.counted(installation.configured())["variable"]["own"]
    )
    for old in (first, second):
        assert installation.counted(old)["variable"]["own"] == 0


class TestRefused:
    """Before anything is changed."""

    def test_rows_that_no_key_reads(self, installation: Encrypted) -> None:
        installation.add_row(installation.make())
        before = installation.state()
        with pytest.raises(UserError, match="cannot be read") as refused:
            rotated(installation)
        number = installation.database.ask("select max(id) from variable")[0][0]
        assert f"variable {number}" in refused.value.detail
        assert installation.state() == before

    def test_a_key_that_somebody_has_set_meanwhile(self, installation: Encrypted) -> None:
        killed = Encrypted(installation.file, database=installation.database, kill_at=5)
        assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
        installation.write(keys=installation.make())
        before = installation.state()
        with pytest.raises(UserError, match="was changed while its rotation was under way"):
            rotated(installation)
        assert installation.state() == before


def test_rows_under_the_old_key_are_no_success(installation: Encrypted) -> None:
    """Whatever the reason: what cannot be proved is not reported as done, and stays under way."""

    class Forgetful(Encrypted):
        def encrypt(self) -> Mapping[str, Any]:
            return {"anew": {}, "encrypted": {}}

        def deploy(self, number: int) -> None:
            self.write(deployed=self.configured())

    forgetful = Forgetful(installation.file, database=installation.database)
    with pytest.raises(KitError, match="not complete") as failed:
        rotated(forgetful)
    assert "connection: 1 encrypted, 0 read by the new key, 1 by the old one" in failed.value.detail
    assert installation.state()["record"]


@pytest.mark.parametrize("days", [0, 90])
def test_a_record_that_came_back_with_an_old_configuration_is_no_rotation(
    installation: Encrypted, days: int
) -> None:
    """A fresh checkout has the configuration of the last deployment, which was the rotation's third."""
    killed = Encrypted(installation.file, database=installation.database, kill_at=len(STEPS))
    assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
    key = installation.configured()
    installation.age_record(days)
    done = rotated(installation)
    assert done.resumed == (days == 0)
    assert (installation.configured() == key) == (days == 0)
