"""An HTTP server on every address of its pod, IPv4 and IPv6 alike, that logs no request: a line for each would bury the
pod's own log.
"""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class PodServer(HTTPServer):
    """Takes connections one after the other; with ThreadingMixIn side by side."""

    def __init__(self, port: int, handler: type["QuietHandler"]) -> None:
        self.address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        super().__init__(("", port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class QuietHandler(BaseHTTPRequestHandler):
    """Answers, and prints nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
