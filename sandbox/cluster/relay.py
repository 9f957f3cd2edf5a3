"""A TCP proxy from a loopback port of the host to an address in the sandbox.

The listening socket was opened in the host's network namespace and handed down; connections
are made from this process, so in the sandbox's. That is all it takes to cross over.
"""

import asyncio
import socket

_CHUNK = 64 * 1024


async def serve(listening: socket.socket, host: str, port: int) -> asyncio.Server:
    """Accept on `listening` for as long as the returned server lives."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            # Nothing answers there yet. Closing is what a port without a listener does.
            writer.close()
            return
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            far_writer.close()
            writer.close()

    return await asyncio.start_server(carry, sock=listening)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        # One side may be done with asking while the other still answers.
        writer.write_eof()
    except OSError:
        # Either end is gone: nothing more to carry this way.
        return
