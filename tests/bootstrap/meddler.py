"""A proxy before the emulator that spoils a run at a chosen request.

It counts the requests that change something. At the chosen one it lets the work be done and then kills
the process, or it answers that the credentials have expired.
"""

import http.client
import os
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

EXPIRED = (
    b'<?xml version="1.0"?><Error><Code>ExpiredToken</Code>'
    b"<Message>The provided token has expired.</Message></Error>"
)
EXPIRED_JSON = b'{"__type":"ExpiredTokenException","message":"The security token has expired"}'


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A process that was killed does not wait for its answer."""


class Meddler:
    """`at` is the number of the change that is spoiled, from 1; 0 spoils nothing."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.changes: list[str] = []
        self.at = 0
        self.expire = False
        self.victim: Callable[[], int] = os.getpid
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                meddler.serve(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any

            def log_message(self, *args: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = _body(request)
        change = _change(request)
        if change:
            self.changes.append(change)
        spoil = self.at and len(self.changes) >= self.at
        if spoil and self.expire:
            json_service = "X-Amz-Target" in request.headers
            _answer(request, 400, EXPIRED_JSON if json_service else EXPIRED, [])
            return
        connection = http.client.HTTPConnection(self._upstream.netloc)
        connection.request(request.command, request.path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = answer.read()
        if spoil and change:
            # The work is done, and nobody hears of it.
            os.kill(self.victim(), signal.SIGKILL)
        _answer(request, answer.status, content, answer.getheaders())


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        chunks = []
        while size := int(request.rfile.readline().split(b";")[0], 16):
            chunks.append(request.rfile.read(size))
            request.rfile.readline()
        request.rfile.readline()
        del request.headers["Transfer-Encoding"]
        return b"".join(chunks)
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))


def _change(request: BaseHTTPRequestHandler) -> str:
    """What a request changes; empty if it only looks."""
    action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    if action:
        looks = action.startswith(("Describe", "Get", "List"))
        return "" if looks else action
    if "/s3/" not in request.headers.get("Authorization", ""):
        # EC2 and STS are only asked.
        return ""
    return "" if request.command in ("GET", "HEAD") else f"{request.command} {request.path}"


def _answer(
    request: BaseHTTPRequestHandler, status: int, content: bytes, headers: list[tuple[str, str]]
) -> None:
    request.send_response(status)
    for name, value in headers:
        if name.lower() not in (
            "content-length",
            "transfer-encoding",
            "connection",
            "date",
            "server",
        ):
            request.send_header(name, value)
    length = next((v for n, v in headers if n.lower() == "content-length"), str(len(content)))
    request.send_header(
        "Content-Length", length if request.command == "HEAD" else str(len(content))
    )
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)
