"""A process in a sandbox, as the host's end of the link keeps it."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from aideator.domain.errors import AideatorError
from aideator.sandbox.base import Size
from aideator.sandbox.streams import BUFFER

LINE_LIMIT = 8 * 2**20
"""Longest line that can be read from a process's standard output, in bytes: agents send
whole files in one line."""


class SendRequest(Protocol):
    """Sends the shim one request, given as the fields of its JSON object."""

    def __call__(self, **request: object) -> None: ...  # noqa: D102


class LinkedProcess:
    """A process whose streams are connections of the link."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(
        self,
        identity: str,
        send: SendRequest,
        loss: Callable[[str | None], AideatorError],
        *,
        terminal: bool,
    ) -> None:
        """Create the process's record; the shim has not been asked to start it yet.

        Args:
            identity: Its id in the protocol, a secret.
            send: Sends the shim a request.
            loss: Returns why the process has no exit code.
            terminal: Whether it runs on a terminal.
        """
        self.identity, self._send, self._loss = identity, send, loss
        self.missing, self.line_limit = {"stdin", "stdout", "stderr"}, LINE_LIMIT
        if terminal:
            # All output is one stream, which is not read by lines.
            self.missing, self.line_limit = {"stdin", "stdout"}, BUFFER
            self.stderr = asyncio.StreamReader()
            self.stderr.feed_eof()
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        self.code: int | None = None
        self.error: str | None = None

    async def wait(self) -> int:
        """Wait for the end, see `Process.wait`."""
        await self.ended.wait()
        if self.code is None:
            raise self._loss(self.error)
        return self.code

    async def kill(self) -> None:
        """Kill the process and its group, see `Process.kill`."""
        if not self.ended.is_set():
            self._send(id=self.identity)

    def stop_feeding(self) -> None:
        """Drop what it has not read: nobody reads the input of an ended process.

        Not every back end tells the host that the other end of a stream is gone
        (Dagger's engine does not), so whoever writes might wait for ever.
        """
        if "stdin" in self.missing:
            return
        transport = self.stdin.transport
        # asyncio's own transports cannot be aborted once the connection is lost.
        if not transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()

    def resize(self, size: Size) -> None:
        """Resize its terminal."""
        self._send(id=self.identity, rows=size.rows, cols=size.cols)
