"""Streams of the link: bounded output, input with an explicit end, forwarding."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

BUFFER = 65_536
"""Bytes read at once, and buffered for a reader that is slower than its writer."""


class BoundedOutput:
    """Keeps the beginning of an output, and its end, where programs report results."""

    def __init__(
        self, limit: int, on_chunk: Callable[[bytes], None] | None = None
    ) -> None:
        self._head_limit, self._tail_limit = limit // 4, limit - limit // 4
        self._head, self._tail = bytearray(), bytearray()
        self._received = 0
        self._on_chunk = on_chunk

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Read the stream to its end."""
        with suppress(ConnectionError):
            while chunk := await reader.read(BUFFER):
                self._add(chunk)
                if self._on_chunk is not None:
                    self._on_chunk(chunk)

    def _add(self, chunk: bytes) -> None:
        self._received += len(chunk)
        room = self._head_limit - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        # Cut rarely, or every chunk would move the whole tail.
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    @property
    def dropped(self) -> int:
        """Bytes beyond the limit."""
        return max(0, self._received - self._head_limit - self._tail_limit)

    def value(self) -> bytes:
        """Return what was kept, with a line where something was dropped."""
        if not self.dropped:
            return bytes(self._head + self._tail)
        return (
            bytes(self._head)
            + b"\n[... %d bytes dropped ...]\n" % self.dropped
            + self._tail[-self._tail_limit :]
        )


class Stream(asyncio.StreamReaderProtocol):
    """A connection with one stream. If two-way, it is open until both ends close."""

    def __init__(
        self, reader: asyncio.StreamReader, lost: Callable[[], None], *, two_way: bool
    ) -> None:
        super().__init__(reader, loop=asyncio.get_running_loop())
        self._lost, self._two_way = lost, two_way

    def eof_received(self) -> bool:
        """Keep the connection open if it is two-way."""
        super().eof_received()
        return self._two_way

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the reader and the owner."""
        super().connection_lost(exc)
        self._lost()


class SendEnd(Protocol):
    """Callback for the end of an input.

    Args:
        sent: Bytes that the input had.
        closed: Whether the whole connection is closed, not only this direction.
    """

    def __call__(self, sent: int, *, closed: bool) -> None: ...  # noqa: D102


class Input(asyncio.StreamWriter):
    """A stream towards the inside. Its end is also sent on the control channel.

    When the host half-closes a socket that Dagger forwards over gRPC (`sshforward.Copy`
    in its `engine/client/socket.go`), it closes the server's side of a stream, which
    ends with the whole stream only: a process that reads its input to the end would
    wait for ever, an answer of the gateway would not end, and the shim would not see
    that its sandbox closes. So the shim is told after how many bytes a stream ends
    (`shim.py`). A count needs no framing: data stay plain bytes, at the price of one
    short line for each process and each gateway call. All back ends do the same, so
    the tests of bubblewrap prove it too; `tests/dagger/double` forwards as Dagger does,
    and most conformance promises break over it without this.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        reader: asyncio.StreamReader,
        send_end: SendEnd,
    ) -> None:
        super().__init__(
            transport, transport.get_protocol(), reader, asyncio.get_running_loop()
        )
        self._send_end, self._sent, self._closed = send_end, 0, False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Count and send the bytes."""
        self._sent += len(data)
        super().write(data)

    def writelines(self, data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Count and send the bytes."""
        self.write(b"".join(data))

    def write_eof(self) -> None:
        """End this direction."""
        self._send_end(self._sent, closed=False)
        super().write_eof()

    def close(self) -> None:
        """End both directions."""
        if not self._closed:
            self._closed = True
            self._send_end(self._sent, closed=True)
        super().close()


async def feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    """Write all data and close; stop early if the process closes its input."""
    with suppress(ConnectionError):
        await _send(stdin, data)
    stdin.close()


async def forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gateway: Path | None
) -> None:
    """Forward one connection to the gateway; close it if there is none."""
    if gateway is None:
        writer.close()
        return
    try:
        from_gateway, to_gateway = await asyncio.open_unix_connection(
            gateway, limit=BUFFER
        )
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
    # Checked here: uvloop raises a RuntimeError when it is closing, asyncio nothing.
    if writer.is_closing():
        raise ConnectionResetError("the other end is gone")
    writer.write(data)
    await writer.drain()
