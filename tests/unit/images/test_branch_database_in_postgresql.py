"""Making and dropping a branch's database in real servers, as a user with the rights that RDS gives.

`test_branch_database.py` has what needs no server.
"""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from tests.ports import free_port
from tests.unit.images import postgresql
from tests.unit.images.loading import SCRIPTS, script
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server

NAME = "airflow_dev_x_012345"
SECOND = f"{NAME}_second"
SIBLING = "airflow_dev_y_543210"
LONGEST = "airflow_" + "l" * 55
PASSWORD = "branch's p@ss"

IN_URL = "postgresql+psycopg2://"


@pytest.fixture(scope="module", params=postgresql.VERSIONS)
def rds(request: pytest.FixtureRequest) -> Iterator[Server]:
    with postgresql.running(request.param) as server:
        yield server


@pytest.fixture
def server(rds: Server) -> Iterator[Server]:
    """The server as it was made; what a test leaves is taken away."""
    yield rds
    rds.superuser(f"drop role if exists {SECOND}")
    for name in (NAME, SIBLING, LONGEST):
        if _there(rds, name):
            rds.superuser(f"alter database {name} is_template false")
        rds.superuser(f"drop database if exists {name} with (force)")
        rds.superuser(f"drop role if exists {name}")


@pytest.fixture(scope="module", autouse=True)
def branch_database() -> ModuleType:
    return script("wait_for_schema") and script("branch_database")


def _there(server: Server, name: str) -> bool:
    return bool(server.superuser(f"select 1 from pg_database where datname = '{name}'"))


def variables(server: Server, password: str = PASSWORD) -> dict[str, str]:
    """What the Job's pod has in its environment."""
    return {
        "ADMIN_CONNECTION": server.url(MASTER, MASTER_PASSWORD, MASTER),
        "DATABASE_PASSWORD": password,
        "WAIT_SECONDS": "0",
    }


