"""A client for the API server of the tests: no process for each call, as kubectl takes."""

import base64
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any


class RefusedCall(RuntimeError):
    """The API server answered with an error."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Api:
    """JSON in, JSON out, as the administrator of a kubeconfig."""

    def __init__(self, kubeconfig: str) -> None:
        config = json.loads(kubeconfig)
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.server = cluster["server"]
        self._context = ssl.create_default_context(cadata=authority)
        self._token = config["users"][0]["user"]["token"]
        self._mine = threading.local()

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def items(self, path: str) -> list[Any]:
        found: list[Any] = self.get(path)["items"]
        return found

    def post(self, path: str, body: Any) -> Any:
        return self._call("POST", path, body)

    def patch(self, path: str, body: Any, kind: str = "merge") -> Any:
        return self._call("PATCH", path, body, f"application/{kind}-patch+json")

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def watch(self, path: str, since: str) -> Iterator[Any]:
        """The events after a version of a list, until the caller stops."""
        headers = {"Authorization": f"Bearer {self._token}"}
        host = self.server.removeprefix("https://")
        with closing(http.client.HTTPSConnection(host, context=self._context)) as connection:
            connection.request("GET", f"{path}?watch=1&resourceVersion={since}", headers=headers)
            answer = connection.getresponse()
            while line := answer.readline():
                yield json.loads(line)

    def _call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        text = None if body is None else json.dumps(body)
        for last in (False, True):
            connection = self._connection()
            try:
                connection.request(method, path, text, headers)
                answer = connection.getresponse()
                told = answer.read()
                break
            except (http.client.HTTPException, OSError):
                # The server ends connections that were idle.
                self._mine.connection = None
                if last:
                    raise
        if answer.status >= 300:
            text = f"{method} {path}: {answer.status} {told.decode()}"
            raise RefusedCall(answer.status, text)
        return json.loads(told)

    def _connection(self) -> http.client.HTTPSConnection:
        """One for each thread, kept: a greeting takes longer than a call."""
        found: http.client.HTTPSConnection | None = getattr(self._mine, "connection", None)
        if found is None:
            host = self.server.removeprefix("https://")
            found = http.client.HTTPSConnection(host, context=self._context, timeout=120)
            self._mine.connection = found
        return found
