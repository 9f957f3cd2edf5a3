"""How one sees that a process answers."""

import asyncio
from pathlib import Path

import pytest

from sandbox.cluster.readiness import answers


async def serve_once(status: bytes, ask) -> bool:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        return await ask(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(("status", "ready"), [(b"200 OK", True), (b"503 no", False), (b"", False)])
def test_an_http_answer(status: bytes, ready: bool) -> None:
    found = asyncio.run(serve_once(status, lambda port: answers(f"http://127.0.0.1:{port}/health")))
    assert found is ready


def test_a_connection_is_enough_for_tcp() -> None:
    assert asyncio.run(serve_once(b"", lambda port: answers(f"tcp://127.0.0.1:{port}")))


def test_nobody_there(tmp_path: Path) -> None:
    assert not asyncio.run(answers("tcp://127.0.0.1:1"))
    assert not asyncio.run(answers(f"unix://{tmp_path}/none"))
    assert not asyncio.run(answers("https://127.0.0.1:1/readyz"))
