"""A company's proxy: a real one for HTTP, which notes what is asked of it."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_OF_THIS_HOP = (
    "connection",
    "proxy-connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
)


class ForwardProxy:
    """Takes requests to where they are to go; with `upstream` always to that, and there below its path in a registry. Tunnels lead to this machine, and to `hosts`,
    which are played at addresses of it. With the `certificate` of a host it is that host, and no proxy."""

    def __init__(
        self,
        upstream: str = "",
        hosts: Mapping[str, tuple[str, int]] = {},
        certificate: ssl.SSLContext | None = None,
    ) -> None:
        self.asked: list[str] = []
        """The host of each request; of a tunnel with its port."""

        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                proxy.asked.append(self.path)
                host, _, port = self.path.rpartition(":")
                self.close_connection = True
                if host not in ("127.0.0.1", "localhost", *hosts):
                    self.send_error(502)
                    return
                where = hosts.get(host) or (host, int(port))
                with socket.create_connection(where, 30) as there:
                    self.send_response(200)
                    self.end_headers()
                    back = threading.Thread(target=_pump, args=(there, self.connection))
                    back.start()
                    _pump(self.connection, there)
                    back.join()

            def forward(self) -> None:
                wanted = urlsplit(self.path)
                proxy.asked.append(str(wanted.hostname))
                target = urlsplit(upstream) if upstream else wanted
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                way = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
                path = wanted.path or "/"
                if below := upstream and target.path:
                    path = f"/v2{below}{path.removeprefix('/v2')}"
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _OF_THIS_HOP}
                way.request(
                    self.command, f"{path}?{wanted.query}" if wanted.query else path, body, headers
                )
                answer = way.getresponse()
                content = answer.read()
                way.close()
                self.send_response(answer.status)
                for key, text in answer.headers.items():
                    if key.lower() not in _OF_THIS_HOP:
                        self.send_header(key, text)
                empty = self.command == "HEAD"
                told = answer.headers.get("Content-Length") if empty else None
                self.send_header("Content-Length", told or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = forward

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            self.server.socket = certificate.wrap_socket(self.server.socket, server_side=True)
        self.address = ("127.0.0.1", int(self.server.server_port))
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """All of one direction; its end ends the other side's reading."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
