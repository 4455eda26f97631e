"""Read usage from an answer of the Messages API while its bytes pass untouched.

Streaming: https://docs.claude.com/en/docs/build-with-claude/streaming. `message_start`
brings the input tokens, `message_delta` cumulative counts, which are the final word.

Until then, and for a stream that ends before, output is estimated by its length: an
agent could otherwise hide its spending by hanging up a moment too early. What is
charged but not streamed, such as thinking that is left out, shows in the final count
only.
"""

import json
from collections.abc import Mapping
from typing import Any

from aideator.domain.usage import Usage
from aideator.gateway.budget import Amount
from aideator.gateway.prices import Rates, rates_of, usage_of, whole_number

BYTES_PER_TOKEN = 3
"""Code and JSON have 3 to 4 bytes a token, English text about 4
(https://docs.claude.com/en/docs/about-claude/glossary#tokens: 3.5 characters); the low
end makes estimates err to the safe side."""

MAX_COPY = 8 * 2**20
"""Bytes of one event, or of a whole JSON answer, that are held to be read. What is
longer is counted by its length."""

_NAME, _NAMES, _WORDS = 200, 50, 500
"""Characters of a model's or a count's name, counts, and characters of an error that
are kept."""


def tokens_in(length: int) -> int:
    """Estimate the tokens of so many bytes, rounding up."""
    return -(-length // BYTES_PER_TOKEN)


class Meter:
    """Reads one answer as it passes.

    Attributes:
        streaming: Whether the answer is a stream of events.
        error: What an error answer, or an `error` event in mid-stream, said.
        final: Whether the provider has given its final count.
        complete: Whether the answer came to its own end.
    """

    def __init__(
        self, *, streaming: bool, asked_model: str, request_bytes: int
    ) -> None:
        self.error: str | None = None
        self.complete = False
        self.final = False
        self.streaming = streaming
        self._asked_model = asked_model
        self._request_bytes = request_bytes
        self._model = ""
        self._counts: dict[str, object] = {}
        self._rates: Rates | None = None
        self._output_bytes = 0
        self._pending = bytearray()
        self._skipping = False

    @property
    def model(self) -> str:
        """The model that answered, or as long as that is unknown the one asked for."""
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
        self.final = bool(self._counts)

    def usage(self) -> Usage:
        """Return what this call used: as reported, or else as estimated."""
        counts = dict(self._counts)
        if not counts:
            counts["input_tokens"] = tokens_in(self._request_bytes)
        if not self.final:
            counts["output_tokens"] = self._output_tokens()
        return usage_of(counts, self._models)

    def running(self) -> Amount | None:
        """Return what the call has cost so far; None before its input is counted.

        Called for each piece of a stream, so the price is looked up only once.
        """
        if not self._counts:
            return None
        if self._rates is None:
            self._rates = rates_of(self._counts, self._models)
        rates, output = self._rates, self._output_tokens()
        return Amount(
            rates.input_tokens + output, rates.input_usd + output * rates.output_usd
        )

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(name for name in (self._model, self._asked_model) if name)

    def _output_tokens(self) -> int:
        reported = whole_number(self._counts.get("output_tokens"))
        return max(reported, tokens_in(self._output_bytes))

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
                self.final = True
            case "message_stop":
                self.complete = True
            case "error":
                self._read_error(event)

    def _read_message(self, message: Mapping[str, Any]) -> None:
        if isinstance(model := message.get("model"), str):
            self._model = _storable(model)[:_NAME]
        usage = _mapping(message.get("usage"))
        for name, value in usage.items():
            is_room = name in self._counts or len(self._counts) < _NAMES
            if value is not None and is_room and len(name) <= _NAME:
                self._counts[name] = value

    def _read_error(self, answer: Mapping[str, Any]) -> None:
        if answer.get("type") == "error":
            message = _mapping(answer.get("error")).get("message")
            self.error = _storable(message if isinstance(message, str) else "")[:_WORDS]


def _parse(text: bytes) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(text))
    except (ValueError, RecursionError):
        return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _storable(text: str) -> str:
    """Return text without lone surrogates and NUL, which no database takes."""
    return text.encode(errors="replace").decode().replace("\0", "�")


_TEXTS = ("text", "thinking", "partial_json")
"""Fields of a content block, or of its change, that hold what the model wrote."""


def _text_bytes(piece: object) -> int:
    values = _mapping(piece)
    texts = [values.get(name) for name in _TEXTS]
    # A model may split a character outside the BMP over two pieces, as two surrogates.
    return sum(
        len(text.encode(errors="surrogatepass"))
        for text in texts
        if isinstance(text, str)
    )
