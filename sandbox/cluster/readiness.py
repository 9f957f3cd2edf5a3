"""The readiness probe of a process. Knows nothing of who asks, or why."""

import asyncio
import ssl
from urllib.parse import SplitResult, urlsplit

_ANSWER_SECONDS = 2.0


async def answers(url: str) -> bool:
    """Whether `url` (see sandbox.process.Ready) answers as a ready process would."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await _connect(parts)
            try:
                if parts.scheme in ("tcp", "unix"):
                    return True
                return await _get(parts, reader, writer) == 200
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return False


async def _connect(parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    context = None
    if parts.scheme == "https":
        # Whether it is up is the question, not who it is: it is ours, on our own loopback.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    port = parts.port or (443 if context else 80)
    return await asyncio.open_connection(parts.hostname, port, ssl=context)


async def _get(
    parts: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> int:
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    request = f"GET {path}{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    await writer.drain()
    words = (await reader.readline()).split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
