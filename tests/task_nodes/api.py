"""A client for the API server of the tests: no process for each call, as kubectl takes."""

import base64
import http.client
import json
import ssl
import threading
from typing import Any


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
            raise RuntimeError(f"{method} {path}: {answer.status} {told.decode()}")
        return json.loads(told)

    def _connection(self) -> http.client.HTTPSConnection:
        """One for each thread, kept: a greeting takes longer than a call."""
        found: http.client.HTTPSConnection | None = getattr(self._mine, "connection", None)
        if found is None:
            host = self.server.removeprefix("https://")
            found = http.client.HTTPSConnection(host, context=self._context, timeout=120)
            self._mine.connection = found
        return found
