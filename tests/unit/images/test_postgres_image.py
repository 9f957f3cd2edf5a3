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
BRANCHES = ("airflow_dev_x_012345", "airflow_dev_y_543210")


class Image:
    """What a container of the image does, on a volume that outlives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()

    @contextlib.contextmanager
    def started(self, password: str) -> Iterator[None]:
        secret = self.folder / "password"
        secret.write_text(password)
        environment = {
            "PATH": f"{postgresql.programs('15')}:{os.environ['PATH']}",
            "POSTGRES_USER": "airflow",
            "POSTGRES_DB": "airflow",
            "POSTGRES_PASSWORD_FILE": str(secret),
            "POSTGRES_DATA": str(self.folder / "data"),
        }
        command = postgresql.unprivileged(
            str(IMAGES / "postgres" / "entrypoint"),
            *("-p", str(self.port), "-c", f"unix_socket_directories={self.folder}"),
        )
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            self._wait(process, password)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def _wait(self, process: "subprocess.Popen[bytes]", password: str) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                return self.connect("airflow", password, "airflow").close()
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
