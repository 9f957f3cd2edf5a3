"""What stands between a process and the emulator in tests of the secrets backend: it counts the questions, and can fail as AWS does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.charts.rendering import render
from tests.unit.sandbox.aws.conftest import REGION

HANGS_FOR = 6.0
"""Longer than a task waits for the api-server."""


class Front:
    """Hands requests on; `fails` is `throttled`, `hangs`, or nothing."""

    def __init__(self, target: str) -> None:
        self.asked: list[str] = []
        self.fails = ""
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                front.asked.append(f"{self.headers['X-Amz-Target']} {body.decode()}")
                if front.fails == "hangs":
                    time.sleep(HANGS_FOR)
                    self.close_connection = True
                    return
                if front.fails == "throttled":
                    self.answer(
                        400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
                    )
                    return
                # With the host that was signed.
                answer = httpx.post(target, content=body, headers=dict(self.headers), timeout=30)
                self.answer(answer.status_code, answer.content)

            def answer(self, status: int, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def front_of(target: str) -> Iterator[Front]:
    it = Front(target)
    yield it
    it.server.shutdown()
    it.server.server_close()


def chart_settings(service: str, folder: str, cache_seconds: int = 2) -> dict[str, str]:
    """Airflow's settings that the chart has for a secrets backend, and without one has not."""
    backend = {
        "service": service,
        "folder": folder,
        "region": REGION,
        "cacheSeconds": cache_seconds,
    }
    without = render().environment()
    found = render({"secretsBackend": backend}).environment()
    return {key: value for key, value in found.items() if value != without.get(key)}