def run(server: Server, command: str, name: str = NAME, password: str = PASSWORD) -> str:
    """What the script says; here, because a process of its own for each takes half a second."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        for key, value in variables(server, password).items():
            patch.setenv(key, value)
        assert sys.modules["branch_database"].main([command, name]) == 0
    return said.getvalue()


def make(server: Server, name: str = NAME, password: str = PASSWORD) -> str:
    return run(server, "create", name, password)


def drop(server: Server, name: str = NAME) -> str:
    return run(server, "drop", name)


@contextlib.contextmanager
def session(
    server: Server, user: str, password: str, database: str = "", **settings: Any
) -> Iterator[Any]:
    """A cursor of that user."""
    url = server.url(user, password, database or user).replace(IN_URL, "postgresql://")
    connection = psycopg2.connect(url, **settings)
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()


def state(server: Server) -> tuple[list[Any], list[Any], list[Any]]:
    """Users, databases and memberships: everything that the script may change."""
    return (
        server.superuser(
            "select rolname, rolcanlogin, rolconnlimit, rolsuper, rolcreatedb, rolcreaterole"
            " from pg_roles where rolname !~ '^pg_' order by 1"
        ),
        server.superuser(
            "select datname, pg_get_userbyid(datdba), datallowconn, datistemplate,"
            " has_database_privilege('public', oid, 'connect') from pg_database order by 1"
        ),
        server.superuser(
            "select pg_get_userbyid(roleid), pg_get_userbyid(member) from pg_auth_members"
            " where pg_get_userbyid(roleid) !~ '^pg_' order by 1, 2"
        ),
    )


def refused(server: Server, user: str, password: str, database: str) -> str:
    with (
        pytest.raises(psycopg2.OperationalError) as caught,
        session(server, user, password, database),
    ):
        pass
    return str(caught.value)


def test_its_user_owns_its_database_and_can_do_airflows_work(server: Server) -> None:
    assert make(server) == f"{NAME}: user and database made\n"
    with session(server, NAME, PASSWORD) as cursor:
        cursor.execute("create type state as enum ('queued', 'done')")
        cursor.execute("create table dag_run (id serial primary key, state state)")
        cursor.execute("insert into dag_run (state) values ('done') returning id")
        assert cursor.fetchone() == (1,)
        cursor.execute(
            "select pg_advisory_lock(1), pg_encoding_to_char(encoding), version()"
            " from pg_database where datname = current_database()"
        )
        assert cursor.fetchone()[1] == "UTF8"


def test_making_it_again_changes_nothing(server: Server) -> None:
    make(server)
    before = state(server)
    assert make(server) == f"{NAME}: nothing made\n"
    assert state(server) == before


class TestSecondUser:
    """Whoever may make users can make one that acts as a branch's, and take its password away."""

    @pytest.fixture(autouse=True)
    def _named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert script("database_logins")
        monkeypatch.setenv("SECOND_USER", SECOND)

    def given(self, monkeypatch: pytest.MonkeyPatch, server: Server, *passwords: str) -> str:
        first, second = passwords
        monkeypatch.setenv("SECOND_PASSWORD", second)
        return make(server, password=first)

    def test_it_acts_as_the_first_in_its_database_alone(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = self.given(monkeypatch, server, "", PASSWORD)
        assert said == f"{NAME}: user and database and second user made\n"
        with session(server, SECOND, PASSWORD, NAME) as cursor:
            cursor.execute("create table dag_run (id serial primary key)")
            cursor.execute(
                "select tableowner, session_user from pg_tables where tablename = 'dag_run'"
            )
            assert cursor.fetchone() == (NAME, SECOND)
        assert "authentication failed" in refused(server, NAME, PASSWORD, NAME)
        for other in (MASTER, "postgres", "template1"):
            assert "permission denied" in refused(server, SECOND, PASSWORD, other)
        before = state(server)
        assert self.given(monkeypatch, server, "", PASSWORD) == f"{NAME}: nothing made\n"
        assert state(server) == before

    def test_without_a_password_it_is_not_made_and_not_let_in(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.given(monkeypatch, server, PASSWORD, "")
        assert not server.superuser(f"select 1 from pg_roles where rolname = '{SECOND}'")
        self.given(monkeypatch, server, PASSWORD, "a second")
        self.given(monkeypatch, server, PASSWORD, "")
        assert "authentication failed" in refused(server, SECOND, "a second", NAME)

    def test_a_server_that_cannot_be_asked_is_no_refusal(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A pod that has just started may not be let out by its network yet."""
        logins = script("database_logins")
        url = server.url(NAME, "", MASTER).replace(IN_URL, "postgresql://")
        away = url.replace(f":{server.port}/", f":{free_port()}/")
        with pytest.raises(SystemExit, match=f"whether {NAME} may log in is not known") as failed:
            logins.accepted(away, [(NAME, PASSWORD)], patience=0)
        assert PASSWORD not in str(failed.value)
        self.given(monkeypatch, server, PASSWORD, "")
        found = logins.accepted(
            server.url(NAME, "", NAME).replace(IN_URL, "postgresql://"),
            [(NAME, PASSWORD), (NAME, "another"), (SECOND, PASSWORD)],
        )
        assert found == [True, False, False]

    def test_it_goes_with_the_database(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = state(server)
        self.given(monkeypatch, server, "", PASSWORD)
        with session(server, SECOND, PASSWORD, NAME):
            assert drop(server) == f"{NAME}: database and second user and user dropped\n"
        assert drop(server) == f"{NAME}: nothing dropped\n"
        assert state(server)[0] == before[0]


def test_dropping_leaves_the_server_as_it_was(server: Server) -> None:
    make(server, SIBLING)
    before = state(server)
    make(server)
    assert drop(server) == f"{NAME}: database and user dropped\n"
    assert state(server) == before
    assert drop(server) == f"{NAME}: nothing dropped\n"
    assert state(server) == before


def test_sessions_do_not_keep_it(server: Server) -> None:
    make(server)
    with session(server, NAME, PASSWORD) as cursor:
        cursor.execute("create table held (id int)")
        cursor.execute("begin; lock table held in access exclusive mode")
        assert drop(server) == f"{NAME}: database and user dropped\n"
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("select 1")


@pytest.mark.parametrize(
    "half",
    [
        [f"create role {NAME}"],
        [f"create role {NAME} login", f"grant {NAME} to {MASTER}"],
        [
            f"create role {NAME} login",
            f"grant {NAME} to {MASTER}",
            f"create database {NAME} owner {NAME} template template0 allow_connections false",
        ],
    ],
    ids=["a user", "a user to work with", "a closed database"],
)
@pytest.mark.parametrize("command", ["create", "drop"])
def test_what_is_half_there(server: Server, command: str, half: list[str]) -> None:
    before = state(server)
    with session(server, MASTER, MASTER_PASSWORD) as cursor:
        for statement in half:
            cursor.execute(statement)
    if command == "create":
        make(server)
        with session(server, NAME, PASSWORD) as cursor:
            cursor.execute("create table dag_run (id int)")
    else:
        drop(server)
        assert {row[0] for row in state(server)[1]} == {row[0] for row in before[1]}
        assert state(server)[0] == before[0]


class Killed(BaseException):
    """Like SIGKILL: nothing of the script runs after it."""


class Mortal(psycopg2.extensions.cursor):
    """A cursor whose process dies before its Nth statement."""

    left = 0

    def execute(self, query: Any, parameters: Any = None) -> None:
        if not Mortal.left:
            raise Killed
        Mortal.left -= 1
        super().execute(query, parameters)


def survives(server: Server, work: Any, statements: int) -> bool:
    """Whether the work was through before its process died."""
    Mortal.left = statements
    with session(server, MASTER, MASTER_PASSWORD, cursor_factory=Mortal) as cursor:
        try:
            work(cursor.connection)
        except Killed:
            return False
        return True


@pytest.mark.slow
def test_killed_between_any_two_statements(server: Server, branch_database: ModuleType) -> None:
    make(server, SIBLING)
    clean = state(server)
    make(server)
    made = state(server)
    drop(server)

    def create(connection: Any) -> None:
        branch_database.create(connection, NAME, PASSWORD)

    def end(connection: Any) -> None:
        branch_database.drop(connection, NAME)

    for work, opposite, wanted in ((create, drop, made), (end, make, clean)):
        again = {create: make, end: drop}[work]
        statements = 0
        while not survives(server, work, statements):
            again(server)
            assert state(server) == wanted, f"{work.__name__} after {statements} statements"
            opposite(server)
            statements += 1
        assert statements >= 5
        if work is create:
            drop(server)


def test_made_and_killed_and_dropped_leaves_nothing(
    server: Server, branch_database: ModuleType
) -> None:
    make(server, SIBLING)
    clean = state(server)
    statements = 0
    while not survives(
        server, lambda connection: branch_database.create(connection, NAME, PASSWORD), statements
    ):
        drop(server)
        assert state(server) == clean, f"after {statements} statements"
        statements += 1


def test_two_at_once_do_not_meet(server: Server) -> None:
    def run_process(arguments: tuple[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / "branch_database.py"), *arguments],
            env=os.environ | variables(server),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stderr

    for command in ("create", "drop"):
        wanted = [(command, name) for name in (NAME, SIBLING)] * 2
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(run_process, wanted)) == [""] * 4


FORBIDDEN = [
    "create database another",
    "create role another",
    f"alter role {SIBLING} password 'mine'",
    f"alter role {NAME} createdb",
    f"alter role {NAME} connection limit 500",
    f"alter role {MASTER} password 'mine'",
    f"set role {SIBLING}",
    f"set role {MASTER}",
    f"grant {MASTER} to {NAME}",
    f"grant {SIBLING} to {NAME}",
    f"drop role {SIBLING}",
    f"drop database {SIBLING}",
    f"alter database {SIBLING} set work_mem = '1MB'",
    f"grant connect on database {SIBLING} to {NAME}",
    "select rolpassword from pg_authid",
    "select passwd from pg_shadow",
    "copy (select 1) to program 'id'",
]


class TestRights:
    @pytest.fixture(autouse=True)
    def two(self, server: Server) -> None:
        make(server)
        make(server, SIBLING, "sibling's")
        server.superuser(f"alter role {SIBLING} set work_mem = '8MB'")

    def test_no_other_database_lets_it_in(self, server: Server) -> None:
        for database in (MASTER, SIBLING, "postgres", "template1", "rdsadmin"):
            assert "permission denied for database" in refused(server, NAME, PASSWORD, database)

    def test_what_it_may_not(self, server: Server) -> None:
        with session(server, NAME, PASSWORD) as cursor:
            for statement in FORBIDDEN:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)

    def test_it_sees_no_password_and_no_query_of_others(self, server: Server) -> None:
        with (
            session(server, SIBLING, "sibling's") as other,
            session(server, NAME, PASSWORD) as cursor,
        ):
            other.execute("select 'secret'")
            cursor.execute("select rolpassword from pg_roles")
            assert {row[0] for row in cursor.fetchall()} == {"********"}
            cursor.execute(f"select query from pg_stat_activity where usename = '{SIBLING}'")
            assert cursor.fetchall() == [("<insufficient privilege>",)]

    def test_it_ends_nobody_elses_session(self, server: Server) -> None:
        with (
            session(server, SIBLING, "sibling's") as other,
            session(server, NAME, PASSWORD) as cursor,
        ):
            victim = other.connection.info.backend_pid
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("select pg_terminate_backend(%s)", (victim,))
            other.execute("select 1")

    def test_what_it_opens_is_closed_by_the_next_up(self, server: Server) -> None:
        with session(server, NAME, PASSWORD) as cursor:
            cursor.execute(f"grant connect on database {NAME} to public")
        make(server, SIBLING, "sibling's")
        assert "permission denied" in refused(server, SIBLING, "sibling's", NAME)

    def test_it_can_not_keep_itself_from_being_dropped(self, server: Server) -> None:
        with session(server, NAME, PASSWORD) as cursor:
            cursor.execute(f"alter database {NAME} with is_template true")
        assert drop(server) == f"{NAME}: database and user dropped\n"


def test_nobody_gets_in_before_it_is_closed(server: Server, branch_database: ModuleType) -> None:
    make(server, SIBLING, "sibling's")
    statements = 0
    seen = False
    while not survives(
        server, lambda connection: branch_database.create(connection, NAME, PASSWORD), statements
    ):
        if _there(server, NAME):
            seen = True
            reason = refused(server, SIBLING, "sibling's", NAME)
            assert "not currently accepting" in reason or "permission denied" in reason
        drop(server)
        statements += 1
    assert seen


def test_forty_connections_and_no_more(server: Server, branch_database: ModuleType) -> None:
    make(server)
    url = server.url(NAME, PASSWORD, NAME).replace(IN_URL, "postgresql://")
    held = [psycopg2.connect(url) for _ in range(branch_database.CONNECTIONS)]
    try:
        assert "too many connections for role" in refused(server, NAME, PASSWORD, NAME)
    finally:
        for connection in held:
            connection.close()


@pytest.mark.parametrize(
    "password",
    [
        'it\'s "quoted"',
        "back\\slash\\'",
        "100%s %(x)s {}",
        "größe-密码-🛫",
        " blanks ",
        "$1;--/?#@:",
    ],
)
def test_any_password_opens_it(server: Server, password: str) -> None:
    make(server, password=password)
    with session(server, NAME, password) as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone() == (NAME,)
    assert "password authentication failed" in refused(server, NAME, password + "x", NAME)


def test_a_second_up_changes_the_password_and_keeps_the_data(server: Server) -> None:
    make(server)
    with session(server, NAME, PASSWORD) as cursor:
        cursor.execute("create table dag_run (id int); insert into dag_run values (7)")
    make(server, password="another one")
    assert "password authentication failed" in refused(server, NAME, PASSWORD, NAME)
    with session(server, NAME, "another one") as cursor:
        cursor.execute("select id from dag_run")
        assert cursor.fetchone() == (7,)


def test_the_longest_name(server: Server) -> None:
    assert len(LONGEST) == 63
    make(server, LONGEST)
    make(server, LONGEST)
    with session(server, LONGEST, PASSWORD) as cursor:
        cursor.execute("select current_user, current_database()")
        assert cursor.fetchone() == (LONGEST, LONGEST)
    assert drop(server, LONGEST) == f"{LONGEST}: database and user dropped\n"


def test_no_password_gets_into_the_servers_log(server: Server) -> None:
    make(server, password="no-log-may-hold-this")
    log = (server.folder / "log").read_text()
    assert "alter role" in log
    assert "no-log-may-hold-this" not in log
    assert MASTER_PASSWORD not in log


@pytest.fixture(scope="module")
def forced() -> Iterator[Server]:
    (version,) = postgresql.TLS_VERSIONS
    with postgresql.running(version) as server:
        yield server


class TestTls:
    """RDS lets nobody in without: `rds.force_ssl`, the default since PostgreSQL 15."""

    @pytest.fixture
    def rds(self, forced: Server) -> Server:
        return forced

    def test_it_is_used_throughout(self, server: Server) -> None:
        make(server)
        with session(server, NAME, PASSWORD) as cursor:
            cursor.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            assert cursor.fetchone() == (True,)
        url = server.url(NAME, PASSWORD, NAME, "?sslmode=disable").replace(IN_URL, "postgresql://")
        with pytest.raises(psycopg2.OperationalError, match="no encryption"):
            psycopg2.connect(url)

    def test_an_authority_that_is_named_is_asked(self, server: Server) -> None:
        options = f"?sslmode=verify-full&sslrootcert={server.authority}"
        url = server.url(MASTER, MASTER_PASSWORD, MASTER, options).replace(IN_URL, "postgresql://")
        psycopg2.connect(url).close()
        (server.folder / "other").mkdir()
        postgresql.certify(server.folder / "other")
        wrong = url.replace(str(server.authority), str(server.folder / "other" / "authority.pem"))
        with pytest.raises(psycopg2.OperationalError, match="SSL error"):
            psycopg2.connect(wrong)
