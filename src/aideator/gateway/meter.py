"""Usage, read from a copy of an answer of the Messages API while the answer itself passes by untouched.

Streaming: https://docs.claude.com/en/docs/build-with-claude/streaming. `message_start`
brings the input tokens, `message_delta` cumulative counts. A stream that ends before
its last `message_delta` has no final count; then what was streamed is counted by its
length, or an agent could hide its spending by hanging up a moment too early.
"""

import json
from collections.abc import Mapping
from typing import Any

from aideator.domain.usage import Usage
from aideator.gateway.prices import usage_of

BYTES_PER_TOKEN = 3
"""Code and JSON have 3 to 4 bytes a token; the low end makes estimates err to the safe
side."""

MAX_COPY = 8 * 2**20
"""Bytes of one event, or of a whole JSON answer, that are held to be read. What is
longer is counted by its length."""


def tokens_in(length: int) -> int:
    """Estimate the tokens of so many bytes, rounding up."""
    return -(-length // BYTES_PER_TOKEN)


class Meter:
    """Reads one answer as it passes.

    Attributes:
        streaming: Whether the answer is a stream of events.
        error: What an error answer, or an `error` event in mid-stream, said.
        complete: Whether the answer came to its own end.
    """

    def __init__(
        self, *, streaming: bool, asked_model: str, request_bytes: int
    ) -> None:
        self.error: str | None = None
        self.complete = False
        self.streaming = streaming
        self._asked_model = asked_model
        self._request_bytes = request_bytes
        self._model = ""
        self._counts: dict[str, object] = {}
        self._final = False
        self._output_bytes = 0
        self._pending = bytearray()
        self._skipping = False

    @property
    def model(self) -> str:
        """The model that answered, as far as is known; else the one that was asked for."""
        return self._model or self._asked_model

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes of the answer."""
        if not self.streaming:
            self._output_bytes += len(chunk)
            if len(self._pending) + len(chunk) <= MAX_COPY:
                self._pending += chunk
            return
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            self._end_line(line)
        self._hold(rest)

    def finish(self) -> None:
        """Note that the upstream ended its answer properly."""
        if self.streaming:
            self._end_line(b"")
            return
        self.complete = True
        answer = _parse(bytes(self._pending))
        self._read_message(answer)
        self._read_error(answer)
        self._final = bool(self._counts)

    def usage(self) -> Usage:
        """Return what this call used: as reported, and estimated where no report came."""
        counts = dict(self._counts)
        if not counts:
            counts["input_tokens"] = tokens_in(self._request_bytes)
        if not self._final:
            counts["output_tokens"] = max(
                _number(counts.get("output_tokens")), tokens_in(self._output_bytes)
            )
        return usage_of(
            counts, tuple(name for name in (self._model, self._asked_model) if name)
        )

    def _hold(self, piece: bytes) -> None:
        if self._skipping or len(self._pending) + len(piece) > MAX_COPY:
            self._skipping = True
            self._output_bytes += len(self._pending) + len(piece)
            self._pending.clear()
        else:
            self._pending += piece

    def _end_line(self, piece: bytes) -> None:
        self._hold(piece)
        line = bytes(self._pending)
        self._pending.clear()
        self._skipping = False
        if line.startswith(b"data:"):
            self._read_event(_parse(line[5:]))

    def _read_event(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "content_block_delta" | "content_block_start":
                piece = event.get("delta") or event.get("content_block")
                self._output_bytes += _text_bytes(piece)
            case "message_start":
                self._read_message(_mapping(event.get("message")))
            case "message_delta":
                self._read_message(event)
                self._final = True
            case "message_stop":
                self.complete = True
            case "error":
                self._read_error(event)

    def _read_message(self, message: Mapping[str, Any]) -> None:
        if isinstance(model := message.get("model"), str):
            self._model = model
        usage = _mapping(message.get("usage"))
        self._counts.update(
            {name: value for name, value in usage.items() if value is not None}
        )

    def _read_error(self, answer: Mapping[str, Any]) -> None:
        if answer.get("type") == "error":
            self.error = str(_mapping(answer.get("error")).get("message", ""))[:500]


def _parse(text: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text_bytes(piece: object) -> int:
    values = _mapping(piece)
    return sum(
        len(text.encode())
        for name in _TEXTS
        if isinstance(text := values.get(name), str)
    )


_TEXTS = ("text", "thinking", "partial_json")
