"""An authenticated and authorized call to a service, and the type of what answers it."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.standin.emulator import Answer, Raw


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: dict[str, list[str]]

    @property
    def action(self) -> str:
        """The operation of a JSON or query-protocol call; empty for REST."""
        target = self.headers.get("x-amz-target", "")
        if target:
            return target.rpartition(".")[2]
        return self.parameter("Action")

    def parameter(self, name: str) -> str:
        """A parameter of the query protocol, from the URL or the form."""
        if name in self.query:
            return self.query[name][0]
        if "x-www-form-urlencoded" not in self.headers.get("content-type", ""):
            return ""
        return parse_qs(self.body.decode("utf-8", "replace")).get(name, [""])[0]

    def json(self) -> dict[str, Any]:
        """The JSON body; empty if there is none, or it is no object."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def with_json(self, body: dict[str, Any]) -> "Call":
        return replace(self, body=json.dumps(body).encode())


Handler = Callable[[Call], Awaitable[Answer]]


def from_raw(raw: Raw) -> Handler:
    """A handler in our form from one in MiniStack's."""

    async def handler(call: Call) -> Answer:
        return await raw(call.method, call.path, call.headers, call.body, call.query)

    return handler


def to_raw(handler: Handler) -> Raw:
    """The other way round."""

    async def raw(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Answer:
        return await handler(Call(method, path, headers, body, query))

    return raw


def json_answer(body: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(body).encode()
