"""The AWS emulator alone, without Kubernetes: what the EKS program is measured against."""

import json
import os
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sandbox import tools
from sandbox.aws.processes import prepare, stand_in, stand_in_process
from sandbox.instance import REGION, Instance

_SECONDS_TO_START = 30


class _EmptyRegistry(BaseHTTPRequestHandler):
    """An image registry to which nothing was ever pushed: ECR asks it for images."""

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def emulator(folder: Path) -> Iterator[dict[str, str]]:
    """Gives the variables that lead to it."""
    instance = Instance("bench", 62, folder)
    prepare(instance)
    instance.pki.mkdir()
    # Nobody connects to the cluster; its certificate is only passed on.
    (instance.pki / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    registry = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyRegistry)
    threading.Thread(target=registry.serve_forever, daemon=True).start()
    settings = replace(
        stand_in(instance),
        host="127.0.0.1",
        port=_free_port(),
        registry_url=f"http://127.0.0.1:{registry.server_port}",
    )
    planned = stand_in_process(settings, tools.ministack_python())
    process = subprocess.Popen(planned.argv, env={"PATH": os.defpath} | dict(planned.env))
    try:
        assert planned.ready is not None
        _wait_for(planned.ready.url)
        key = json.loads(instance.aws_credentials.read_text())
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{settings.port}",
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_REGION": REGION,
        }
    finally:
        process.terminate()
        process.wait()
        registry.shutdown()


def _wait_for(url: str) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < until:
        with suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
