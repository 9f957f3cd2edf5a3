"""What the UI and the API answer with beside their content, how often a password may be tried, and what tasks may ask for
(`aerodrome_tasks`): a plugin of Airflow's.

Airflow sends no header by which a browser would keep a page to its own, and takes any number of passwords. The chart sets
`AERODROME_CONTENT_SOURCES`, `AERODROME_LOGIN_FAILURES`, `AERODROME_OWNERS` and `AERODROME_INGRESS`; only the api-server
uses the plugin.
"""

import functools
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

SOURCES: Final = "AERODROME_CONTENT_SOURCES"
"""Origins beside Airflow's own that pages may load from and talk to, with blanks between them."""

FAILURES: Final = "AERODROME_LOGIN_FAILURES"
"""How many logins of one account may fail from one address, such as `10 per 5 minutes`; empty: any number."""

OWNERS: Final = "AERODROME_OWNERS"
"""Whose DAGs, connections, variables and assets are what; empty where access.yaml declares no owners."""

INGRESS: Final = "AERODROME_INGRESS"
"""Not empty: an Ingress of the chart leads here."""

EXECUTION: Final = "/execution"
"""Where tasks ask: the address of a pod or of the Service, and never that of people."""

LOGINS: Final = (
    "/auth/token",
    "/auth/token/cli",
    "/auth/login",
    "/auth/login/",
    "/auth/login/local",
)
SWAGGER: Final = ("/docs", "/redoc")
SWAGGERS_HOST: Final = "https://cdn.jsdelivr.net https://fastapi.tiangolo.com"
INLINE: Final = " 'unsafe-inline'"
LONGEST_LOGIN: Final = 64 * 1024

PLAIN: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
HSTS: Final = "max-age=31536000"


def content_policy(path: str, sources: str = "") -> str:
    """Which scripts, styles, frames and addresses a page may use. Styles may be inline: the UI writes its own into the page."""
    if path in SWAGGER:
        return _policy(f"{sources} {SWAGGERS_HOST}", inline=True)
    # Flask AppBuilder's pages have scripts in them.
    return _policy(sources, inline=path.startswith("/auth/"))


@functools.cache
def _policy(sources: str, *, inline: bool) -> str:
    """One of three, for every answer."""
    rules = {
        "default-src": f"'self' {sources}",
        "script-src": f"'self' {sources}{INLINE if inline else ''}",
        "style-src": f"'self' 'unsafe-inline' {sources}",
        "img-src": f"'self' data: {sources}",
        "font-src": f"'self' data: {sources}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'self'",
    }
    return "; ".join(f"{name} {' '.join(value.split())}" for name, value in rules.items())


def _folder(base_url: str) -> str:
    """Of the address that people use; empty if it has none."""
    return urlsplit(base_url).path.rstrip("/")


class BasePath:
    """Takes requests without the folder of a `base_url` as those with it: probes, tasks and forwarded ports know none."""

    def __init__(self, app: App, base_url: str) -> None:
        self._app = app
        self._root = _folder(base_url)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", self._root))
        if self._root and path != self._root and not path.startswith(f"{self._root}/"):
            scope["path"] = self._root + path
            scope["raw_path"] = self._root.encode() + bytes(scope.get("raw_path") or path.encode())
        return await self._app(scope, receive, send)


class Ingress:
    """Tells what comes through the Ingress from what comes from inside the cluster, and takes its word for who asks.

    Probes, tasks and forwarded ports call a pod or the Service by its address. The controller is believed, because the
    NetworkPolicy lets nobody else in: who is of the environment itself could pass for it.
    """

    def __init__(self, app: App, base_url: str) -> None:
        address = urlsplit(base_url)
        self._app = app
        self._name = address.hostname or ""
        self._host = address.netloc.encode()
        self._root = _folder(base_url)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] != "http" or not self._is_from_outside(headers):
            return await self._app(scope, receive, send)
        path = str(scope["path"]).removeprefix(self._root)
        if path == EXECUTION or path.startswith(f"{EXECUTION}/"):
            return await _answer(send, 404, b"Not found.\n")
        if _last(headers, b"x-forwarded-proto") == "http":
            return await _answer(send, 308, b"", (b"location", b"https://" + self._asked(scope)))
        # As the browser sees it, however the host was written: the pages and the cookies go by it.
        scope["headers"] = [
            *((name, value) for name, value in scope["headers"] if name != b"host"),
            (b"host", self._host),
        ]
        if client := _last(headers, b"x-forwarded-for"):
            scope["client"] = (client, 0)
        return await self._app(scope, receive, send)

    def _is_from_outside(self, headers: Mapping[bytes, bytes]) -> bool:
        if b"x-forwarded-for" in headers or b"forwarded" in headers:
            return True
        asked = headers.get(b"host", b"").decode("latin-1").strip().lower()
        return re.sub(r":[0-9]*$", "", asked).removesuffix(".") == self._name

    def _asked(self, scope: Message) -> bytes:
        path = bytes(scope.get("raw_path") or str(scope["path"]).encode())
        query = bytes(scope.get("query_string") or b"")
        return self._host + path + (b"?" + query if query else b"")


