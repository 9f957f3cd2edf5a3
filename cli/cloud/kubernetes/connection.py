"""The one module that knows the package `kubernetes`: requests to an API server, logged in.

Of the package it takes the way through a proxy and the websockets; objects stay plain dictionaries. It is imported only
for those, for that takes a quarter of a second: a plain request needs no more than urllib3, which boto3 has loaded anyhow.
"""

import contextlib
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import getproxies

from cli.base.errors import KitError
from cli.cloud.kubernetes.errors import UNAUTHORIZED, Unreachable, refused
from cli.cloud.kubernetes.kubeconfig import Login, current

if TYPE_CHECKING:
    import urllib3

SECONDS = 30.0
"""How long one request may take, if the caller knows no better."""

ATTEMPTS = 10
"""Of a request that the server throttles."""

THROTTLED = 429
LONGEST_PAUSE = 10
"""Seconds between two of them, whatever the server says."""

CONNECTIONS = 16
"""To one server, kept open; as many as threads that ask at once."""

JSON = "application/json"
_OUTPUT, _ERRORS, _STATUS = 1, 2, 3
"""The channels of a command in a pod."""

Query = Sequence[tuple[str, str]]
Explain = Callable[[], KitError | None]


def unexplained() -> KitError | None:
    """Nothing is known but that there is no answer."""
    return None


