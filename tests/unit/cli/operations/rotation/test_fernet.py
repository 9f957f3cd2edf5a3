"""A rotation of the Fernet key on a real database: what every pod of the moment writes, every other one reads, and
whoever is killed at any step is followed by somebody who ends it.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from cli.base.errors import KitError, UserError
from cli.operations.rotation import fernet
from cli.stack.rotation import Rotation
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
class OnDisk:
    """An environment whose configuration is a file, with a real database and pods that are sets of keys."""

    file: Path
    database: Database
    kill_at: int = 0
    """The call at whose beginning the process dies; 0: none."""

    calls: list[str] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def _write(self, **changes: Any) -> None:
        self.file.write_text(json.dumps({**self.state(), **changes}))

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def configured(self) -> str:
        return str(self.state()["keys"])

    def deployed(self) -> str:
        return str(self.state()["deployed"])

    def under_way(self) -> Rotation | None:
        self._called("under_way")
        record = self.state().get("record")
        return Rotation(**record) if record else None

    def begin(self, begun: Rotation) -> None:
        self._called("begin")
        self._write(record=asdict(begun))

    def configure(self, keys: str) -> None:
        self._called("configure")
        self._write(keys=keys)

    def retire(self, old: str) -> None:
        self._called("retire")
        self._write(retired=old)

    def deploy(self, number: int) -> None:
        self._called("deploy")
        # In a rollout there are pods of before and pods of now: both write, both read.
        pods = (self.deployed(), self.configured())
        for keys in pods:
            self.write(keys)
        for keys in pods:
            for table, one in self.counted(keys).items():
                assert one["own"] == one["encrypted"], f"step {number}: {table} is not readable"
        self._write(deployed=self.configured())

    def encrypt(self) -> Mapping[str, Any]:
        self._called("encrypt")
        connection = self.database.connection()
        connection.autocommit = False
        try:
            return asdict(ROWS.encrypt_all(connection, self.deployed()))
        finally:
            connection.close()

    def count(self, other: str = "") -> Mapping[str, Mapping[str, Any]]:
        if other:
            self._called("count")
        return self.counted(self.deployed(), other)

    def counted(self, own: str, other: str = "") -> dict[str, dict[str, Any]]:
        connection = self.database.connection()
        try:
            return {table: asdict(one) for table, one in ROWS.count(connection, own, other).items()}
        finally:
            connection.close()

    def write(self, keys: str, text: str = "a value") -> None:
        value = ROWS.Reader(keys).write(text.encode())
        name = f"v{os.urandom(6).hex()}"
        self.database.insert("variable", key=name, val=value, is_encrypted=True)

    def end(self) -> None:
        self._called("end")
        self._write(record=None)

    def make(self) -> str:
        return Fernet.generate_key().decode()

    def today(self) -> date:
        return datetime.now(UTC).date()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as databases:
        yield databases.new("rotated")


@pytest.fixture
def installation(tmp_path: Path, database: Database) -> OnDisk:
    database.ask("delete from variable")
    database.ask("delete from connection")
    key = Fernet.generate_key().decode()
    file = tmp_path / "state.json"
    file.write_text(json.dumps({"keys": key, "deployed": key}))
    it = OnDisk(file, database)
    it.write(key)
    secret = ROWS.Reader(key).write(b"a password")
    database.insert(
        "connection", conn_id="crm", conn_type="http", password=secret, is_encrypted=True
    )
    return it


def in_a_process(work: Callable[[], object]) -> int:
    """The status with which it ended: a signal is negative."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def rotated(installation: OnDisk) -> fernet.Rotated:
    return fernet.rotate(installation, lambda _: None)


def test_the_new_key_reads_all_and_the_old_one_none(installation: OnDisk) -> None:
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


def test_killed_at_any_step_it_is_ended_by_the_next(installation: OnDisk) -> None:
    for step in range(1, len(STEPS) + 1):
        old = installation.configured()
        killed = OnDisk(installation.file, installation.database, kill_at=step)
        assert in_a_process(lambda it=killed: rotated(it)) == -signal.SIGKILL, STEPS[step - 1]
        done = rotated(OnDisk(installation.file, installation.database))
        state = installation.state()
        assert state["record"] is None, STEPS[step - 1]
        assert state["keys"] == state["deployed"] != old
        assert done.resumed == (step > 2)
        counts = installation.counted(state["keys"], old)
        assert all((one["own"], one["other"]) == (one["encrypted"], 0) for one in counts.values())


def test_several_old_keys_are_all_taken_away(installation: OnDisk) -> None:
    """Somebody has begun a rotation by hand."""
    first = installation.configured()
    second = installation.make()
    installation._write(keys=f"{second},{first}", deployed=f"{second},{first}")
    installation.write(second)
    done = rotated(installation)
    assert "," not in installation.configured()
    assert (
        done.rows["variable"] == installation.counted(installation.configured())["variable"]["own"]
    )
    for old in (first, second):
        assert installation.counted(old)["variable"]["own"] == 0


class TestRefused:
    """Before anything is changed."""

    def test_rows_that_no_key_reads(self, installation: OnDisk) -> None:
        installation.write(installation.make())
        before = installation.state()
        with pytest.raises(UserError, match="cannot be read") as refused:
            rotated(installation)
        number = installation.database.ask("select max(id) from variable")[0][0]
        assert f"variable {number}" in refused.value.detail
        assert installation.state() == before

    def test_a_key_that_somebody_has_set_meanwhile(self, installation: OnDisk) -> None:
        killed = OnDisk(installation.file, installation.database, kill_at=5)
        assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
        installation._write(keys=installation.make())
        before = installation.state()
        with pytest.raises(UserError, match="was changed while its rotation was under way"):
            rotated(installation)
        assert installation.state() == before


def test_rows_under_the_old_key_are_no_success(installation: OnDisk) -> None:
    """Whatever the reason: what cannot be proved is not reported as done, and stays under way."""

    class Forgetful(OnDisk):
        def encrypt(self) -> Mapping[str, Any]:
            return {"anew": {}, "encrypted": {}}

        def deploy(self, number: int) -> None:
            self._write(deployed=self.configured())

    forgetful = Forgetful(installation.file, installation.database)
    with pytest.raises(KitError, match="not complete") as failed:
        rotated(forgetful)
    assert "connection: 1 encrypted, 0 read by the new key, 1 by the old one" in failed.value.detail
    assert installation.state()["record"]


@pytest.mark.parametrize("days", [0, 90])
def test_a_record_that_came_back_with_an_old_configuration_is_no_rotation(
    installation: OnDisk, days: int
) -> None:
    """A fresh checkout has the configuration of the last deployment, which was the rotation's third."""
    killed = OnDisk(installation.file, installation.database, kill_at=len(STEPS))
    assert in_a_process(lambda: rotated(killed)) == -signal.SIGKILL
    record, key = installation.state()["record"], installation.configured()
    began = datetime.now(UTC) - timedelta(days=days)
    installation._write(record={**record, "began": began.strftime("%Y-%m-%dT%H:%M:%SZ")})
    done = rotated(installation)
    assert done.resumed == (days == 0)
    assert (installation.configured() == key) == (days == 0)