def _last(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """What the nearest of those that pass requests on has said: any before it may be the client's own invention."""
    return headers.get(name, b"").decode("latin-1").rpartition(",")[2].strip()


class Headers:
    """Adds the headers to each answer that does not have them."""

    def __init__(self, app: App, base_url: str, sources: str = "") -> None:
        """Who asks for the host of a `base_url` of https has come through something that ends TLS before this server,
        whatever it says of that."""
        address = urlsplit(base_url)
        self._app = app
        self._host = address.netloc.encode() if address.scheme == "https" else b""
        self._root = _folder(base_url)
        self._sources = sources

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(self._root)
        if scope["type"] != "http" or path.startswith(f"{EXECUTION}/"):
            return await self._app(scope, receive, send)
        more = PLAIN | {"content-security-policy": content_policy(path, self._sources)}
        if self._host and dict(scope["headers"]).get(b"host") == self._host:
            # Airflow marks its cookies by it.
            scope["scheme"] = "https"
            more["strict-transport-security"] = HSTS

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                has = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in more.items() if k.encode() not in has),
                ]
            await send(message)

        return await self._app(scope, receive, answer)


class LoginLimit:
    """Refuses logins of an account for a while after too many have failed from the same address.

    Each process of the api-server counts for itself.
    """

    def __init__(self, app: App, base_url: str, failures: str) -> None:
        """`failures` is a limit as the package `limits` reads it."""
        from limits import parse, storage, strategies

        self._app = app
        self._root = _folder(base_url)
        self._limit = parse(failures)
        self._window = strategies.MovingWindowRateLimiter(storage.MemoryStorage())

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(self._root)
        if scope["type"] != "http" or scope["method"] != "POST" or path not in LOGINS:
            return await self._app(scope, receive, send)
        body = await _body(receive)
        who = (str((scope.get("client") or ["?"])[0]), _account(scope, body))
        if not self._window.test(self._limit, *who):
            return await _refuse(send, self._window.get_window_stats(self._limit, *who).reset_time)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and _has_failed(message):
                self._window.hit(self._limit, *who)
            await send(message)

        return await self._app(scope, _again(body, receive), answer)


async def _body(receive: Receive) -> bytes:
    """As far as it may be a login's."""
    body, more = b"", True
    while more and len(body) <= LONGEST_LOGIN:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body"))
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """What has been read, then what comes after it."""
    read = [{"type": "http.request", "body": body, "more_body": len(body) > LONGEST_LOGIN}]

    async def told() -> Message:
        return read.pop() if read else await receive()

    return told


def _account(scope: Message, body: bytes) -> str:
    kind = dict(scope["headers"]).get(b"content-type", b"")
    try:
        if kind.startswith(b"application/json"):
            found = json.loads(body)["username"]
        else:
            found = parse_qs(body.decode())["username"][0]
    except (KeyError, TypeError, ValueError):
        return ""
    return str(found).strip().lower()


def _has_failed(answer: Message) -> bool:
    """A password was looked at, and was wrong: no token, or back to the form."""
    if answer["status"] in (301, 302, 303):
        places = [value for name, value in answer["headers"] if name.lower() == b"location"]
        return any(b"/auth/login" in place for place in places)
    return bool(answer["status"] == 401)


async def _refuse(send: Send, reset_time: float) -> None:
    seconds = max(1, round(reset_time - time.time()))
    text = f"Too many logins of this account have failed. Try again in {seconds} seconds.\n"
    await _answer(send, 429, text.encode(), (b"retry-after", str(seconds).encode()))


async def _answer(send: Send, status: int, text: bytes, *headers: tuple[bytes, bytes]) -> None:
    sent = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": text})


def _middlewares() -> list[dict[str, Any]]:
    from airflow.configuration import conf

    base_url = conf.get("api", "base_url", fallback="") or ""
    headers = {"base_url": base_url, "sources": os.environ.get(SOURCES, "")}
    found: list[tuple[str, type, dict[str, str]]] = []
    if owners := os.environ.get(OWNERS, ""):
        from aerodrome_tasks import TaskLimits

        found += [("tasks", TaskLimits, {"folder": _folder(base_url), "owners": owners})]
    # The last one is the first to see a request: what is refused has the headers, too.
    if failures := os.environ.get(FAILURES, ""):
        found += [("logins", LoginLimit, {"base_url": base_url, "failures": failures})]
    found += [("headers", Headers, headers)]
    if os.environ.get(INGRESS):
        found += [("ingress", Ingress, {"base_url": base_url})]
    found += [("base-path", BasePath, {"base_url": base_url})]
    return [
        {"name": f"aerodrome-{name}", "middleware": middleware, "kwargs": given}
        for name, middleware, given in found
    ]


class WebPlugin(AirflowPlugin):  # type: ignore[misc]  # no Airflow where types are checked
    """Found by the entry point `airflow.plugins`, so that a team's own plugins stay by themselves."""

    name = "aerodrome-web"
    fastapi_root_middlewares = _middlewares()
