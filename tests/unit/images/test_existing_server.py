"""An environment's database in a server that others use: made and dropped, and nothing of theirs is another afterwards.

As a user with the rights that RDS gives its customer, and as one who may make databases and users and nothing more.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import psycopg2
import pytest

from tests.unit.images import postgresql
from tests.unit.images.loading import script
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.test_branch_database_in_postgresql import Killed, Mortal, refused, session

NAME, SECOND = "airflow_prod", "airflow_prod__second"
BRANCH, MONITOR = "airflow_prod_x_012345", "airflow_prod__monitor"
MARK = "aerodrome:environment=prod"
PASSWORD, ANOTHER = "the environment's p@ss", "another p@ss/word"
MODEST, MODEST_PASSWORD = "maker", "the makers"
ARN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rds!db-0a1b-AbCdEf"


WHO = {"16": (MODEST, MODEST_PASSWORD), "18": (MASTER, MASTER_PASSWORD)}
"""Who makes databases, by the server's version: not every pair of the two, for the time that it takes."""


@pytest.fixture(scope="module", params=[*WHO])
def foreign(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server with a team's database in it, open to everybody, as PostgreSQL makes one."""
    with postgresql.running(request.param) as server:
        server.superuser(
            f"create role {MODEST} login createdb createrole password '{MODEST_PASSWORD}'"
        )
        with session(server, MASTER, MASTER_PASSWORD) as cursor:
            cursor.execute("create role payroll login password 'theirs' connection limit 7")
            cursor.execute("grant payroll to current_user")
            cursor.execute("create database payroll owner payroll")
            cursor.execute("comment on database payroll is 'wages'")
        with session(server, "payroll", "theirs") as cursor:
            cursor.execute("create table wages (id int); insert into wages values (1)")
        yield server


@pytest.fixture(autouse=True)
def existing_server() -> ModuleType:
    assert script("wait_for_schema")
    assert script("branch_database")
    assert script("database_logins")
    return script("existing_server")


@pytest.fixture
def server(foreign: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Each test starts and ends with the same content."""
    user, password = WHO[foreign.version]
    for key, value in {
        "SERVER_HOST": "127.0.0.1",
        "SERVER_PORT": str(foreign.port),
        "SERVER_INSTANCE": "team-postgres",
        "SERVER_MARK": MARK,
        "SERVER_CONNECTIONS": "100",
        "ADMIN_SECRET": ARN,
        "DATABASE_PASSWORD": PASSWORD,
        "SECOND_USER": SECOND,
        "SECOND_PASSWORD": "",
        "WAIT_SECONDS": "0",
        # The package's servers are built without TLS.
        "PGSSLMODE": "prefer",
    }.items():
        monkeypatch.setenv(key, value)
    keep(monkeypatch, json.dumps({"username": user, "password": password}))
    return foreign


class Secrets:
    """Secrets Manager with one secret."""

    content = ""

    def client(self, service: str, region: str) -> "Secrets":
        assert (service, region) == ("secretsmanager", "eu-north-1")
        return self

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:
        assert SecretId == ARN
        return {"SecretString": self.content}


def keep(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    secrets = Secrets()
    secrets.content = content
    monkeypatch.setattr("boto3.session.Session", lambda: secrets)


def run(command: str) -> tuple[int, str]:
    """The exit code, and what is said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = sys.modules["existing_server"].main([command, NAME])
    for password in (PASSWORD, ANOTHER, MASTER_PASSWORD, MODEST_PASSWORD):
        assert password not in said.getvalue()
    return code, said.getvalue()


def state(server: Server) -> list[Any]:
    """Everything in the server that is more than one database's, passwords included, and the team's own."""
    return [
        server.superuser(f"select * from {table} order by oid")
        for table in ("pg_authid", "pg_database", "pg_auth_members")
    ] + [
        server.superuser("select * from pg_db_role_setting"),
        server.superuser("select * from pg_shdescription order by objoid"),
        server.superuser("select * from pg_parameter_acl"),
        server.superuser("table wages", database="payroll"),
        server.superuser("select * from pg_namespace order by oid", database="payroll"),
    ]


def test_it_comes_and_goes_and_leaves_the_server_as_it_was(server: Server) -> None:
    before = state(server)
    assert run("create") == (0, f"{NAME}: user and database made\n")
    theirs = "select datname, datacl::text from pg_database where datname = 'payroll'"
    assert server.superuser(theirs) == [("payroll", None)]
    made = state(server)
    assert run("create") == (0, f"{NAME}: nothing made\n")
    # A password is hashed with a new salt.
    assert state(server)[1:] == made[1:]
    assert run("drop") == (0, f"{NAME}: {NAME} and {NAME} dropped\n")
    assert state(server) == before
    assert run("drop") == (0, f"{NAME}: nothing dropped\n")


def test_branches_and_the_rest_of_airflow_work_in_it_as_in_an_own_server(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's user makes a branch's database, and a user for figures; what nobody has dropped goes with it."""
    before = state(server)
    run("create")
    monkeypatch.setenv("ADMIN_CONNECTION", server.url(NAME, PASSWORD, NAME))
    branch, monitor = sys.modules["branch_database"], script("database_monitor")
    with session(server, NAME, PASSWORD) as cursor:
        assert branch.create(cursor.connection, BRANCH, "branch's") == ["user", "database"]
        assert monitor.ensure(cursor.connection, MONITOR, "monitor's") is True
        cursor.execute("create table dag_run (id serial primary key)")
    with session(server, BRANCH, "branch's") as cursor:
        cursor.execute("create table dag_run (id serial primary key)")
    assert "permission denied" in refused(server, BRANCH, "branch's", NAME)
    with session(server, BRANCH, "branch's"), session(server, MONITOR, "monitor's", NAME):
        code, said = run("drop")
    assert code == 0
    assert BRANCH in said
    assert MONITOR in said
    assert state(server) == before


def test_its_users_reach_nothing_of_others(server: Server) -> None:
    run("create")
    with session(server, NAME, PASSWORD) as cursor:
        for statement in (
            "alter role payroll password 'mine'",
            "grant payroll to current_user",
            "set role payroll",
            f"grant {MASTER} to current_user",
            "alter database payroll set work_mem = '1MB'",
            "drop database payroll",
            "drop role payroll",
            f"alter role {NAME} superuser",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
        cursor.execute("select rolconnlimit from pg_roles where rolname = current_user")
        assert cursor.fetchone() == (100,)
    with (
        session(server, NAME, PASSWORD, "payroll") as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute("table wages")
    run("drop")


def test_a_password_is_rotated_by_two_users_who_take_turns(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADR 33: both, then the second alone."""
    before = state(server)
    run("create")
    monkeypatch.setenv("SECOND_PASSWORD", ANOTHER)
    assert run("create") == (0, f"{NAME}: second user made\n")
    with session(server, NAME, PASSWORD), session(server, SECOND, ANOTHER, NAME) as cursor:
        cursor.execute("create table dag_run (id serial primary key)")
        cursor.execute("select tableowner from pg_tables where tablename = 'dag_run'")
        assert cursor.fetchone() == (NAME,)
    monkeypatch.setenv("DATABASE_PASSWORD", "")
    run("create")
    assert "authentication failed" in refused(server, NAME, PASSWORD, NAME)
    with session(server, SECOND, ANOTHER, NAME) as cursor:
        # As the environment's Job for a branch does.
        branch = sys.modules["branch_database"]
        assert branch.create(cursor.connection, BRANCH, "branch's") == ["user", "database"]
        assert run("drop")[0] == 0
    assert state(server) == before


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ([f"create role {NAME} login"], f"the user {NAME} is there already"),
        ([f"create role {SECOND} login"], f"the user {SECOND} is there already"),
        (
            [f"create role {NAME}", f"comment on role {NAME} is 'aerodrome:environment=dev'"],
            f"the user {NAME} is there already",
        ),
        ([f"create database {NAME}"], f"the database {NAME} is there already, and belongs to"),
    ],
    ids=["a user", "the second user", "another's user", "a database"],
)
def test_what_somebody_else_has_is_refused_and_never_dropped(
    server: Server, there: list[str], named: str
) -> None:
    server.superuser(*there)
    before = state(server)
    try:
        for _ in range(2):
            code, said = run("create")
            assert (code, said.startswith("team-postgres: ")) == (3, True)
            assert named in said
            assert run("drop") == (0, f"{NAME}: nothing dropped\n")
            assert state(server) == before
    finally:
        server.superuser(f"drop database if exists {NAME}")
        server.superuser(f"drop role if exists {NAME}, {SECOND}")


@pytest.mark.slow
def test_killed_between_any_two_statements(server: Server, existing_server: Any) -> None:
    before, own = state(server), existing_server.Own(NAME, SECOND, MARK)
    passwords = existing_server.Passwords(PASSWORD, ANOTHER)

    def survives(work: Any, statements: int) -> bool:
        Mortal.left = statements
        connection = psycopg2.connect(existing_server.admin(os.environ), cursor_factory=Mortal)
        connection.autocommit = True
        try:
            work(connection)
        except Killed:
            return False
        finally:
            connection.close()
        return True

    statements = 0
    while not survives(lambda here: existing_server.create(here, own, passwords, 100), statements):
        # Each half is made whole, or taken away.
        if statements % 2:
            assert run("create")[0] == 0
        assert run("drop")[0] == 0
        assert state(server) == before, f"made, after {statements} statements"
        statements += 1
    assert statements > 10
    statements = 0
    while not survives(lambda here: existing_server.drop(here, own), statements):
        assert run("drop")[0] == 0
        assert state(server) == before, f"dropped, after {statements} statements"
        run("create")
        statements += 1
    assert state(server) == before


def test_a_user_who_may_not_make_databases_is_named(
    foreign: Server, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(monkeypatch, json.dumps({"username": "payroll", "password": "theirs"}))
    before = state(server)
    code, said = run("create")
    assert code == 3
    assert "the user payroll may not make databases and users" in said
    assert state(server) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it has no JSON object"),
        ("[]", "it has no JSON object"),
        ("the master's p@ss/word", "it has no JSON object"),
        ('{"username": "airflow"}', "it has no `password`"),
        ('{"username": "", "password": "the master\'s p@ss/word"}', "it has no `username`"),
    ],
)
def test_a_secret_without_a_login_is_named_and_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, content: str, words: str
) -> None:
    keep(monkeypatch, content)
    code, said = run("create")
    assert code == 3
    assert said.startswith(f"team-postgres: {ARN}: {words}")


def test_an_old_server_is_refused() -> None:
    """There, its user could take anybody's place."""
    with postgresql.running("15") as old:
        url = old.url(MASTER, MASTER_PASSWORD, "postgres").replace("+psycopg2", "")
        connection = psycopg2.connect(url)
        server = sys.modules["existing_server"]
        with (
            connection.cursor() as cursor,
            pytest.raises(server.Refused, match="must be 16 or newer"),
        ):
            server.require(cursor, server.Own(NAME, SECOND, MARK))
        connection.close()
