"""A very small Kubernetes API client: JSON over HTTPS with a client certificate.

Standard library only, because one of its users stays in memory for the sandbox's lifetime.
The `kubernetes` provider has its own; this one serves the sandbox's start and its volumes.
"""

import base64
import http.client
import json
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.errors import KitError

APPLY = "application/apply-patch+yaml"


class ApiError(KitError):
    """The API server refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"Kubernetes API: {message}")
        self.code = code


class Api:
    """One kubeconfig's user at one API server."""

    def __init__(self, kubeconfig: Path) -> None:
        content = json.loads(kubeconfig.read_text())
        cluster = content["clusters"][0]["cluster"]
        user = content["users"][0]["user"]
        self._address = urlsplit(cluster["server"]).netloc
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)
        # The ssl module takes a certificate and its key only from a file. One in memory stays
        # nowhere, whenever this process is killed.
        with os.fdopen(os.memfd_create("client"), "wb") as pair:
            for name in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user[name]))
            pair.flush()
            self._context.load_cert_chain(f"/proc/self/fd/{pair.fileno()}")

    def get(self, path: str) -> dict[str, Any]:
        return self.call("GET", path)

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Server-side apply of one object, whose own path this is."""
        self.call("PATCH", f"{path}?fieldManager=aerodrome&force=true", manifest, APPLY)

    def merge(self, path: str, change: dict[str, Any]) -> None:
        """Merges a change into an object, or into the part of it that the path names."""
        self.call("PATCH", path, change, "application/merge-patch+json")

    def call(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """One request, on a connection of its own."""
        connection = self._connect(timeout=10.0)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": kind})
            answer = connection.getresponse()
            return _decoded(answer.status, answer.read())
        except http.client.HTTPException as error:
            # The server ended in the middle of its answer: for the caller, one more OSError.
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    def watch(self, path: str, version: str, seconds: int) -> Iterator[dict[str, Any]]:
        """Events after `version`; ends by itself after `seconds`."""
        connection = self._connect(timeout=seconds + 10.0)
        try:
            query = f"watch=1&resourceVersion={version}&timeoutSeconds={seconds}"
            connection.request("GET", f"{path}?{query}")
            answer = connection.getresponse()
            if answer.status != 200:
                _decoded(answer.status, answer.read())
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, context=self._context, timeout=timeout)


def _decoded(status: int, content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except json.JSONDecodeError:
        value = {}
    if status >= 400:
        raise ApiError(status, value.get("message") or content.decode(errors="replace")[:300])
    return value if isinstance(value, dict) else {}
