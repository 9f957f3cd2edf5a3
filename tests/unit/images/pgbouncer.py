"""PgBouncer as the image runs it: its entrypoint, Debian's program, and the settings that the chart renders."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import psycopg2.extensions

from infra.contract import metrics
from infra.contract.pooling import userlist
from sandbox import tools
from tests.charts.rendering import render
from tests.charts.test_pgbouncer import POOLED
from tests.ports import free_port
from tests.unit.images.loading import IMAGES
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server, unprivileged

MONITORED = {
    "secrets": {"monitor": "my-monitor"},
    "databaseMonitor": {"role": metrics.MONITOR, "namespace": metrics.NAMESPACE},
}

DEBIAN = tools.checkers_dir() / "debian"


@dataclass(frozen=True)
class PgBouncer:
    """One that runs."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"

    def url(self, user: str, password: str, database: str) -> str:
        """As the program writes it."""
        login = f"{user}:{quote(password, safe='')}"
        return f"postgresql+psycopg2://{login}@127.0.0.1:{self.port}/{database}"

    def connect(
        self, database: str, user: str = MASTER, password: str = MASTER_PASSWORD, **more: str
    ) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=database, **more
        )

    def pools(self) -> list[dict[str, Any]]:
        """What its console says, over the socket as in the container."""
        with self._console() as cursor:
            cursor.execute("show pools")
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def reload(self) -> None:
        """Has it read its settings and its list of users anew."""
        with self._console() as cursor:
            cursor.execute("reload")

    @contextmanager
    def _console(self) -> "Iterator[psycopg2.extensions.cursor]":
        connection = psycopg2.connect(
            host=str(self.folder), port=self.port, user="pgbouncer", dbname="pgbouncer"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def log(self) -> str:
        return (self.folder / "log").read_text()


def rendered(server: Server, sslmode: str, values: Mapping[str, Any]) -> str:
    """The chart's pgbouncer.ini for a server of this machine."""
    where = {"host": "127.0.0.1", "port": server.port, "sslmode": sslmode}
    chart = render(POOLED, MONITORED, {"pgbouncer": {"server": where, **values}})
    assert not chart.error
    text: str = chart.find("ConfigMap", "airflow-pgbouncer")["data"]["pgbouncer.ini"]
    return text


@contextmanager
def running(
    server: Server,
    folder: Path,
    users: Mapping[str, str] | None = None,
    *,
    sslmode: str = "require",
    **values: Any,
) -> Iterator[PgBouncer]:
    """Before `server`, with these of the chart's values of `pgbouncer`. Its place and its port are the test's."""
    port = free_port()
    text = rendered(server, sslmode, values)
    for ours, here in (
        ("listen_port = 6432", f"listen_port = {port}"),
        ("listen_addr = *", "listen_addr = 127.0.0.1"),
        ("/run/pgbouncer", str(folder)),
        ("/run/secrets/pgbouncer/userlist.txt", str(folder / "userlist.txt")),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "pgbouncer.ini").write_text(text)
    (folder / "userlist.txt").write_text(userlist(users or {MASTER: MASTER_PASSWORD}))
    environment = {
        "PATH": f"{DEBIAN / 'usr' / 'sbin'}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": str(DEBIAN / "usr" / "lib" / "x86_64-linux-gnu"),
        "PGBOUNCER_CONFIG": str(folder / "pgbouncer.ini"),
    }
    command = unprivileged(str(IMAGES / "pgbouncer" / "entrypoint"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    found = PgBouncer(folder, port, process)
    try:
        _wait(found)
        yield found
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait(found: PgBouncer) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            found.pools()
            return
        except psycopg2.OperationalError:
            assert found.process.poll() is None, found.log()
            assert time.monotonic() < end, found.log()
            time.sleep(0.05)
