"""The one module that knows the package `kubernetes`: requests to an API server, logged in.

Of the package it takes the transport (proxies, TLS, pooling) and the websockets; objects stay plain
dictionaries. It is imported when a cluster is first asked, for it takes a quarter of a second.
"""

import contextlib
import json
import os
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from cli.base.errors import KitError
from cli.cloud.kubernetes.errors import UNAUTHORIZED, Unreachable, refused
from cli.cloud.kubernetes.kubeconfig import Login, current

SECONDS = 30.0
"""How long one request may take, if the caller knows no better."""

ATTEMPTS = 10
"""Of a request that the server throttles."""

THROTTLED = 429
LONGEST_PAUSE = 10
"""Seconds between two of them, whatever the server says."""

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

    def __init__(
        self, kubeconfig: Path | str, explain: Explain = unexplained, attempts: int = ATTEMPTS
    ) -> None:
        import urllib3
        from kubernetes.client import ApiClient, Configuration

        cluster, user = current(kubeconfig)
        self._login = Login(user)
        self._explain = explain
        settings = Configuration(host=str(cluster["server"]).rstrip("/"))
        settings.ssl_ca_cert = self._file(cluster.get("certificate-authority"))
        settings.cert_file = self._file(user.get("client-certificate"))
        settings.key_file = self._file(user.get("client-key"))
        settings.tls_server_name = cluster.get("tls-server-name")
        if "proxy-url" in cluster:
            # Else it is the environment's.
            settings.proxy, settings.proxy_headers = _proxy(str(cluster["proxy-url"]))
            # As kubectl has it: what a kubeconfig names is taken whatever the variables say.
            settings.no_proxy = None
        if cluster.get("insecure-skip-tls-verify"):
            settings.verify_ssl = False
            # Whoever wrote the kubeconfig knows.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        settings.retries = urllib3.Retry(
            total=ATTEMPTS - 1,
            connect=2,
            # What timed out is not tried again: nobody waits longer than was asked.
            read=0,
            # A proxy that a kubeconfig names has waited itself for what it needs.
            other=0 if "proxy-url" in cluster else None,
            # A throttled request was not carried out, whatever it asks for; the server says when to come again.
            status=attempts - 1,
            status_forcelist=[THROTTLED],
            allowed_methods=None,
            backoff_factor=0.2,
            retry_after_max=LONGEST_PAUSE,
            raise_on_status=False,
        )
        self._api = ApiClient(settings)

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
    ) -> bytes:
        """The answer's body. Refused if it is an error, Unreachable if there is none and nobody knows why."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": accept, "Content-Type": content}

        def ask() -> tuple[int, bytes]:
            prepared = self._prepared(method, path, query, headers, body)
            try:
                answer = self._api.call_api(*prepared, _request_timeout=seconds)
                return answer.status, answer.read()
            except (HTTPError, ApiException) as error:
                raise self._unreachable(error) from error

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
        _, url, headers, *_ = self._prepared("GET", path, query, {}, None)
        try:
            client = WSClient(
                self._api.configuration, get_websocket_url(url), headers, capture_all=False
            )
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

    def _prepared(self, method: str, path: str, query: Query, headers: Any, body: Any) -> Any:
        """A request as the package takes it, with its login. UserError if there is none to be had."""
        token = self._login.token()
        login = {"authorization": f"Bearer {token}"} if token else {}
        return self._api.param_serialize(
            method, path, query_params=list(query), header_params={**headers, **login}, body=body
        )

    def _unreachable(self, error: Exception) -> KitError:
        if known := self._explain():
            return known
        reason = getattr(error, "reason", None) or error
        return Unreachable(
            "Kubernetes does not answer", f"{self._api.configuration.host}: {reason}"
        )

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
