"""Databases of the image's own Airflow, or of the minor version before it: its real schema in a real PostgreSQL, and
its code run against them.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from cli.base.paths import cache_dir
from cli.operations.dags import check
from tests.unit.images import postgresql
from tests.unit.images.loading import SCRIPTS
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server

PREVIOUS = Path(__file__).parent / "previous_airflow" / "requirements.txt"
"""The lock of the newest Airflow of the minor version before the image's."""

FERNET_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
TEMPLATE = "airflow"

REQUIRED = """
    select column_name, data_type from information_schema.columns
    where table_schema = 'public' and table_name = %s and is_nullable = 'NO'
      and column_default is null and is_identity = 'NO' and is_generated = 'NEVER'"""

FILLERS: Mapping[str, str] = {
    "boolean": "false",
    "bytea": "''",
    "double precision": "0",
    "integer": "0",
    "json": "'{}'",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "uuid": "gen_random_uuid()",
}


def settings(url: str, home: Path) -> dict[str, str]:
    """The environment of a process of the image."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def python() -> str:
    """The interpreter that has the image's packages."""
    return str(check.environment(print) / "bin" / "python")


def previous_python() -> str:
    """One that has the Airflow of before."""
    return str(check.environment(print, PREVIOUS) / "bin" / "python")


@dataclass(frozen=True)
class Database:
    """One database with Airflow's schema."""

    server: Server
    name: str
    home: Path

    @property
    def url(self) -> str:
        return self.server.url(MASTER, MASTER_PASSWORD, self.name)

    @property
    def settings(self) -> dict[str, str]:
        return settings(self.url, self.home)

    def connection(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(self.url.replace("+psycopg2", ""))
        connection.autocommit = True
        return connection

    def ask(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        connection = self.connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def insert(self, table: str, **values: object) -> Any:
        """A row; columns that must have a value and are not given get one. Its first column."""
        columns = [sql.Identifier(name) for name in values]
        parameters: list[Any] = [sql.Placeholder()] * len(values)
        for name, kind in self.ask(REQUIRED, table):
            if name not in values:
                columns.append(sql.Identifier(name))
                parameters.append(sql.SQL(FILLERS.get(kind, "'x'")))
        query = sql.SQL("insert into {} ({}) values ({}) returning *").format(
            sql.Identifier(table), sql.SQL(", ").join(columns), sql.SQL(", ").join(parameters)
        )
        connection = self.connection()
        try:
            with connection.cursor() as cursor:
                given = [json.dumps(v) if isinstance(v, dict) else v for v in values.values()]
                cursor.execute(query, given)
                row = cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()

    def run(
        self, script: str, *arguments: str, interpreter: str = "", **more: str
    ) -> "subprocess.CompletedProcess[str]":
        """A script of the image."""
        return subprocess.run(
            [interpreter or python(), str(SCRIPTS / f"{script}.py"), *arguments],
            env={**self.settings, **more},
            capture_output=True,
            text=True,
            check=False,
        )


@dataclass(frozen=True)
class Databases:
    """A server that holds one migrated database, from which others are copied."""

    server: Server
    home: Path

    def new(self, name: str) -> Database:
        self.server.superuser(
            f"drop database if exists {name} with (force)",
            f"create database {name} owner {MASTER} template {TEMPLATE}",
        )
        return Database(self.server, name, self.home)


@contextmanager
def running(home: Path, interpreter: str = "") -> Iterator[Databases]:
    """A server with a database that Airflow's own migrations have made: the image's, if no other is named."""
    with postgresql.running("15") as server:
        _migrate(server, home, interpreter or python())
        yield Databases(server, home)


def _migrate(server: Server, home: Path, interpreter: str) -> None:
    """By what the same Airflow's migrations left when they ran last: they take ten times as long."""
    packages = Path(interpreter).parent.parent.name
    left = cache_dir() / "airflow-schema" / f"{packages}-postgresql-{server.version}.sql"
    # Debian has the tools in another package; these know the older server.
    tools = postgresql.programs("16")
    place = ["--host", str(server.folder), "--port", str(server.port), "--username", "rdsadmin"]
    socket = {"PATH": os.environ["PATH"], "PGDATABASE": TEMPLATE, "PGOPTIONS": f"-c role={MASTER}"}
    if left.exists():
        options = ["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction"]
        read = [str(tools / "psql"), *place, *options, "--file", str(left)]
        subprocess.run(read, env=socket, check=True, capture_output=True)
        return
    subprocess.run(
        [interpreter, "-c", "from airflow.utils.db import upgradedb; upgradedb()"],
        env={
            **settings(server.url(MASTER, MASTER_PASSWORD, TEMPLATE), home),
            "PGOPTIONS": "-c synchronous_commit=off",
        },
        check=True,
        capture_output=True,
    )
    left.parent.mkdir(parents=True, exist_ok=True)
    # Workers of the tests may do this at the same time.
    draft = left.with_suffix(f".{os.getpid()}")
    dump = [str(tools / "pg_dump"), *place, "--no-owner", "--file", str(draft)]
    subprocess.run(dump, env=socket, check=True, capture_output=True)
    draft.rename(left)
