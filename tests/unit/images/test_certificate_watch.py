"""How long a server's certificate is valid, from the server through Telegraf and InfluxDB to the alert: all of them are real."""

import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.contract import metrics
from tests.unit.grafana.evaluation import rule
from tests.unit.images import metrics_pipeline
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.real_airflow import until

DAY = 24 * 3600
TEN_MINUTES = 600


class Server(socketserver.ThreadingTCPServer):
    """It presents a certificate, of its authority as well, and says nothing else."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._folder, self._context = folder, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = super().get_request()
        assert not isinstance(connection, tuple)
        return self._context.wrap_socket(connection, server_side=True), address

    @property
    def name(self) -> str:
        return f"localhost:{self.server_address[1]}"

    def present(self, days: int) -> None:
        """From now on one that is valid for so long, with an authority that is for longer behind it."""
        key, file = self._folder / "key.pem", self._folder / "certificate.pem"
        parts = []
        for name, valid in (("server", days), ("authority", 3650)):
            subprocess.run(
                [
                    *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-subj", f"/CN={name}"),
                    *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", str(valid)),
                    *("-keyout", str(key if name == "server" else self._folder / "other.pem")),
                    *("-out", str(file)),
                ],
                check=True,
                capture_output=True,
            )
            parts.append(file.read_text())
        file.write_text("".join(parts))
        self._context.load_cert_chain(file, key)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as found:
        found.present(5)
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def pipeline(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("metrics")
    servers = [server.name, "localhost:1"]
    with metrics_pipeline.running(folder, certificates=servers) as found:
        yield found


def days(pipeline: Pipeline) -> float:
    (row,) = until(
        lambda: pipeline.ask('SELECT last("expiry") AS seconds FROM "x509_cert" WHERE time > 0')
    )
    return float(row["seconds"]) / DAY


def fires(pipeline: Pipeline, server: Server) -> bool:
    """After ten minutes of the last figure."""
    evaluated, now = rule("certificate-near-its-end"), int(time.time())
    evaluated.firing(pipeline, now)
    firing = evaluated.firing(pipeline, now + TEN_MINUTES)
    return (("source", f"tcp://{server.name}"),) in firing


def test_it_fires_before_the_end_and_resolves_with_another_certificate(
    pipeline: Pipeline, server: Server
) -> None:
    assert 4 < days(pipeline) <= 5
    assert fires(pipeline, server)
    server.present(90)
    until(lambda: days(pipeline) > 80)
    assert not fires(pipeline, server)


def test_a_server_is_one_series_whatever_it_presents(pipeline: Pipeline) -> None:
    keys = {row["tagKey"] for row in pipeline.ask('SHOW TAG KEYS FROM "x509_cert"')}
    assert keys == set(metrics.CERTIFICATE.tags)
    assert len(pipeline.ask('SHOW SERIES FROM "x509_cert"')) == 1
