"""An InfluxDB that is another's, a real one: what `up` says of it, how metrics get there, who reads them."""

import base64
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Any

import pytest

from cli.base.settings import qualified
from cli.operations import health_figures, metrics_store, monitoring_access
from cli.operations.preflight import influxdb
from cli.stack.backends import Found
from infra.contract import metrics
from tests.charts.rendering import merge
from tests.charts.test_monitoring import LEAST, rendered
from tests.ports import free_port
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession
from tests.unit.images.metrics_pipeline import Pipeline

USER, DATABASE, PASSWORD = "team@example", "warehouse", 'of the team\'s \\ "own"'


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """With a database and its user, and another who may only read."""
    pipeline = Pipeline(tmp_path_factory.mktemp("outside"))
    pipeline.configure()
    pipeline.set_up()
    try:
        pipeline.start("influxd")
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        for statement in (
            f'CREATE DATABASE "{DATABASE}" WITH DURATION 30d',
            'CREATE DATABASE "bare"',
            f"CREATE USER \"{USER}\" WITH PASSWORD '{quoted}'",
            f'GRANT ALL ON "{DATABASE}" TO "{USER}"',
            f'GRANT ALL ON "bare" TO "{USER}"',
            f"CREATE USER \"guest\" WITH PASSWORD '{quoted}'",
            f'GRANT READ ON "{DATABASE}" TO "guest"',
        ):
            pipeline.ask(statement, metrics.ADMIN)
        yield pipeline
    finally:
        for program in list(pipeline.processes):
            pipeline.stop(program)


def configured(url: str, **more: str) -> dict[str, str]:
    values = {
        "monitoring": "metrics",
        "influxdbUrl": url,
        "influxdbDatabase": DATABASE,
        "influxdbUser": USER,
        "influxdbPassword": PASSWORD,
        **more,
    }
    return {qualified(key): value for key, value in values.items()}


def at(pipeline: Pipeline) -> str:
    return f"http://localhost:{pipeline.influxdb_port}"


@pytest.fixture
def dedicated(session: FakeSession, run: Run) -> FakeSession:
    """An environment that is deployed, and goes on running whatever an `up` says."""
    assert run("up").exit_code == 0
    session.fake_backend.calls.clear()
    return session


def test_one_that_takes_metrics_is_deployed(
    dedicated: FakeSession, run: Run, outside: Pipeline
) -> None:
    dedicated.fake_backend.values |= configured(at(outside))
    result = run("up")
    assert result.exit_code == 0, result.output
    assert "up" in dedicated.fake_backend.calls


@pytest.mark.parametrize(
    ("more", "said", "command"),
    [
        (
            {"influxdbPassword": "wrong"},
            f"refuses the login of {USER}",
            "config set influxdbPassword --secret",
        ),
        ({"influxdbUser": "nobody"}, "refuses the login of nobody", "config set influxdbPassword"),
        (
            {"influxdbUser": "guest"},
            f"lets guest not read and write {DATABASE}",
            "config set influxdbUser NAME",
        ),
        (
            {"influxdbDatabase": "metrics"},
            f"lets {USER} not read and write metrics",
            "config set influxdbUser NAME",
        ),
        (
            {"influxdbDatabase": "bare"},
            "has no default retention policy for bare",
            "config set influxdbDatabase NAME",
        ),
        (
            {"influxdbDatabase": "nothing"},
            "has no database nothing",
            "config set influxdbDatabase NAME",
        ),
        (
            {"influxdbUrl": "http://influxdb.invalid:8086"},
            "InfluxDB at http://influxdb.invalid:8086 does not answer",
            "config set influxdbUrl ADDRESS",
        ),
        (
            {"influxdbUrl": f"http://127.0.0.1:{free_port()}"},
            "does not answer",
            "config set influxdbUrl ADDRESS",
        ),
    ],
)
@pytest.mark.parametrize("verb", ["up", "preview"])
def test_one_that_takes_none_is_refused_before_anything_is_changed(
    verb: str,
    more: dict[str, str],
    said: str,
    command: str,
    dedicated: FakeSession,
    run: Run,
    outside: Pipeline,
) -> None:
    dedicated.fake_backend.values |= configured(at(outside), **more)
    result = run(verb)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Nothing was changed." in result.stderr
    assert f"./aerodrome {command}" in result.stderr
    assert "Traceback" not in result.stderr
    assert PASSWORD not in result.output
    assert not {"up", "preview"} & set(dedicated.fake_backend.calls)


class Server(HTTPServer):
    """Answers a ping as an InfluxDB of some version; as none without."""

    version = ""


