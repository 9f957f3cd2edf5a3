"""Waiting for the server that a branch's database is to be made in; the rest is tried in real servers,
`test_branch_database_in_postgresql.py`."""

import sys
from types import ModuleType
from typing import Any

import pytest

from tests.unit.images.loading import script

NAME = "airflow_dev_x"
ADMIN_URL = "postgresql+psycopg2://airflow:s3cret@db:5432/airflow"


class Server:
    """A server in which nothing is there."""

    autocommit = False

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def fetchone(self) -> None:
        return None

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> None:
        assert statement.startswith("select")


class Driver(ModuleType):
    """psycopg2 that is refused so many times."""

    class OperationalError(Exception):
        pass

    def __init__(self, refusals: int) -> None:
        super().__init__("psycopg2")
        self.refusals = refusals
        self.urls: list[str] = []
        self.sql = ModuleType("psycopg2.sql")
        vars(self.sql).update(SQL=str, Identifier=str)

    def connect(self, url: str, **_: Any) -> Server:
        self.urls.append(url)
        if self.refusals:
            self.refusals -= 1
            raise self.OperationalError("connection refused")
        return Server()


@pytest.fixture
def branch_database(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("wait_for_schema") and script("branch_database")
    monkeypatch.setattr(module, "INTERVAL", 0.001)
    monkeypatch.setenv("ADMIN_CONNECTION", ADMIN_URL)
    monkeypatch.delenv("DATABASE_PASSWORD", raising=False)
    monkeypatch.setenv("WAIT_SECONDS", "5")
    return module


def install(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.setitem(sys.modules, "psycopg2", driver)
    monkeypatch.setitem(sys.modules, "psycopg2.sql", driver.sql)
    return driver


def test_a_server_that_is_just_starting_is_waited_for(
    branch_database: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = install(Driver(refusals=3), monkeypatch)
    assert branch_database.main(["drop", NAME]) == 0
    assert driver.urls == ["postgresql://airflow:s3cret@db:5432/airflow"] * 4


def test_a_server_that_never_answers_ends_with_the_reason(
    branch_database: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(Driver(refusals=10**6), monkeypatch)
    monkeypatch.setenv("WAIT_SECONDS", "0.01")
    with pytest.raises(SystemExit, match="does not answer: connection refused"):
        branch_database.main(["drop", NAME])
