"""Encode a turn as the Messages API sends it: a JSON message, or events of a stream.

Event shapes: `anthropic.types.raw_message_stream_event` of the SDK 2.12. Like the API,
`message_start` carries the input figures, `message_delta` the cumulative output, and a
tool's input comes as pieces of JSON after an empty one.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from aideator.testing.model.protocol import signature, thinks, tokens
from aideator.testing.model.scenario import Figures, Turn

Json = dict[str, Any]

INPUT_PIECE = 24
"""Characters of a tool's input in one event."""


def message(turn: Turn, body: Json) -> Json:
    """Return the whole answer, as sent without streaming.

    Args:
        turn: what the model says.
        body: the request.
    """
    content = list(_content(turn, body))
    return {
        "id": _id("msg"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": turn.stop_reason,
        "stop_sequence": None,
        "stop_details": None,
        "usage": _usage(turn, body, content),
    }


def events(answer: Json) -> Iterator[Json]:
    """Yield the stream of events that adds up to a message."""
    usage = answer["usage"]
    start = {
        **answer,
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    for index, block in enumerate(answer["content"]):
        yield from _block_events(index, block)
    delta = {
        "stop_reason": answer["stop_reason"],
        "stop_sequence": None,
        "stop_details": None,
    }
    spent = {key: value for key, value in usage.items() if key.endswith("tokens")}
    yield {"type": "message_delta", "delta": delta, "usage": spent}
    yield {"type": "message_stop"}


def encode(event: Json) -> bytes:
    """Return one event as bytes of a server-sent event stream."""
    data = json.dumps(event, ensure_ascii=False)
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _block_events(index: int, block: Json) -> Iterator[Json]:
    match block:
        case {"type": "thinking"}:
            empty: Json = {"type": "thinking", "thinking": "", "signature": ""}
            deltas: list[Json] = [
                {"type": "thinking_delta", "thinking": piece}
                for piece in _words(block["thinking"])
            ]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case {"type": "text"}:
            empty = {"type": "text", "text": ""}
            deltas = [
                {"type": "text_delta", "text": piece} for piece in _words(block["text"])
            ]
        case _:
            empty = {**block, "input": {}}
            deltas = [
                {"type": "input_json_delta", "partial_json": piece}
                for piece in _pieces(block["input"])
            ]
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _pieces(arguments: Json) -> list[str]:
    text = json.dumps(arguments, ensure_ascii=False)
    return [
        "",
        *(
            text[start : start + INPUT_PIECE]
            for start in range(0, len(text), INPUT_PIECE)
        ),
    ]


def _content(turn: Turn, body: Json) -> Iterator[Json]:
    shown = thinks(body)
    if turn.think and shown:
        thinking = turn.think if shown == "summarized" else ""
        yield {
            "type": "thinking",
            "thinking": thinking,
            "signature": signature(thinking),
        }
    if turn.say:
        yield {"type": "text", "text": turn.say}
    for call in turn.calls:
        yield {
            "type": "tool_use",
            "id": _id("toolu"),
            "name": call.name,
            "input": call.input,
        }


def prompt_figures(body: Json) -> Figures:
    """Estimate the input of a request.

    With a top-level `cache_control` the prompt is cached up to its end: what the last
    answer was based on is read back, the rest is written.
    """
    head, messages = (
        [body.get("system") or "", body.get("tools") or []],
        body["messages"],
    )
    whole = tokens([*head, messages])
    if not body.get("cache_control"):
        return Figures(input_tokens=whole)
    answers = [
        place
        for place, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
    read = tokens([*head, messages[: answers[-1]]]) if answers else 0
    return Figures(
        input_tokens=0,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=whole - read,
    )


def _usage(turn: Turn, body: Json, content: list[Json]) -> Json:
    figures = turn.usage
    prompt = prompt_figures(body) if figures.input_tokens is None else figures
    return {
        "input_tokens": prompt.input_tokens,
        "cache_creation_input_tokens": prompt.cache_creation_input_tokens,
        "cache_read_input_tokens": prompt.cache_read_input_tokens,
        "output_tokens": (tokens(content) + tokens(turn.think))
        if figures.output_tokens is None
        else figures.output_tokens,
        "service_tier": "standard",
    }


def _id(kind: str) -> str:
    # New each time, as in the API: a repeated request gets another answer.
    return f"{kind}_01{uuid4().hex[:22]}"