class Connection:
    """Requests to the API server that a kubeconfig names. Threads may share one."""

    def __init__(self, kubeconfig: Path | str, explain: Explain = unexplained) -> None:
        self._cluster, user = current(kubeconfig)
        self._login = Login(user)
        self._explain = explain
        self._server = str(self._cluster["server"]).rstrip("/")
        self._authority = self._file(self._cluster.get("certificate-authority"))
        self._certificate = self._file(user.get("client-certificate"))
        self._key = self._file(user.get("client-key"))

    @cached_property
    def _pools(self) -> "urllib3.PoolManager":
        import urllib3

        if "proxy-url" in self._cluster or getproxies().keys() - {"no"}:
            # Which proxy, and whether this server is among those that need none, is the package's judgement.
            from kubernetes.client.rest import RESTClientObject

            pools: urllib3.PoolManager = RESTClientObject(self._settings).pool_manager
            return pools
        name = self._cluster.get("tls-server-name")
        return urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=self._retries,
            cert_reqs="CERT_NONE" if self._unverified else "CERT_REQUIRED",
            ca_certs=self._authority,
            cert_file=self._certificate,
            key_file=self._key,
            **({"server_hostname": name} if name else {}),
        )

    @cached_property
    def _settings(self) -> Any:
        """The same for the package."""
        from kubernetes.client import Configuration

        settings = Configuration(host=self._server)
        settings.connection_pool_maxsize = CONNECTIONS
        settings.retries = self._retries
        settings.ssl_ca_cert = self._authority
        settings.cert_file = self._certificate
        settings.key_file = self._key
        settings.tls_server_name = self._cluster.get("tls-server-name")
        settings.verify_ssl = not self._unverified
        if "proxy-url" in self._cluster:
            # Else it is the environment's.
            settings.proxy, settings.proxy_headers = _proxy(str(self._cluster["proxy-url"]))
            # As kubectl has it: what a kubeconfig names is taken whatever the variables say.
            settings.no_proxy = None
        return settings

    @cached_property
    def _unverified(self) -> bool:
        import urllib3

        unverified = bool(self._cluster.get("insecure-skip-tls-verify"))
        if unverified:
            # Whoever wrote the kubeconfig knows.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return unverified

    @cached_property
    def _retries(self) -> "urllib3.Retry":
        import urllib3

        return urllib3.Retry(
            total=ATTEMPTS - 1,
            connect=2,
            # What timed out is not tried again: nobody waits longer than was asked.
            read=0,
            # A proxy that a kubeconfig names has waited itself for what it needs.
            other=0 if "proxy-url" in self._cluster else None,
            # A throttled request was not carried out, whatever it asks for; the server says when to come again.
            status=ATTEMPTS - 1,
            status_forcelist=[THROTTLED],
            allowed_methods=None,
            backoff_factor=0.2,
            retry_after_max=LONGEST_PAUSE,
            raise_on_status=False,
        )

    def request(
        self,
        method: str,
        path: str,
        query: Query = (),
        *,
        body: Mapping[str, Any] | None = None,
        content: str = JSON,
        accept: str = JSON,
        seconds: float = SECONDS,
        attempts: int = ATTEMPTS,
    ) -> bytes:
        """The answer's body. Refused if it is an error, Unreachable if there is none and nobody knows why. `attempts`: of a
        request that the server throttles."""
        import urllib3

        headers = {"Accept": accept, "Content-Type": content}
        text = None if body is None else json.dumps(body)

        def ask() -> tuple[int, bytes]:
            login = self._authorization()
            try:
                answer = self._pools.request(
                    method,
                    self._url(path, query),
                    body=text,
                    headers={**headers, **login},
                    timeout=urllib3.Timeout(total=seconds),
                    retries=self._retries.new(status=attempts - 1),
                )
            except urllib3.exceptions.HTTPError as error:
                raise self._unreachable(error) from error
            return answer.status, answer.data

        status, data = ask()
        if status == UNAUTHORIZED and self._login.forget():
            # Once: when a new token is not accepted either, it is no question of time.
            status, data = ask()
        if status >= 400:
            raise refused(status, data, f"{method} {path}", self._login.whoami)
        return data

    def execute(self, path: str, query: Query, seconds: float | None) -> tuple[int, str, str]:
        """Runs a command in a pod: exit code, output and errors. KitError if it takes too long."""
        import websocket
        from kubernetes.stream.ws_client import WSClient, get_websocket_url

        # The package has no bound of its own for the connection.
        websocket.setdefaulttimeout(SECONDS)
        url, login = get_websocket_url(self._url(path, query)), self._authorization()
        try:
            client = WSClient(self._settings, url, login, capture_all=False)
            with contextlib.closing(client):
                client.run_forever(timeout=seconds)
                if client.is_open():
                    raise KitError(
                        "A command in a pod does not end",
                        f"It was left after {seconds:.0f} seconds.",
                    )
                output, errors, status = map(client.read_channel, (_OUTPUT, _ERRORS, _STATUS))
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            raise refused(error.status_code, body, f"exec {path}", self._login.whoami) from error
        except (websocket.WebSocketException, OSError) as error:
            raise self._unreachable(error) from error
        return _exit_code(status), output, errors

    def _url(self, path: str, query: Query) -> str:
        return f"{self._server}{path}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    def _authorization(self) -> dict[str, str]:
        """The header of the login. UserError if there is none to be had."""
        token = self._login.token()
        return {"authorization": f"Bearer {token}"} if token else {}

    def _unreachable(self, error: Exception) -> KitError:
        if known := self._explain():
            return known
        reason = getattr(error, "reason", None) or error
        return Unreachable("Kubernetes does not answer", f"{self._server}: {reason}")

    def _file(self, content: bytes | None) -> str | None:
        """A path that `content` can be read from while the connection is used.

        Libraries want paths. It is on no disk where that is possible: a killed process leaves no key.
        """
        if content is None:
            return None
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("aerodrome")
            weakref.finalize(self, os.close, descriptor)
            os.write(descriptor, content)
            return f"/proc/self/fd/{descriptor}"
        file = tempfile.NamedTemporaryFile(prefix="aerodrome-")  # noqa: SIM115 - open as long as the connection
        weakref.finalize(self, file.close)
        file.write(content)
        file.flush()
        return file.name


def _proxy(url: str) -> tuple[str, dict[str, str] | None]:
    """A proxy's address without its password, and the header that has it."""
    from urllib3 import make_headers

    place = urlsplit(url)
    if place.username is None:
        return url, None
    login = f"{unquote(place.username)}:{unquote(place.password or '')}"
    address = place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()
    return address, dict(make_headers(proxy_basic_auth=login))


def _exit_code(status: str) -> int:
    """Of what a command in a pod ended with. KitError if it did not run."""
    if not status:
        raise KitError("A command in a pod was cut off", "The connection to it ended before it.")
    answer = json.loads(status)
    if answer["status"] == "Success":
        return 0
    causes = (answer.get("details") or {}).get("causes") or ()
    codes = [cause["message"] for cause in causes if cause.get("reason") == "ExitCode"]
    if not codes:
        raise KitError("A command cannot be run in a pod", str(answer.get("message") or status))
    return int(codes[0])
