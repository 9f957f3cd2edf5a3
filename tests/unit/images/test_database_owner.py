"""An owner of the database who never logs in, in real servers whose first user has the rights that RDS gives; and what
becomes of branches, figures and Airflow's tables when both users act as it.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import psycopg2
import pytest

from tests.unit.images import postgresql
from tests.unit.images.loading import script
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.test_branch_database_in_postgresql import (
    NAME,
    PASSWORD,
    Mortal,
    session,
    survives,
)

OWNER, USER = f"{MASTER}__owner", f"{MASTER}_second"
USERS_PASSWORD = "the second's p@ss/word"
MONITOR = "aerodrome_monitor"

VERSIONS = ("16", "18")
"""On both sides of RDS's 17; before 16 the first user could give away its own membership."""

OF_AIRFLOW = (
    "create type state as enum ('queued', 'done')",
    "create table dag (id serial primary key, name text unique)",
    "create table dag_run (id serial primary key, dag int references dag on delete cascade, state state)",
    "create view runs as select * from dag_run",
    "create function latest() returns int language sql as 'select max(id) from dag_run'",
    "create schema other",
    'create table other."Odd name" (id int)',
    "insert into dag (name) values ('first')",
)

OWNERS = """
    select 'relation', oid::regclass::text from pg_class where relowner::regrole::text = '{0}'
    union select 'type', oid::regtype::text from pg_type where typowner::regrole::text = '{0}'
    union select 'function', oid::regproc::text from pg_proc where proowner::regrole::text = '{0}'
    union select 'schema', nspname from pg_namespace where nspowner::regrole::text = '{0}'
    union select 'database', datname from pg_database where datdba::regrole::text = '{0}'"""


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with postgresql.running(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def branch_database() -> ModuleType:
    return script("wait_for_schema") and script("branch_database")


@pytest.fixture(scope="module")
def database_owner(branch_database: ModuleType) -> ModuleType:
    assert branch_database
    return script("database_logins") and script("database_owner")


@pytest.fixture
def former(server: Server, branch_database: ModuleType) -> Iterator[Server]:
    """A server that has had one user until now, with Airflow's tables, a branch and a user for figures."""
    with session(server, MASTER, MASTER_PASSWORD) as cursor:
        for statement in OF_AIRFLOW:
            cursor.execute(statement)
        branch_database.create(cursor.connection, NAME, PASSWORD)
        sys.modules["database_logins"].settle(
            cursor.connection, NAME, f"{NAME}_second", PASSWORD, branch_database.CONNECTIONS
        )
        script("database_monitor").ensure(cursor.connection, MONITOR, "the monitor's")
    yield server
    server.superuser(
        f"alter role {MASTER} reset role",
        f"alter role {MASTER} password '{MASTER_PASSWORD.replace(chr(39), chr(39) * 2)}'",
        f"drop database if exists {NAME} with (force)",
        f"drop database {MASTER} with (force)",
        f"create database {MASTER} owner {MASTER}",
        f"alter database postgres owner to {MASTER}",
        f"alter database template1 owner to {MASTER}",
    )
    for role in (f"{NAME}_second", NAME, MONITOR, USER, OWNER):
        server.superuser(f"drop role if exists {role}")


def settled(server: Server, module: ModuleType, password: str = USERS_PASSWORD) -> list[str]:
    with session(server, MASTER, MASTER_PASSWORD) as cursor:
        made: list[str] = module.settle(cursor.connection, OWNER, USER, password, lambda _: None)
        return made


def owned(server: Server, role: str) -> set[Any]:
    return set(server.superuser(OWNERS.format(role), database=MASTER))


def may_log_in(server: Server, user: str, password: str) -> bool:
    try:
        with session(server, user, password, MASTER):
            return True
    except psycopg2.OperationalError as error:
        assert "authentication failed" in str(error)
        return False


@contextlib.contextmanager
def each_user(server: Server) -> Iterator[tuple[Any, Any]]:
    """Sessions of both, who act as the owner."""
    with (
        session(server, MASTER, MASTER_PASSWORD) as first,
        session(server, USER, USERS_PASSWORD, MASTER) as second,
    ):
        yield first, second


def test_it_owns_what_the_first_user_owned_and_both_act_as_it(
    former: Server, database_owner: ModuleType
) -> None:
    had = owned(former, MASTER)
    assert len(had) > 10
    assert settled(former, database_owner) == ["owner", "second user"]
    assert owned(former, OWNER) == had
    assert owned(former, MASTER) == set()
    assert settled(former, database_owner) == []
    with each_user(former) as users:
        for number, cursor in enumerate(users):
            cursor.execute("select current_user")
            assert cursor.fetchone() == (OWNER,)
            cursor.execute(f"create table made_{number} (id serial primary key)")
        for number, cursor in enumerate(reversed(users)):
            cursor.execute(f"alter table made_{number} add column other int")
            cursor.execute("delete from dag")
            cursor.execute("alter type state add value if not exists 'running'")
    assert owned(former, MASTER) == owned(former, USER) == set()


def test_nobody_logs_in_as_it(former: Server, database_owner: ModuleType) -> None:
    settled(former, database_owner)
    with pytest.raises(psycopg2.OperationalError):
        session(former, OWNER, "").__enter__()
    found = former.superuser(
        f"select rolcanlogin, rolsuper from pg_roles where rolname = '{OWNER}'"
    )
    assert found == [(False, False)]


def test_who_is_connected_works_on_and_what_it_makes_is_handed_over_the_next_time(
    former: Server, database_owner: ModuleType
) -> None:
    """A pod's session that began as the first user, before there was another."""
    with session(former, MASTER, MASTER_PASSWORD) as before:
        settled(former, database_owner)
        before.execute("insert into dag_run (dag, state) select id, 'queued' from dag")
        before.execute("alter table dag add column late int")
        before.execute("create table late (id serial)")
        assert ("relation", "late") in owned(former, MASTER)
        assert settled(former, database_owner) == []
    assert owned(former, MASTER) == set()
    with session(former, USER, USERS_PASSWORD, MASTER) as cursor:
        cursor.execute("drop table late")


def test_without_a_second_user_nothing_is_changed(
    former: Server, database_owner: ModuleType
) -> None:
    had = owned(former, MASTER)
    assert settled(former, database_owner, "") == []
    assert owned(former, MASTER) == had
    roles = f"select 1 from pg_roles where rolname in ('{OWNER}', '{USER}')"
    assert former.superuser(roles) == []


def test_the_second_users_password_is_taken_away_and_given_anew(
    former: Server, database_owner: ModuleType
) -> None:
    settled(former, database_owner)
    assert may_log_in(former, USER, USERS_PASSWORD)
    settled(former, database_owner, "")
    assert not may_log_in(former, USER, USERS_PASSWORD)
    settled(former, database_owner, "another of the second's")
    assert may_log_in(former, USER, "another of the second's")


def test_branches_and_figures_are_in_the_hands_of_both(
    former: Server, database_owner: ModuleType, branch_database: ModuleType
) -> None:
    """Those that the first user has made, and those that are made from now on; with somebody in them."""
    settled(former, database_owner)
    logins, monitor = sys.modules["database_logins"], sys.modules["database_monitor"]
    with each_user(former) as users:
        first, second = (one.connection for one in users)
        for here, there in ((second, first), (first, second)):
            monitor.ensure(here, MONITOR, "another of the monitor's")
            branch_database.create(here, NAME, "another of the branch's")
            logins.settle(here, NAME, f"{NAME}_second", "another of the branch's", 40)
            with session(former, f"{NAME}_second", "another of the branch's", NAME) as cursor:
                cursor.execute("create table its_own (id int)")
                dropped = branch_database.drop(there, NAME, f"{NAME}_second")
                assert dropped == ["database", "second user", "user"]
            assert monitor.drop(there, MONITOR)
        branch_database.create(second, NAME, PASSWORD)
        for closed in (MASTER, "postgres", "template1"):
            with (
                pytest.raises(psycopg2.OperationalError, match="permission denied for database"),
                session(former, NAME, PASSWORD, closed),
            ):
                pass


def test_a_table_in_use_gets_its_owner_later_and_holds_nobody_up(
    former: Server, database_owner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a backup that reads all tables in one transaction: who wants to write waits for half a second at most."""
    assert database_owner.LOCK_MILLISECONDS < 1000, "deadlock_timeout"
    said: list[str] = []
    with (
        session(former, MASTER, MASTER_PASSWORD) as backup,
        session(former, MASTER, MASTER_PASSWORD) as cursor,
    ):
        backup.execute("begin; select * from dag")

        def end_backup(_: float) -> None:
            assert ("relation", "dag") in owned(former, MASTER)
            assert ("database", MASTER) in owned(former, OWNER)
            backup.execute("commit")

        monkeypatch.setattr(database_owner.time, "sleep", end_backup)
        arguments = (OWNER, USER, USERS_PASSWORD, said.append)
        database_owner.settle(cursor.connection, *arguments)
    assert len(said) == 1
    assert "a table is in use" in said[0]
    assert owned(former, MASTER) == set()


def of_the_job(server: Server, user: str, password: str) -> dict[str, str]:
    """What the migration Job's pod has in its environment, when Airflow logs in by this user."""
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.url(user, password, MASTER),
        "DATABASE_USER": MASTER,
        "DATABASE_PASSWORD": MASTER_PASSWORD,
        "DATABASE_OWNER": OWNER,
        "SECOND_USER": USER,
        "SECOND_PASSWORD": USERS_PASSWORD,
        **dict.fromkeys(("ADMIN_USERNAME", "ADMIN_EMAIL", "ADMIN_PASSWORD"), "some"),
    }


def test_a_server_that_is_new_learns_of_the_second_user_before_airflow_logs_in_by_it(
    former: Server, database_owner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that was taken down after a rotation, and is deployed again."""
    job = script("prepare_database")
    for key, value in of_the_job(former, USER, USERS_PASSWORD).items():
        monkeypatch.setenv(key, value)

    def prepare(account: Any) -> int:
        assert account.username == "some"
        with job.connect() as connection, connection.cursor() as cursor:
            cursor.execute("select session_user::text, current_user::text")
            assert cursor.fetchone() == (USER, OWNER)
        return 0

    # The rest is Airflow's.
    monkeypatch.setattr(job, "prepare", prepare)
    assert job.main() == 0


def test_it_waits_until_rds_has_changed_its_first_users_password(
    former: Server, database_owner: ModuleType
) -> None:
    job = script("prepare_database")
    former.superuser(f"alter role {MASTER} password 'the one of before'")
    environment = of_the_job(former, USER, USERS_PASSWORD)
    quoted = MASTER_PASSWORD.replace("'", "''")
    arguments = (f"alter role {MASTER} password '{quoted}'",)
    rds = threading.Timer(1.0, former.superuser, arguments)
    rds.start()
    try:
        assert job.settle_users(environment) == ["owner", "second user"]
    finally:
        rds.join()
    assert may_log_in(former, USER, USERS_PASSWORD)


def test_the_job_takes_the_second_users_password_away_only_in_the_end(
    former: Server, database_owner: ModuleType
) -> None:
    """What comes before may refuse the deployment: pods of before still log in by it."""
    job = script("prepare_database")
    settled(former, database_owner)
    without = {**of_the_job(former, MASTER, MASTER_PASSWORD), "SECOND_PASSWORD": ""}
    assert job.admit(without) == []
    assert may_log_in(former, USER, USERS_PASSWORD)
    assert job.settle_users(without) == []
    assert not may_log_in(former, USER, USERS_PASSWORD)
    assert job.settle_users({}) == []


def test_killed_between_any_two_statements(former: Server, database_owner: ModuleType) -> None:
    """Whoever is connected works on, and the next one ends it. Each begins where the one before has died, a statement later."""
    had = owned(former, MASTER)
    statements = 0

    def work(connection: Any) -> None:
        database_owner.settle(connection, OWNER, USER, USERS_PASSWORD, lambda _: None)

    with session(former, MASTER, MASTER_PASSWORD) as before:
        while not survives(former, work, statements):
            assert may_log_in(former, MASTER, MASTER_PASSWORD)
            before.execute("insert into dag_run (dag, state) select id, 'queued' from dag limit 1")
            with session(former, MASTER, MASTER_PASSWORD) as new:
                new.execute("update dag set name = name")
            statements += 1
    assert statements > 15
    assert Mortal.left == 0
    assert owned(former, OWNER) == had
    with session(former, USER, USERS_PASSWORD, MASTER) as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone() == (OWNER,)


def test_no_password_gets_into_the_servers_log(former: Server, database_owner: ModuleType) -> None:
    settled(former, database_owner, "no-log-may-hold-this")
    log = (former.folder / "log").read_text()
    assert f'alter role "{USER}"' in log
    assert "no-log-may-hold-this" not in log
