"""The gateway: it lets signed requests to served services reach MiniStack, and no others.

MiniStack serves more than AWS does: unsigned requests, `/_ministack/reset`, data planes of
services that nobody here uses. Whatever is not a signed request to a service in
`services.Services` is refused here, by name.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.standin import emulator, services, sessions, token_review
from sandbox.aws.standin.memory import keep_small
from sandbox.aws.standin.settings import EmulatorSettings
from sandbox.instance import TOKEN_REVIEW_PATH

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HEALTH_PATH = "/_ministack/health"
SCOPE = re.compile(r"Credential=[^/,]+/\d{8}/[^/,]+/([^/,]+)/aws4_request")
OIDC = re.compile(r"/oidc/id/[A-Z0-9]+/(\.well-known/openid-configuration|keys)")

PROTOCOL = b"x-forwarded-proto"

log = logging.getLogger("aerodrome.aws")


class Gateway:
    """The ASGI application that hypercorn runs."""

    def __init__(
        self, settings: EmulatorSettings, extensions: Iterable[services.Extension] = ()
    ) -> None:
        self.settings = settings
        self.extensions = extensions
        self.served: Collection[str] = ()
        self.requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        emulator.start()
        sessions.load()
        register = services.Services(self.settings)
        services.install(register)
        for extension in self.extensions:
            extension(register)
        self.served = register.names
        tidying = asyncio.create_task(keep_small(lambda: self.requests))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        tidying.cancel()
        emulator.save_everything()
        sessions.save()
        await send({"type": "lifespan.shutdown.complete"})

    async def _request(self, scope: Message, receive: Receive, send: Send) -> None:
        self.requests += 1
        path = scope["path"]
        if path == TOKEN_REVIEW_PATH and scope["method"] == "POST":
            kubeconfig = self.settings.cluster_kubeconfig
            review = await token_review.answer(await _body(receive), kubeconfig)
            await _send_json(send, 200, review)
            return
        if path == HEALTH_PATH or OIDC.fullmatch(path):
            await emulator.application(scope, receive, send)
            return
        query = scope.get("query_string", b"").decode("latin-1")
        refusal = refuse(path, scope["headers"], query, self.served)
        if refusal:
            log.warning("refused %s %s: %s", scope["method"], path, refusal["message"])
            await _send_json(send, 403, refusal)
            return
        await emulator.application(_as_tls(scope), receive, send)


def _as_tls(scope: Message) -> Message:
    """The request as if it had come by TLS, if it does not say how it came.

    Inside the sandbox AWS is plain HTTP, on a network that only the sandbox has. A policy that
    demands `aws:SecureTransport` must let its pods through, and can be tested with this header.
    """
    if any(name.lower() == PROTOCOL for name, _ in scope["headers"]):
        return scope
    return {**scope, "headers": [*scope["headers"], (PROTOCOL, b"https")]}


def refuse(
    path: str, headers: list[tuple[bytes, bytes]], query: str, served: Collection[str]
) -> dict[str, str] | None:
    """Why a request must not reach MiniStack, as an AWS error; None if it may."""
    if path.startswith("/_"):
        return _error("AccessDeniedException", f"{path} is not served.")
    name = signed_service(headers, query)
    if name is None:
        return _error("MissingAuthenticationToken", "Request is missing Authentication Token")
    if name not in served:
        return _error(
            "UnsupportedOperation",
            f"The sandbox does not serve the AWS service {name}. See docs/limits.md.",
        )
    return None


def signed_service(headers: list[tuple[bytes, bytes]], query: str) -> str | None:
    """The service that a request was signed for, from its header or, for S3, its query."""
    for name, value in headers:
        if name.lower() == b"authorization":
            found = SCOPE.search(value.decode("latin-1"))
            return found[1] if found and value.startswith(b"AWS4-HMAC-SHA256") else None
    fields = parse_qs(query)
    credential = fields.get("X-Amz-Credential", [""])[0].split("/")
    # A URL that boto3 presigns for S3 still has the older signature by default.
    old = "AWSAccessKeyId" in fields and "Signature" in fields
    return "s3" if old or (len(credential) == 5 and credential[3] == "s3") else None


def _error(code: str, message: str) -> dict[str, str]:
    return {"__type": code, "message": message}


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _send_json(send: Send, status: int, body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"x-amzn-errortype", body.get("__type", "").encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
