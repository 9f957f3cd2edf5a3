"""The HTTP side of webhook and agent."""

import json
import logging
import socket
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.aws.pod_identity import webhook
from sandbox.aws.pod_identity.agent import Agent
from sandbox.aws.pod_identity.associations import Associations
from sandbox.aws.pod_identity.aws import AwsError
from sandbox.aws.pod_identity.settings import PodIdentitySettings, host_and_port

log = logging.getLogger("aerodrome.pod-identity")

IP_FREEBIND = 15
"""Linux' number, which Python's socket module does not name."""


class Server(ThreadingHTTPServer):
    """An HTTP server with a thread for each connection; its address need not be there yet."""

    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def answer(self, status: int, content: str, kind: str = "application/json") -> None:
        data = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def webhook_server(settings: PodIdentitySettings, associations: Associations) -> Server:
    class Webhook(Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                answer = webhook.review(json.loads(body), associations, settings.aws_url)
            except AwsError as error:
                log.warning("webhook: %s", error)
                self.answer(503, str(error), "text/plain")
                return
            self.answer(200, json.dumps(answer))

    server = Server(host_and_port(settings.webhook), Webhook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.certificate, settings.key)
    # The handshake is left to the connection's own thread, on its first read.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server


def agent_server(settings: PodIdentitySettings, agent: Agent) -> Server:
    class Credentials(Handler):
        def do_GET(self) -> None:
            if self.path != "/v1/credentials":
                self.answer(404, "404 page not found\n", "text/plain")
                return
            try:
                found = agent.credentials(self.headers.get("Authorization", ""))
            except AwsError as error:
                log.warning("agent: %s: %s", error.code, error.summary)
                message = f"({error.code}): {error.summary}, fault: client\n"
                self.answer(error.status, message, "text/plain")
                return
            self.answer(200, json.dumps(found))

    return Server(host_and_port(settings.agent), Credentials)
