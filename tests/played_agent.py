"""Plays Systems Manager and the agent of a worker before AWS's session-manager-plugin: the data channel of a session that
forwards ports to a remote host, over a WebSocket by TLS, as agents since 3.1.1511 speak it.

Read from the plugin's sources: after the token in JSON come frames with a header of 120 bytes; what the plugin sends is
acknowledged by its number. The streams within, one for each connection, are those of smux, version 1.
"""

import asyncio
import hashlib
import json
import ssl
import struct
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from tests import own_certificates

AGENT_VERSION: Final = "3.3.2299.0"

_HEAD: Final = struct.Struct(">I32sIQqQ8s8s32sII")
_SMUX: Final = struct.Struct("<BBHI")
_OPEN, _CLOSE, _DATA, _NOTHING = 0, 1, 2, 3
_BLOCK: Final = 1024

OUTPUT, REQUEST, RESPONSE, COMPLETE, FLAG = 1, 5, 6, 7, 10
CANNOT_CONNECT: Final = 3
TERMINATE: Final = 2


@dataclass(frozen=True)
class Frame:
    """One message of the data channel."""

    kind: str
    number: int
    content: int
    payload: bytes
    identity: uuid.UUID = field(default_factory=uuid.uuid4)

    def packed(self) -> bytes:
        # The halves of the identity change places.
        high, low = self.identity.bytes[:8], self.identity.bytes[8:]
        return (
            _HEAD.pack(
                _HEAD.size - 4,
                self.kind.encode().ljust(32),
                1,
                int(time.time() * 1000),
                self.number,
                0,
                low,
                high,
                hashlib.sha256(self.payload).digest(),
                self.content,
                len(self.payload),
            )
            + self.payload
        )

    @classmethod
    def read(cls, data: bytes) -> "Frame":
        length, kind, _, _, number, _, low, high, digest, content, size = _HEAD.unpack_from(data)
        payload = data[_HEAD.size :]
        assert length == _HEAD.size - 4
        assert size == len(payload)
        assert digest == hashlib.sha256(payload).digest()
        name = kind.decode().rstrip("\0 ")
        return cls(name, number, content, payload, uuid.UUID(bytes=high + low))


@dataclass
class Session:
    """What StartSession has answered, and where it leads."""

    token: str
    parameters: dict[str, Any]
    target: int
    """A port of this machine."""


