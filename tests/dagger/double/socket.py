"""Forward a Unix socket as the real engine does.

Source: dagger v0.21.8, internal/buildkit/session/sshforward/copy.go. Each connection
has two copiers. When the inside ends its direction, the host's end is closed. When the
host ends its own, the inside is NOT told: that direction is the server's side of a gRPC
stream, which ends only with the stream, so when both copiers are done or one has
failed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CHUNK = 32 * 1024


@asynccontextmanager
async def forwarded(inside: Path, host: str) -> AsyncIterator[None]:
    """Listen at `inside`, and lead every connection to `host`."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_host, to_host = await asyncio.open_unix_connection(host, limit=_CHUNK)
        except OSError:
            writer.close()
            return
        with suppress(OSError, ExceptionGroup):
            async with asyncio.TaskGroup() as copiers:
                copiers.create_task(_outwards(reader, to_host))
                copiers.create_task(_inwards(from_host, writer))
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
