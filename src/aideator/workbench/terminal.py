"""A terminal with several readers: one process, and a buffer of its latest output.

The buffer is bounded, and old output makes room for new: a build must not stop because
no reader is connected. Readers that keep up lose nothing, since the process is read no
faster than the slowest of them. A reader that has not read for `PATIENCE` seconds is
not waited for any longer; it continues with the oldest output that is kept, and can
tell by the offset.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aideator.domain.errors import Conflict, SandboxLost, TooManyRequests
from aideator.sandbox.base import Process, Size
from aideator.workbench.model import Terminal

if TYPE_CHECKING:
    from aideator.api.auth import Credential

KEPT_BYTES = 256 * 2**10
"""Bytes of output that are kept."""
PATIENCE = 10.0
"""Seconds without reading after which a reader is not waited for any longer."""
_PIECE = 64 * 2**10
_BYTES_A_SECOND = 8 * 2**20
"""How fast a terminal is read, so that a flood of output does not occupy the server."""
_UNREAD_INPUT = 64 * 2**10


@dataclass(frozen=True)
class Printed:
    """Some bytes of output."""

    at: int
    """Bytes of output before these, in all."""
    data: bytes

    @property
    def end(self) -> int:
        """Bytes of output up to the end of these, in all."""
        return self.at + len(self.data)


@dataclass(frozen=True)
class Ended:
    """The terminal has ended."""

    at: int
    exit_code: int | None
    reason: str


@dataclass(eq=False)
class _Reader:
    at: int
    is_late: bool = False


class LiveTerminal:
    """A process on a terminal, its latest output and its readers.

    Attributes:
        opener: What the caller was admitted by who opened it; None in this process.
    """

    def __init__(
        self,
        process: Process,
        details: Terminal,
        *,
        on_use: Callable[[], None],
        explain: Callable[[SandboxLost], str],
    ) -> None:
        """Wrap a process that was just started.

        Args:
            process: It runs on a terminal.
            details: How it was opened.
            on_use: Called when there is input or output.
            explain: Returns why the sandbox ended, if that came first.
        """
        self.details = details
        self.opener: Credential | None = None
        self.has_ended = False
        self._process, self._on_use, self._explain = process, on_use, explain
        self._kept, self._start, self._reason = bytearray(), 0, ""
        self._readers = set[_Reader]()
        self._bell = asyncio.Event()
        self._is_hung_up = False

    async def run(self) -> None:
        """Read the output of the process until it ends."""
        code = None
        try:
            while chunk := await self._process.stdout.read(_PIECE):
                self._keep(chunk)
                await asyncio.sleep(len(chunk) / _BYTES_A_SECOND)
                await self._wait_for_readers()
            code = await self._process.wait()
        except SandboxLost as error:
            self._reason = self._reason or self._explain(error)
        finally:
            self.details = self.details.model_copy(update={"exit_code": code})
            self.has_ended = True
            self._ring()

    async def follow(self, after: int = 0) -> AsyncGenerator[Printed | Ended]:
        """Yield the kept output behind the byte `after`, new output, and the end."""
        reader = _Reader(min(after, self._end))
        self._readers.add(reader)
        try:
            while not self._is_hung_up:
                if reader.at < self._end:
                    piece = self._piece(reader.at)
                    yield piece
                    reader.at = piece.end
                    reader.is_late = reader.is_late and reader.at < self._end
                    self._ring()
                elif self.has_ended:
                    reason = self._reason or "it has ended"
                    yield Ended(self._end, self.details.exit_code, reason)
                    return
                else:
                    await self._bell.wait()
        finally:
            self._readers.discard(reader)
            self._ring()

    async def type(self, keys: str) -> None:
        """Send what a person types.

        Raises:
            Conflict: if the terminal has ended.
            TooManyRequests: if no process reads what was typed before.
        """
        self._refuse_if_ended()
        if self._process.stdin.transport.get_write_buffer_size() > _UNREAD_INPUT:
            raise TooManyRequests(
                "no process in the terminal reads what was typed",
                hint="wait, or close the terminal",
            )
        self._on_use()
        self._process.stdin.write(keys.encode(errors="replace"))

    async def resize(self, size: Size) -> None:
        """Set another size.

        Raises:
            Conflict: if the terminal has ended.
        """
        self._refuse_if_ended()
        self.details = self.details.model_copy(update=size._asdict())
        self._process.resize(size)

    async def close(self, reason: str) -> None:
        """End its processes."""
        self._reason = self._reason or reason
        await self._process.kill()

    def hang_up(self) -> None:
        """End every reader, now and from now on. The process goes on."""
        self._is_hung_up = True
        self._ring()

    @property
    def _end(self) -> int:
        return self._start + len(self._kept)

    def _piece(self, at: int) -> Printed:
        at = max(at, self._start)
        return Printed(at, bytes(self._kept[at - self._start :][:_PIECE]))

    def _keep(self, chunk: bytes) -> None:
        self._kept += chunk
        surplus = max(0, len(self._kept) - KEPT_BYTES)
        del self._kept[:surplus]
        self._start += surplus
        self._on_use()
        self._ring()

    async def _wait_for_readers(self) -> None:
        """Wait until the next piece drops nothing that readers have not seen."""
        try:
            async with asyncio.timeout(PATIENCE):
                while self._slow():
                    await self._bell.wait()
        except TimeoutError:
            for reader in self._slow():
                reader.is_late = True

    def _slow(self) -> list[_Reader]:
        most = KEPT_BYTES - _PIECE
        return [
            reader
            for reader in self._readers
            if not reader.is_late and self._end - reader.at > most
        ]

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    def _refuse_if_ended(self) -> None:
        if self.has_ended or self._process.stdin.is_closing():
            raise Conflict("the terminal has ended", hint="open another one")
