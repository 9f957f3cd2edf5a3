"""Making and dropping a branch's database, against a server of a few statements."""

import re
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from tests.unit.images.loading import script

NAME = "airflow_dev_x"
PASSWORD = "pass'word"
ADMIN_URL = "postgresql+psycopg2://airflow:s3cret@db:5432/airflow"


class Text(str):
    """psycopg2.sql.SQL, as far as the script goes."""

    def format(self, *names: object, **_: object) -> str:
        parts = self.split("{}")
        assert len(parts) == len(names) + 1
        return parts[0] + "".join(f'"{n}"{part}' for n, part in zip(names, parts[1:], strict=True))


@dataclass
class Server:
    """What PostgreSQL remembers: users with what they were told, databases with their owners."""

    users: dict[str, tuple[Any, ...]] = field(default_factory=lambda: {"airflow": ()})
    databases: dict[str, str] = field(default_factory=lambda: {"airflow": "airflow"})
    closed: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    statements: list[str] = field(default_factory=list)
    autocommit = False
    _row: tuple[Any, ...] | None = None

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._row

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        assert self.autocommit, "CREATE DATABASE in a transaction"
        self.statements.append(statement)
        words = re.findall(r'"([^"]+)"', statement)
        match statement.split()[:2]:
            case ["select", _] if "pg_roles" in statement:
                self._found(parameters[0] in self.users)
            case ["select", _] if "pg_database" in statement:
                self._found(parameters[0] in self.databases)
            case ["select", "current_database()"]:
                self._row = ("airflow",)
            case ["select", _]:
                assert "pg_advisory_lock" in statement
            case ["create", "role"]:
                assert words[0] not in self.users
                self.users[words[0]] = ()
            case ["alter", "role"]:
                assert words[0] in self.users
                self.users[words[0]] = parameters
            case ["grant", _]:
                self.members.add(words[0])
            case ["create", "database"]:
                name, owner = words
                assert name not in self.databases
                assert owner in self.members, "must be a member of the owner"
                self.databases[name] = owner
            case ["revoke", _]:
                self.closed.add(words[0])
            case ["drop", "database"]:
                del self.databases[words[0]]
            case ["drop", "role"]:
                assert words[0] not in self.databases.values(), "owns a database"
                del self.users[words[0]]
            case _:
                raise AssertionError(statement)

    def _found(self, there: bool) -> None:
        self._row = (1,) if there else None


class Driver(ModuleType):
    """psycopg2, which the kit's own environment does not have."""

    class OperationalError(Exception):
        pass

    def __init__(self, server: Server, refusals: int = 0) -> None:
        super().__init__("psycopg2")
        self.server = server
        self.refusals = refusals
        self.urls: list[str] = []
        self.sql = ModuleType("psycopg2.sql")
        vars(self.sql).update(SQL=Text, Identifier=str)
        self.extensions = ModuleType("psycopg2.extensions")
        vars(self.extensions)["encrypt_password"] = lambda *_: "SCRAM-SHA-256$..."

    def connect(self, url: str, **_: Any) -> Server:
        self.urls.append(url)
        if self.refusals:
            self.refusals -= 1
            raise self.OperationalError("connection refused")
        return self.server


@pytest.fixture
def branch_database(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("wait_for_schema") and script("branch_database")
    monkeypatch.setattr(module, "INTERVAL", 0.001)
    monkeypatch.setenv("ADMIN_CONNECTION", ADMIN_URL)
    monkeypatch.setenv("DATABASE_PASSWORD", PASSWORD)
    monkeypatch.setenv("WAIT_SECONDS", "5")
    return module


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server()
    install(Driver(made), monkeypatch)
    return made


def install(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", driver)
    monkeypatch.setitem(sys.modules, "psycopg2.sql", driver.sql)
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", driver.extensions)


def test_a_user_and_a_database_that_nobody_else_gets_into(
    branch_database: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert branch_database.main(["create", NAME]) == 0
    assert server.databases[NAME] == NAME
    assert server.closed == {NAME, "airflow"}
    assert capsys.readouterr().out == f"{NAME}: user and database made\n"


def test_the_password_reaches_the_server_as_a_hash(
    branch_database: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    branch_database.main(["create", NAME])
    assert server.users[NAME] == (branch_database.CONNECTIONS, "SCRAM-SHA-256$...")
    assert PASSWORD not in "".join(server.statements)
    assert PASSWORD not in capsys.readouterr().out


def test_making_it_again_changes_nothing_but_the_password(
    branch_database: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    branch_database.main(["create", NAME])
    before = dict(server.databases)
    assert branch_database.main(["create", NAME]) == 0
    assert server.databases == before
    assert capsys.readouterr().out.endswith(f"{NAME}: nothing made\n")


def test_a_making_that_was_killed_half_way_is_finished(
    branch_database: ModuleType, server: Server
) -> None:
    server.users[NAME] = ()
    branch_database.main(["create", NAME])
    assert server.databases[NAME] == NAME


def test_dropping_leaves_nothing_and_touches_nothing_else(
    branch_database: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    branch_database.main(["create", NAME])
    branch_database.main(["create", "airflow_dev_y"])
    capsys.readouterr()
    assert branch_database.main(["drop", NAME]) == 0
    assert server.databases.keys() == server.users.keys() == {"airflow", "airflow_dev_y"}
    assert capsys.readouterr().out == f"{NAME}: database and user dropped\n"


def test_whoever_is_still_connected_does_not_keep_it(
    branch_database: ModuleType, server: Server
) -> None:
    branch_database.main(["create", NAME])
    branch_database.main(["drop", NAME])
    assert f'drop database "{NAME}" with (force)' in server.statements


def test_dropping_what_is_gone_is_no_error(
    branch_database: ModuleType, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert branch_database.main(["drop", NAME]) == 0
    assert capsys.readouterr().out == f"{NAME}: nothing dropped\n"


def test_dropping_needs_no_password_of_the_branch(
    branch_database: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_PASSWORD")
    assert branch_database.main(["drop", NAME]) == 0


def test_a_server_that_is_just_starting_is_waited_for(
    branch_database: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Driver(server, refusals=3)
    install(driver, monkeypatch)
    assert branch_database.main(["create", NAME]) == 0
    assert driver.urls == ["postgresql://airflow:s3cret@db:5432/airflow"] * 4


def test_a_server_that_never_answers_ends_with_the_reason(
    branch_database: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(Driver(server, refusals=10**6), monkeypatch)
    monkeypatch.setenv("WAIT_SECONDS", "0.01")
    with pytest.raises(SystemExit, match="does not answer: connection refused"):
        branch_database.main(["drop", NAME])
