"""Forward a Unix socket as the real engine does.

Source: dagger v0.21.8, internal/buildkit/session/sshforward/copy.go. Each connection
has two copiers. When the inside ends its direction, the host's end is closed. When the
host ends its own, the inside is NOT told: that direction is the server's side of a gRPC
stream, which ends only with the stream, so when both copiers are done or one has
failed.

When the inside closes a connection with data unread, the engine's side meets a reset,
and the host is NOT told: the engine announces an end (CloseSend) at EOF only. Its side
of the stream is not read any more; the CLI goes on reading the host's socket until
gRPC's window is full.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CHUNK = 32 * 1024
_WINDOW = 64 * 1024
"""Bytes that gRPC takes for a stream whose other end reads nothing: its default."""


@asynccontextmanager
async def forwarded(inside: Path, host: str) -> AsyncIterator[None]:
    """Listen at `inside`, and lead every connection to `host`."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_host, to_host = await asyncio.open_unix_connection(host, limit=_CHUNK)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as copiers:
                copiers.create_task(_outwards(reader, to_host))
                copiers.create_task(_inwards(from_host, writer))
        except* ConnectionError:
            await _take_unheard(from_host)
        writer.close()
        to_host.close()

    server = await asyncio.start_unix_server(carry, inside, limit=_CHUNK)
    try:
        yield
    finally:
        server.close()


async def _outwards(
    reader: asyncio.StreamReader, to_host: asyncio.StreamWriter
) -> None:
    while chunk := await reader.read(_CHUNK):
        to_host.write(chunk)
        await to_host.drain()
    with suppress(OSError):
        to_host.write_eof()


async def _inwards(
    from_host: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while chunk := await from_host.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _take_unheard(from_host: asyncio.StreamReader) -> None:
    """Read what the window holds, then nothing, until the host closes the connection.

    What is in the socket's buffers keeps this side from seeing that: it asks now and
    then, and takes no more than that one piece.
    """
    taken = 0
    while taken < _WINDOW:
        chunk = await from_host.read(_CHUNK)
        if not chunk:
            return
        taken += len(chunk)
    await asyncio.Event().wait()
