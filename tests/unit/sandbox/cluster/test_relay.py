"""The relay from the host's loopback port to the UI."""

import asyncio
import socket

from sandbox.cluster import relay


async def _shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    text = await reader.read()
    writer.write(text.upper())
    writer.close()


def _listening() -> socket.socket:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    return listening


def test_carries_both_ways_and_ends_with_the_far_end() -> None:
    async def run() -> bytes:
        async with await asyncio.start_server(_shout, "127.0.0.1", 0) as far:
            near = _listening()
            port = far.sockets[0].getsockname()[1]
            async with await relay.serve(near, "127.0.0.1", port):
                reader, writer = await asyncio.open_connection(*near.getsockname())
                writer.write(b"hello")
                writer.write_eof()
                answer = await reader.read()
                writer.close()
                return answer

    assert asyncio.run(run()) == b"HELLO"


def test_closes_at_once_if_nothing_answers_on_the_other_side() -> None:
    async def run() -> bytes:
        near = _listening()
        async with await relay.serve(near, "127.0.0.1", 1):
            reader, writer = await asyncio.open_connection(*near.getsockname())
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
            return answer

    assert asyncio.run(run()) == b""
