"""What Kubernetes clients connect to: ports of this machine's loopback, each connection on the way that it takes.

A proxy for the clients that take one (`HTTPS_PROXY`, or a kubeconfig's `proxy-url`): nothing of a kubeconfig that a stack
keeps has to change. It passes on what goes to other hosts, too, since a program has one proxy for all; so that it is nobody
else's, it wants a password. And a plain port that leads to one host.
"""

import base64
import contextlib
import re
import secrets
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from cli.base.errors import KitError
from cli.cloud.tunnel.way import Way

LOOPBACK: Final = "127.0.0.1"
USER: Final = "aerodrome"
_LONGEST: Final = 16384

NEAR: Final = (
    *("127.0.0.1", "::1", "localhost"),
    # Where AWS's libraries ask for credentials, by plain HTTP.
    *("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23"),
)
"""What no program asks a proxy for."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


class Listener:
    """A port, from its making to `close`."""

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                # Whoever connected has gone: nobody is left to tell.
                with contextlib.suppress(OSError):
                    serve(self.request)

        self._server = _Server((LOOPBACK, port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Proxy(Listener):
    """An HTTP proxy that knows CONNECT, and whoever has its password."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._password = secrets.token_urlsafe(24)
        login = base64.b64encode(f"{USER}:{self._password}".encode()).decode()
        self._login = f"Basic {login}"
        super().__init__(self._serve)

    @property
    def url(self) -> str:
        """With its password: for variables and files of our own processes."""
        return f"http://{USER}:{self._password}@{LOOPBACK}:{self.port}"

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """With these a program takes the proxy for HTTPS, whatever else they were. What was to go without the user's own
        proxy goes without it from here."""
        kept = {
            key: value
            for key, value in environ.items()
            if key.lower() not in ("https_proxy", "no_proxy")
        }
        # gRPC's own way between the processes of Pulumi reads the second spelling.
        near = ",".join(NEAR)
        return {**kept, "HTTPS_PROXY": self.url, "NO_PROXY": near, "no_proxy": near}

    def _serve(self, here: socket.socket) -> None:
        here.settimeout(30)
        head = _head(here)
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        given = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        login = given.get("proxy-authorization", "")
        if not secrets.compare_digest(login.encode(), self._login.encode()):
            _answer(here, 407, "It wants its password", 'Proxy-Authenticate: Basic realm="x"\r\n')
            return
        host, _, port = (words[1] if len(words) > 1 else "").rpartition(":")
        if words[0] != "CONNECT" or not host or not port.isdecimal():
            _answer(here, 405, "It knows nothing but CONNECT")
            return
        wait = re.search(r"\bwait=(\d{1,4})\b", given.get("prefer", ""))
        # Who says how long it waits (RFC 7240) waits for a worker to come; others give a connection half a minute.
        patience, applied = (
            (float(wait[1]), f"Preference-Applied: {wait[0]}\r\n") if wait else (None, "")
        )

        connected = False

        def ready() -> None:
            nonlocal connected
            connected = True
            _answer(here, 200, "Connected", applied)

        try:
            self._way.pass_on(here, host.strip("[]"), int(port), ready, patience)
        except (KitError, OSError) as error:
            if connected:
                # What comes now is taken for the host's words.
                return
            # Clients of Kubernetes show the words of the first line, and nothing else.
            _answer(here, 503, _one_line(error), applied, body=str(error) if wait else "")


class Port(Listener):
    """A port that leads to one host, for clients that take no proxy."""

    def __init__(
        self, way: Way, host: str, port: int, failed: Callable[[str], None], *, local: int = 0
    ) -> None:
        def serve(here: socket.socket) -> None:
            try:
                way.pass_on(here, host, port, lambda: None)
            except (KitError, OSError) as error:
                failed(_one_line(error))

        super().__init__(serve, local)


def _head(here: socket.socket) -> bytes:
    found = b""
    while b"\r\n\r\n" not in found:
        # One by one: what follows is for the host.
        byte = here.recv(1)
        if not byte or len(found) > _LONGEST:
            raise OSError("no request")
        found += byte
    return found


def _answer(here: socket.socket, status: int, words: str, more: str = "", body: str = "") -> None:
    head = f"HTTP/1.1 {status} {words}\r\n{more}\r\n"
    here.sendall(head.encode("latin-1", "replace") + body.encode())


def _one_line(error: Exception) -> str:
    detail: Any = error.detail if isinstance(error, KitError) else ""
    text = f"{error.summary}: {detail}" if isinstance(error, KitError) and detail else str(error)
    return " ".join(text.split())[:500]
