"""What the link does with bytes: keep the telling part of an output, feed an input, carry a connection elsewhere."""

import asyncio
from contextlib import suppress
from pathlib import Path

BUFFER = 65_536
"""Bytes read at once, and held for a reader that is slower than its writer."""


class Kept:
    """Output within a bound: its beginning, and its end, where programs say how it went."""

    def __init__(self, limit: int) -> None:
        self._head_limit, self._tail_limit = limit // 4, limit - limit // 4
        self._head, self._tail = bytearray(), bytearray()
        self._received = 0

    async def drain(self, reader: asyncio.StreamReader) -> None:
        """Read all there is."""
        with suppress(ConnectionError):
            while chunk := await reader.read(BUFFER):
                self._add(chunk)

    def _add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Cut seldom, or every chunk would move the whole tail.
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    @property
    def dropped(self) -> int:
        """How many bytes there were beyond the limit."""
        return max(0, self._received - self._head_limit - self._tail_limit)

    def value(self) -> bytes:
        """What was kept, with a line where something is missing."""
        if not self.dropped:
            return bytes(self._head + self._tail)
        return bytes(self._head) + b"\n[... %d bytes dropped ...]\n" % self.dropped + self._tail[-self._tail_limit :]


async def feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    """Write all of it, unless the process does not want it all."""
    with suppress(ConnectionError):
        await _send(stdin, data)
    stdin.close()


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gateway: Path | None) -> None:
    """Carry one connection to the gateway and back; end it if there is none."""
    if gateway is None:
        writer.close()
        return
    try:
        from_gateway, to_gateway = await asyncio.open_unix_connection(gateway, limit=BUFFER)
    except OSError:
        writer.close()
        return
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(reader, to_gateway))
            both.create_task(_pump(from_gateway, writer))
    except* ConnectionError:
        pass
    finally:
        writer.close()
        to_gateway.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(BUFFER):
        await _send(writer, chunk)
    if not writer.is_closing():
        writer.write_eof()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    if writer.is_closing():  # uvloop says so by a RuntimeError, asyncio does not say it
        raise ConnectionResetError("the other end is gone")
    writer.write(data)
    await writer.drain()
