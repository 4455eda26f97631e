"""The transport under the ACP SDK's connection: JSON-RPC lines of a hostile process.

Session updates never reach the SDK, which would start a task for each and lose their
order. They are translated here, as they are read, and wait in a bounded queue: a slow
consumer slows the agent down instead of filling the host's memory.
https://agentclientprotocol.com/protocol/transports
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aideator.agents.translate import translate
from aideator.domain.errors import (
    AgentProtocolError,
    OutputLimitExceeded,
    VariationError,
)
from aideator.eventlog.base import Draft
from aideator.sandbox.base import Process

LINE_BYTES_MAX = 8 * 2**20
OUTPUT_BYTES_MAX = 256 * 2**20
"""Bytes that an agent may write in one turn. The longest real sessions are a few MB."""
NOISE_LINES_MAX = 1_000
"""Lines that are not JSON-RPC. Launchers print banners, but a process that only prints
is no agent."""
UNANSWERED_MAX = 64
"""Requests of the agent that may wait for our answer. More of them mean that it does
not read its input."""
QUEUE_MAX = 1_000
"""Events that wait for the consumer before reading from the agent stops."""
RAW_CHARACTERS_MAX = 16 * 1024
"""Characters of a line that are kept beside the event that was made from it."""
_CHUNK = 64 * 1024


class JsonRpcTransport:
    """A transport of the ACP SDK over a process' standard input and output."""

    def __init__(self, process: Process, output_bytes: int = OUTPUT_BYTES_MAX) -> None:
        self._process = process
        self._output_bytes = output_bytes
        self._queue: asyncio.Queue[Draft | None] = asyncio.Queue(QUEUE_MAX)
        self._messages = self._read()
        self._noise = 0
        self._unanswered = 0
        self._ignoring = False
        self.failure: VariationError | None = None
        """Why reading stopped, when it was not the end of the output."""

    async def send(self, message: dict[str, Any]) -> None:
        """Write one message (the SDK's interface).

        Raises:
            ConnectionError: if the process no longer reads.
        """
        answers = "method" not in message
        try:
            # Writing to a closed pipe is a RuntimeError in uvloop.
            if self._process.stdin.is_closing():
                raise ConnectionResetError("the agent has gone")
            self._process.stdin.write(
                json.dumps(message, separators=(",", ":")).encode() + b"\n"
            )
            await self._process.stdin.drain()
        except ConnectionError:
            # An answer is no longer needed, and the SDK would raise the error again
            # when it closes.
            if not answers:
                raise
        self._unanswered -= answers

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message that is not a session update, or None at the end.

        (The SDK's interface.)
        """
        return await anext(self._messages, None)

    async def close(self) -> None:
        """Do nothing (the SDK's interface).

        The SDK cancels its reader next, and the process belongs to the driver.
        """

    async def next_draft(self) -> Draft | None:
        """Return the next event, or None after the last one."""
        return await self._queue.get()

    async def finish(self) -> None:
        """Let `next_draft` return None after what is queued."""
        await self._queue.put(None)

    def accept_updates(self) -> None:
        """Queue session updates again, after `ignore_updates`."""
        self._ignoring = False

    def ignore_updates(self) -> None:
        """Drop session updates from now on: answers must not queue behind them."""
        self._ignoring = True
        while not self._queue.empty():
            self._queue.get_nowait()

    async def _read(self) -> AsyncGenerator[dict[str, Any]]:
        try:
            async with aclosing(
                _lines(self._process.stdout, self._output_bytes)
            ) as lines:
                async for line in lines:
                    message = self._parse(line)
                    if message is not None and not await self._handle(message, line):
                        yield message
        except ConnectionError:
            return
        except VariationError as error:
            # The SDK would log and drop it, so the driver looks here when the
            # connection ends.
            self.failure = error

    def _parse(self, line: bytes) -> dict[str, Any] | None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and _well_formed(message):
            return message
        self._noise += bool(line.strip())
        if self._noise > NOISE_LINES_MAX:
            raise AgentProtocolError(
                f"the agent printed more than {NOISE_LINES_MAX} lines "
                "that are not JSON-RPC"
            )
        return None

    async def _handle(self, message: dict[str, Any], line: bytes) -> bool:
        """Queue the update in a message; return whether the SDK need not see it."""
        params = message.get("params")
        match message.get("method"), params:
            case "session/update", {"update": update}:
                await self._queue_update(update, line)
                return True
            case "session/request_permission", {"toolCall": dict(call)}:
                # Some agents report a tool call here first.
                await self._queue_update(
                    {**call, "sessionUpdate": "tool_call_update"}, line
                )
        if "method" in message and "id" not in message:
            return True
        if "method" in message:
            self._unanswered += 1
        if self._unanswered > UNANSWERED_MAX:
            raise AgentProtocolError(
                "the agent sends requests and does not read the answers"
            )
        return False

    async def _queue_update(self, update: object, line: bytes) -> None:
        body = translate(update)
        if body is not None and not self._ignoring:
            raw = line[:RAW_CHARACTERS_MAX].decode(errors="replace").strip()
            await self._queue.put(Draft(body, raw=raw.replace("\0", "")))


def _well_formed(message: dict[str, Any]) -> bool:
    """Return whether the SDK can handle the message without failing on its shape."""
    if "method" in message:
        return isinstance(message["method"], str) and isinstance(
            message.get("id"), str | int | None
        )
    return isinstance(message.get("id"), int) and isinstance(
        message.get("error", {}), dict
    )


async def _lines(stream: asyncio.StreamReader, limit: int) -> AsyncGenerator[bytes]:
    """Split a stream into lines.

    Not by the stream's own limit, which differs between sandboxes.

    Raises:
        AgentProtocolError: at a line of more than `LINE_BYTES_MAX`.
        OutputLimitExceeded: after `limit` bytes.
    """
    pending = bytearray()
    total = 0
    while chunk := await stream.read(_CHUNK):
        total += len(chunk)
        if total > limit:
            raise OutputLimitExceeded(f"the agent wrote more than {limit} bytes")
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            _grow(pending, piece)
            yield bytes(pending)
            pending.clear()
        _grow(pending, rest)
    if pending:
        yield bytes(pending)


def _grow(pending: bytearray, piece: bytes) -> None:
    pending += piece
    if len(pending) > LINE_BYTES_MAX:
        raise AgentProtocolError(
            f"the agent sent a line of more than {LINE_BYTES_MAX // 2**20} MiB"
        )