class DataChannel:
    """One connection of the plugin's."""

    def __init__(self, socket: web.WebSocketResponse, session: Session) -> None:
        self._socket = socket
        self._session = session
        self._sent = 0
        self._sending = asyncio.Lock()
        self._expected = 0
        self._unread = b""
        self._streams: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.flags: list[int] = []
        self.client = ""

    async def serve(self) -> None:
        properties = {
            "type": "LocalPortForwarding",
            **{key: value[0] for key, value in self._session.parameters.items()},
        }
        action = {
            "ActionType": "SessionType",
            "ActionParameters": {"SessionType": "Port", "Properties": properties},
        }
        request = {"AgentVersion": AGENT_VERSION, "RequestedClientActions": [action]}
        await self._send(REQUEST, json.dumps(request).encode())
        try:
            async for message in self._socket:
                if message.type == WSMsgType.BINARY:
                    await self._take(Frame.read(message.data))
        finally:
            for each in self._streams.values():
                each.close()
            for task in self._tasks:
                task.cancel()

    async def close(self, reason: str) -> None:
        """Tells the plugin that the session is over."""
        closed = {"MessageType": "channel_closed", "Output": reason, "SchemaVersion": 1}
        frame = Frame("channel_closed", 0, 0, json.dumps(closed).encode())
        await self._socket.send_bytes(frame.packed())

    async def _send(self, content: int, payload: bytes) -> None:
        async with self._sending:
            frame = Frame("output_stream_data", self._sent, content, payload)
            self._sent += 1
            await self._socket.send_bytes(frame.packed())

    async def _take(self, frame: Frame) -> None:
        if frame.kind != "input_stream_data":
            assert frame.kind == "acknowledge", frame.kind
            return
        content = {
            "AcknowledgedMessageType": frame.kind,
            "AcknowledgedMessageId": str(frame.identity),
            "AcknowledgedMessageSequenceNumber": frame.number,
            "IsSequentialMessage": True,
        }
        await self._socket.send_bytes(
            Frame("acknowledge", 0, 0, json.dumps(content).encode()).packed()
        )
        if frame.number != self._expected:
            # Sent again, for its acknowledgement was late.
            assert frame.number < self._expected
            return
        self._expected += 1
        if frame.content == RESPONSE:
            response = json.loads(frame.payload)
            self.client = response["ClientVersion"]
            assert response["ProcessedClientActions"][0]["ActionStatus"] == 1, response
            await self._send(COMPLETE, b'{"HandshakeTimeToComplete": 1000000}')
        elif frame.content == FLAG:
            self.flags.append(int.from_bytes(frame.payload, "big"))
        elif frame.content == OUTPUT:
            await self._demultiplex(frame.payload)

    async def _demultiplex(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= _SMUX.size:
            version, command, length, stream = _SMUX.unpack_from(self._unread)
            assert version == 1
            end = _SMUX.size + length
            if len(self._unread) < end:
                return
            payload, self._unread = self._unread[_SMUX.size : end], self._unread[end:]
            if command == _OPEN:
                await self._connect(stream)
            elif (writer := self._streams.get(stream)) is None:
                continue
            elif command == _DATA:
                writer.write(payload)
            elif command == _CLOSE:
                self._streams.pop(stream).close()

    async def _connect(self, stream: int) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._session.target)
        except OSError:
            await self._send(FLAG, CANNOT_CONNECT.to_bytes(4, "big"))
            await self._send(OUTPUT, _SMUX.pack(1, _CLOSE, 0, stream))
            return
        self._streams[stream] = writer
        task = asyncio.get_running_loop().create_task(self._carry(stream, reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, stream: int, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_BLOCK - _SMUX.size):
                await self._send(OUTPUT, _SMUX.pack(1, _DATA, len(data), stream) + data)
        except OSError:
            pass
        await self._send(OUTPUT, _SMUX.pack(1, _CLOSE, 0, stream))


class SystemsManager:
    """What the plugin talks to: data channels, and the API's ResumeSession, on one port of this machine."""

    def __init__(self, folder: Path) -> None:
        authority = own_certificates.authority("played")
        own = own_certificates.server("localhost", authority)
        self.authority = folder / "authority.pem"
        self.authority.write_text(authority.pem)
        certificate = folder / "server.pem"
        certificate.write_text(own.pem + own.key_pem())
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate)
        self.sessions: dict[str, Session] = {}
        self.channels: list[DataChannel] = []
        self.opened: list[dict[str, Any]] = []
        """What was said first on each channel."""

        self.signed: list[str] = []
        self.resumed: list[str] = []
        self.refuses = False
        """Whether a channel is closed before it is open."""

        self.unavailable = False
        """Whether the API answers nobody."""

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self._do(self._start())
        self.url = f"https://localhost:{self.port}"

    def stream_url(self, session: str) -> str:
        return f"wss://localhost:{self.port}/v1/data-channel/{session}?role=publish_subscribe"

    def end(self, channel: DataChannel, reason: str = "") -> None:
        """As TerminateSession, or a session's timeout, does."""
        self._do(channel.close(reason))

    def cut(self, channel: DataChannel) -> None:
        """The connection breaks; the session does not end."""

        async def abort() -> None:
            transport = channel._socket._req.transport  # type: ignore[union-attr]
            assert transport is not None
            transport.abort()  # type: ignore[attr-defined]

        self._do(abort())

    def close(self) -> None:
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_get("/v1/data-channel/{session}", self._channel)
        app.router.add_post("/", self._api)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def _channel(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=403)
        session = self.sessions[request.match_info["session"]]
        self.signed.append(request.headers.get("Authorization", ""))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        first = json.loads(await socket.receive_str())
        self.opened.append(first)
        assert first["TokenValue"] == session.token
        channel = DataChannel(socket, session)
        self.channels.append(channel)
        await channel.serve()
        return socket

    async def _api(self, request: web.Request) -> web.Response:
        operation = request.headers["X-Amz-Target"].rpartition(".")[2]
        asked = json.loads(await request.text())
        assert operation == "ResumeSession"
        self.resumed.append(asked["SessionId"])
        if self.unavailable:
            return web.Response(status=503)
        # A session that is over has no token any more.
        return web.json_response({"SessionId": asked["SessionId"]})
