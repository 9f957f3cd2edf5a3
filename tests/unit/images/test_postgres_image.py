"""The entrypoint of images/postgres with the server that the image has, and branches' databases in it."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest

from tests.ports import free_port
from tests.unit.images import postgresql
from tests.unit.images.loading import IMAGES, script

PASSWORD = 'base\'s "p@ss" $HOME \\ %s'
SECOND = "airflow_second"
BRANCHES = ("airflow_dev_x_012345", "airflow_dev_y_543210")


class Image:
    """What a container of the image does, on a volume that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    @contextlib.contextmanager
    def started(self, password: str, second: str | None = None) -> Iterator[None]:
        """With the passwords of the first user and the second; of the second there may be no word."""
        secret = self.folder / "password"
        secret.write_text(password)
        environment = {
            "PATH": f"{postgresql.programs('15')}:{os.environ['PATH']}",
            "POSTGRES_USER": "airflow",
            "POSTGRES_DB": "airflow",
            "POSTGRES_PASSWORD_FILE": str(secret),
            "POSTGRES_DATA": str(self.folder / "data"),
        }
        if second is not None:
            (self.folder / "second").write_text(second)
            environment["POSTGRES_SECOND_USER"] = SECOND
            environment["POSTGRES_SECOND_PASSWORD_FILE"] = str(self.folder / "second")
        command = postgresql.unprivileged(
            str(IMAGES / "postgres" / "entrypoint"),
            *("-p", str(self.port), "-c", f"unix_socket_directories={self.folder}"),
        )
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            self._wait(process, ("airflow", password) if password else (SECOND, second or ""))
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def _wait(self, process: "subprocess.Popen[bytes]", login: tuple[str, str]) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                return self.connect(*login, "airflow").close()
            except psycopg2.OperationalError:
                log = (self.folder / "log").read_text()
                assert process.poll() is None, log
                assert time.monotonic() < end, log
                time.sleep(0.1)

    def connect(self, user: str, password: str, database: str) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=database
        )


@pytest.fixture
def image() -> Iterator[Image]:
    # Short: the paths of Unix sockets end at 108 characters.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        (Path(folder) / "data").mkdir()
        yield Image(Path(folder))


def test_branches_live_in_it_apart(image: Image) -> None:
    branch_database = script("wait_for_schema") and script("branch_database")
    with image.started(PASSWORD):
        for branch in BRANCHES:
            with contextlib.closing(image.connect("airflow", PASSWORD, "airflow")) as base:
                base.autocommit = True
                assert branch_database.create(base, branch, branch) == ["user", "database"]
        own, other = BRANCHES
        image.connect(own, own, own).close()
        for database in ("airflow", other, "postgres", "template1"):
            with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
                image.connect(own, own, database)
    # As after a base's `up` with another password, with its branches in it.
    with image.started("another one"):
        with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
            image.connect("airflow", PASSWORD, "airflow")
        image.connect(own, own, own).close()
        for branch in BRANCHES:
            with contextlib.closing(image.connect("airflow", "another one", "airflow")) as base:
                base.autocommit = True
                assert branch_database.drop(base, branch) == ["database", "user"]


class TestSecondUser:
    """By whom Airflow logs in while the first one's password is idle."""

    OTHER = "the second's 'p@ss' \\ word"

    def refused(self, image: Image, *logins: tuple[str, str]) -> None:
        for user, password in logins:
            reason = "authentication failed" if password else "no password supplied"
            with pytest.raises(psycopg2.OperationalError, match=reason):
                image.connect(user, password, "airflow")

    def test_it_acts_as_the_first_and_makes_branches_like_it(self, image: Image) -> None:
        branch_database = script("wait_for_schema") and script("branch_database")
        with (
            image.started("", self.OTHER),
            contextlib.closing(image.connect(SECOND, self.OTHER, "airflow")) as base,
        ):
            base.autocommit = True
            with base.cursor() as cursor:
                cursor.execute("create table made ()")
                cursor.execute(
                    "select tableowner, current_user from pg_tables where tablename = 'made'"
                )
                assert cursor.fetchone() == ("airflow", "airflow")
            assert branch_database.create(base, BRANCHES[0], "branch") == ["user", "database"]
            assert branch_database.drop(base, BRANCHES[0]) == ["database", "user"]
            self.refused(image, ("airflow", ""), ("airflow", self.OTHER))

    def test_a_start_brings_both_to_what_is_configured(self, image: Image) -> None:
        """In each step of a rotation, whatever the volume remembers; and without one there is no second user."""
        with (
            image.started(PASSWORD, ""),
            contextlib.closing(image.connect("airflow", PASSWORD, "airflow")) as base,
            base.cursor() as cursor,
        ):
            cursor.execute("select 1 from pg_roles where rolname = %s", (SECOND,))
            assert cursor.fetchone() is None
        with image.started(PASSWORD, self.OTHER):
            image.connect("airflow", PASSWORD, "airflow").close()
            image.connect(SECOND, self.OTHER, "airflow").close()
        with image.started("", self.OTHER):
            image.connect(SECOND, self.OTHER, "airflow").close()
            self.refused(image, ("airflow", PASSWORD), ("airflow", ""))
        with image.started("set by hand", ""):
            image.connect("airflow", "set by hand", "airflow").close()
            self.refused(image, (SECOND, self.OTHER), (SECOND, ""))


def test_telegraf_has_a_user_in_it_that_sees_figures_alone(image: Image) -> None:
    assert script("wait_for_schema")
    assert script("branch_database")
    monitor = script("database_monitor")
    login = ("aerodrome_monitor", "its password")
    with (
        image.started(PASSWORD),
        contextlib.closing(image.connect("airflow", PASSWORD, "airflow")) as base,
    ):
        base.autocommit = True
        assert monitor.ensure(base, *login)
        with (
            contextlib.closing(image.connect(*login, "airflow")) as own,
            own.cursor() as cursor,
        ):
            cursor.execute("select usename, pg_database_size('airflow') from pg_stat_activity")
            assert "airflow" in [name for name, size in cursor.fetchall() if size > 0]
        assert monitor.drop(base, login[0])


def test_nobody_is_the_servers_superuser_over_the_network(image: Image) -> None:
    with image.started(PASSWORD):
        for password in ("", PASSWORD, "postgres"):
            with pytest.raises(psycopg2.OperationalError):
                image.connect("postgres", password, "postgres")
        with (
            contextlib.closing(image.connect("airflow", PASSWORD, "airflow")) as base,
            base.cursor() as cursor,
        ):
            cursor.execute(
                "select rolsuper, rolcreatedb, rolcreaterole from pg_roles"
                " where rolname = current_user"
            )
            assert cursor.fetchone() == (False, True, True)