class Ping(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.send_response(204)
        if self.server.version:
            self.send_header("X-Influxdb-Version", self.server.version)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def ping() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Ping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v2.7.1", "is 2.7.1"),
        ("3.0.1", "is 3.0.1"),
        ("1.3.9", "is 1.3.9"),
        ("unknown", "is unknown"),
        ("", "is no InfluxDB"),
    ],
)
def test_another_version_is_refused_by_name(
    version: str, said: str, dedicated: FakeSession, run: Run, ping: Server
) -> None:
    ping.version = version
    dedicated.fake_backend.values |= configured(f"http://127.0.0.1:{ping.server_port}")
    result = run("up")
    assert result.exit_code == 2
    assert said in result.stderr
    assert ("1.6 or a later 1.x" in result.stderr) == bool(version)
    assert "up" not in dedicated.fake_backend.calls


@pytest.mark.parametrize("more", [{"monitoring": "logs"}, {"influxdbUrl": ""}])
def test_what_is_not_used_is_not_asked(
    more: dict[str, str], dedicated: FakeSession, run: Run
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    dedicated.fake_backend.values |= configured(url, **more)
    assert run("up").exit_code == 0


def test_one_that_is_away_and_deployed_stops_no_deployment(
    dedicated: FakeSession, run: Run
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    dedicated.fake_backend.values |= configured(url)
    told = {"values": {metrics.INFLUXDB: {"external": {"url": url}}}}
    release = Found(influxdb.RELEASE, "monitoring", "u", "monitoring", inputs=told)
    dedicated.fake_backend.resources = lambda: [release]  # type: ignore[method-assign]
    result = run("up")
    assert result.exit_code == 0, result.output
    assert f"not checked before the deployment: InfluxDB at {url} does not answer" in result.stderr


@dataclass
class Cluster:
    """One whose namespace of monitoring says that InfluxDB is elsewhere."""

    content: dict[str, str]
    forwards: list[str] = field(default_factory=list)

    def find(self, kind: str, name: str) -> dict[str, Any]:
        assert (kind, name) == ("secret", metrics.SECRET)
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in self.content.items()}
        return {"data": encoded}


def test_metrics_get_there_and_are_read_there(outside: Pipeline) -> None:
    external = {"url": at(outside), "database": DATABASE, "user": USER}
    chart = rendered(
        merge(LEAST, {"influxdb": {"external": external}, "telegraf": {"airflowSeconds": 1}})
    )
    config = chart.find("ConfigMap", metrics.STATSD_SERVICE)["data"]["telegraf.conf"]
    folder: Path = outside.folder
    (folder / "telegraf.conf").write_text(outside.placed(config))
    (folder / "passwords" / metrics.WRITER).write_text(PASSWORD)
    outside.start("telegraf")
    content = {**external, metrics.WRITER: PASSWORD, metrics.READER: PASSWORD}
    cluster: Any = Cluster(content)

    def heartbeats() -> float:
        with metrics_store.connection(cluster) as server:
            figures = {one.key: one for one in health_figures.figures(server, "test", 1)}
        return figures["schedulerHeartbeats"].value or 0

    with socket(AF_INET, SOCK_DGRAM) as sender:
        for _ in range(7):
            packet = b"airflow.scheduler_heartbeat,environment=test:1|c"
            sender.sendto(packet, ("127.0.0.1", outside.statsd_port))
    until = time.monotonic() + 60
    while heartbeats() < 7:
        assert time.monotonic() < until, outside.log("telegraf")
        time.sleep(0.2)
    assert heartbeats() == 7
    store = metrics_store.find(cluster)
    assert store
    with metrics_store.address(cluster, store) as url:
        assert url == at(outside)
    # Nobody's password, and nothing in the release's own database.
    assert PASSWORD not in outside.log("telegraf")
    assert not outside.ask("SHOW MEASUREMENTS")


def test_the_page_has_the_queries_that_its_owner_adds(outside: Pipeline) -> None:
    page = (Path(__file__).parents[5] / "docs" / "monitoring.md").read_text()
    statements = [
        line.strip().replace('"DATABASE"', f'"{DATABASE}"')
        for line in page.splitlines()
        if line.strip().startswith("CREATE CONTINUOUS QUERY")
    ]
    for statement in statements:
        outside.ask(statement, metrics.ADMIN)
    names = {row["name"] for row in outside.ask("SHOW CONTINUOUS QUERIES", metrics.ADMIN)}
    assert {"runs_failed", "runs_success"} <= names
    assert len(statements) == 2


def test_open_says_whose_login_it_is() -> None:
    cluster = Cluster({"url": "https://influxdb.example", "user": USER, metrics.READER: "x"})

    class Cloud:
        def kubernetes(self, *_: object) -> Cluster:
            return cluster

    class Live:
        cloud, outputs = Cloud(), None

    found: Any = Live()
    assert monitoring_access.influxdb_login(found) == (USER, "influxdbPassword")
