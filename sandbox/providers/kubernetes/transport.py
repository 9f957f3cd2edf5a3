"""HTTP to one kube-apiserver: connections kept, certificates checked, errors made ours.

At the bottom of the provider; knows no resource types. The standard library's client is
enough and loads in 30 ms, a tenth of what the usual ones take.
"""

import http.client
import json
import queue
import socket
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from sandbox.errors import CloudError, UserError
from sandbox.providers.addresses import local_address
from sandbox.providers.kubernetes.credentials import Credentials
from sandbox.providers.kubernetes.kubeconfig import Connection

_TIMEOUT_SECONDS = 60.0
_CONNECT_ATTEMPTS = 3


class ApiError(CloudError):
    """The kube-apiserver answered with a Status. `code` is its reason, like NotFound."""

    def __init__(self, status: int, answer: Mapping[str, Any], method: str, path: str) -> None:
        message = str(answer.get("message") or f"HTTP status {status}")
        super().__init__(message, operation=f"{method} {path}", code=str(answer.get("reason", "")))
        self.status = status
        self.answer = answer


class Unreachable(CloudError):
    """Nothing answers at the cluster's address."""


@dataclass(frozen=True)
class Request:
    """One call. `body` is sent as JSON."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"


class Transport:
    """Calls the kube-apiserver. Safe across threads: each call has a connection to itself."""

    def __init__(self, connection: Connection) -> None:
        parts = urlsplit(connection.server)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise UserError(f"The kubeconfig's server {connection.server!r} is not a URL")
        self.server = connection.server
        self._tls = _tls_context(connection) if parts.scheme == "https" else None
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._name = connection.tls_server_name or parts.hostname
        self._address = ""
        self._credentials = Credentials(connection)
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    @property
    def token(self) -> str:
        """The bearer token in use, '' with a client certificate."""
        return self._credentials.token()

    def json(self, request: Request) -> Any:
        """The answer to `request`; ApiError if it is not a success."""
        return json.loads(self._call(request))

    def text(self, request: Request) -> str:
        """The answer as text, as pods' logs are."""
        return self._call(request).decode(errors="replace")

    def _call(self, request: Request) -> bytes:
        token = self._credentials.token()
        status, answer = self._exchange(request, token)
        if status == http.client.UNAUTHORIZED and self._credentials.renew(token):
            status, answer = self._exchange(request, self._credentials.token())
        if status >= http.client.BAD_REQUEST:
            raise ApiError(status, _status_of(answer), request.method, request.path)
        return answer

    def _exchange(self, request: Request, token: str) -> tuple[int, bytes]:
        headers = {"Accept": "application/json, */*", "User-Agent": "aerodrome"}
        body = None
        if request.body is not None:
            body = json.dumps(request.body).encode()
            headers["Content-Type"] = request.content_type
        if token:
            headers["Authorization"] = f"Bearer {token}"
        target = self._prefix + request.path
        if request.query:
            target += "?" + urlencode(request.query)
        refusals = 0
        while True:
            channel, fresh = self._channel()
            try:
                channel.request(request.method, target, body=body, headers=headers)
                response = channel.getresponse()
                answer = response.read()
            except (http.client.HTTPException, OSError) as error:
                channel.close()
                if not fresh:
                    # The server may close an idle connection at any moment: no failure.
                    continue
                refusals += 1
                # A refused connection did nothing, so it may be tried again.
                if refusals == _CONNECT_ATTEMPTS or not isinstance(error, ConnectionRefusedError):
                    raise self._unreachable(error) from error
                time.sleep(0.25 * 2**refusals)
                continue
            self._idle.put(channel)
            return response.status, answer

    def _unreachable(self, error: Exception) -> CloudError:
        if isinstance(error, ssl.SSLError):
            return CloudError(f"The Kubernetes cluster at {self.server} failed TLS", str(error))
        return Unreachable(f"The Kubernetes cluster at {self.server} does not answer", str(error))

    def _channel(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it is new."""
        try:
            return self._idle.get_nowait(), False
        except queue.Empty:
            pass
        if not self._address:
            self._address = local_address(self._host, "The Kubernetes cluster")
        if self._tls is None:
            return http.client.HTTPConnection(self._address, self._port, _TIMEOUT_SECONDS), True
        return _Channel(self._address, self._port, self._name, self._tls), True


class _Channel(http.client.HTTPSConnection):
    """A TLS connection to an address that presents the certificate of a name."""

    def __init__(self, address: str, port: int, name: str, context: ssl.SSLContext) -> None:
        super().__init__(address, port, timeout=_TIMEOUT_SECONDS, context=context)
        self._server_name = name
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), _TIMEOUT_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._server_name)


def _tls_context(connection: Connection) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=connection.ca.decode() if connection.ca else None)
    if connection.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if connection.client_certificate and connection.client_key:
        # The ssl module reads certificates from files only; this one is gone at once.
        with tempfile.NamedTemporaryFile(prefix="aerodrome-") as pair:
            pair.write(connection.client_certificate + b"\n" + connection.client_key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def _status_of(answer: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(answer)
    except ValueError:
        return {"message": answer.decode(errors="replace").strip()[:500]}
    return parsed if isinstance(parsed, dict) else {}
