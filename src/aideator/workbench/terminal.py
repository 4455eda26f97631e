"""A terminal that people share: one process, what it printed last, and readers who come and go.

What is printed is kept in a bounded buffer, and old output makes room for new: a build
must not stop because nobody looks. Readers who keep up lose nothing, for the process is
read no faster than the slowest of them. One who has stood still for `PATIENCE` seconds
is waited for no more; it goes on with the oldest that is kept, and can tell by the
offset.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from aideator.domain.errors import Conflict, SandboxLost, TooManyRequests
from aideator.sandbox.base import Process, Size
from aideator.workbench.model import Terminal

KEPT_BYTES = 256 * 2**10
"""How much of what was printed is kept."""
PATIENCE = 10.0
"""Seconds for which a reader may stand still before it is waited for no more."""
_PIECE = 64 * 2**10
_BYTES_A_SECOND = 8 * 2**20
"""How fast a terminal is read. A flood that nobody could follow must not cost the
others their server."""
_UNREAD_INPUT = 64 * 2**10


@dataclass(frozen=True)
class Printed:
    """Some bytes of what was printed."""

    at: int
    """How many bytes came before them, in all."""
    data: bytes

    @property
    def end(self) -> int:
        """How many bytes there were with them."""
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
    """A process on a terminal, and all that is known of it."""

    def __init__(
        self,
        process: Process,
        told: Terminal,
        *,
        on_use: Callable[[], None],
        explain: Callable[[SandboxLost], str],
    ) -> None:
        """Take a process that was just started.

        Args:
            process: It runs on a terminal.
            told: How it was opened.
            on_use: Called when there is input or output.
            explain: Says why the sandbox ended, if that came first.
        """
        self.told = told
        self.has_ended = False
        self._process, self._on_use, self._explain = process, on_use, explain
        self._kept, self._start, self._reason = bytearray(), 0, ""
        self._readers = set[_Reader]()
        self._bell = asyncio.Event()
        self._is_hung_up = False

    async def run(self) -> None:
        """Take in what the process prints, until it ends."""
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
            self.told = self.told.model_copy(update={"exit_code": code})
            self.has_ended = True
            self._ring()

    async def follow(self, after: int = 0) -> AsyncGenerator[Printed | Ended]:
        """What was printed from the byte `after` on, then what is, then how it ended."""
        reader = _Reader(min(after, self._end))
        self._readers.add(reader)
        try:
            while not self._is_hung_up:
                if reader.at < self._end:
                    piece = self._piece(reader.at)
                    yield piece
                    reader.at, reader.is_late = (
                        piece.end,
                        reader.is_late and piece.end < self._end,
                    )
                    self._ring()
                elif self.has_ended:
                    yield Ended(
                        self._end, self.told.exit_code, self._reason or "it has ended"
                    )
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
            TooManyRequests: if nothing inside takes what was typed before.
        """
        self._refuse_if_ended()
        if self._process.stdin.transport.get_write_buffer_size() > _UNREAD_INPUT:
            raise TooManyRequests(
                "nothing in the terminal reads what was typed",
                hint="wait, or close the terminal",
            )
        self._on_use()
        self._process.stdin.write(keys.encode(errors="replace"))

    async def resize(self, size: Size) -> None:
        """Give it another size.

        Raises:
            Conflict: if the terminal has ended.
        """
        self._refuse_if_ended()
        self.told = self.told.model_copy(update=size._asdict())
        self._process.resize(size)

    async def close(self, reason: str) -> None:
        """End its processes."""
        self._reason = self._reason or reason
        await self._process.kill()

    def hang_up(self) -> None:
        """End every reader, now and from now on; the process goes on."""
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
        """Give readers the time that they need, so that the next piece drops nothing that they have not seen."""
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
