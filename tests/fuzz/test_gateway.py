"""Answers of a provider: server-sent events, and the usage that is metered in them.

The pieces of a stream are its bytes, in order; at most `HELD_BYTES_MAX` are held back.
A meter keeps at most `MAX_COPY` bytes, and its usage is finite and storable whatever
the provider reports.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.usage import Usage
from aideator.gateway.events import HELD_BYTES_MAX, EventPieces
from aideator.gateway.meter import Meter
from tests.fuzz.strategies import (
    JSON,
    NUMBERS,
    around,
    as_json,
    examples,
    mutated,
    repeated,
)
from tests.fuzz.work import check_growth, check_large

MODEL = "claude-haiku-4-5"
STREAM = b"""event: message_start
data: {"type":"message_start","message":{"id":"m","model":"claude-haiku-4-5","usage":{"input_tokens":25,"cache_read_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":1},"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

event: error
data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}

"""  # noqa: E501
WHOLE = (
    b'{"type":"message","model":"claude-haiku-4-5","content":[{"type":"text","text":'
    b'"x"}],"usage":{"input_tokens":3,"output_tokens":4}}'
)
SPLIT_CHARACTER = b'{"type":"content_block_delta","delta":{"text":"\\ud83d"}}'


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(ends)]


def metered(chunks: list[bytes], *, streaming: bool = True) -> Meter:
    meter = Meter(streaming=streaming, asked_model=MODEL, request_bytes=100)
    for chunk in chunks:
        meter.feed(chunk)
        amount = meter.running()
        assert amount is None or (amount.tokens >= 0 and math.isfinite(amount.usd))
    meter.finish()
    return meter


def check_is_storable(meter: Meter) -> None:
    usage = meter.usage()
    assert Usage.model_validate_json(usage.model_dump_json()) == usage
    assert usage.cost_usd is None or math.isfinite(usage.cost_usd)
    for text in (meter.model, meter.error or ""):
        assert len(text) <= 500
        assert "\0" not in text.encode().decode()


PLACES = st.lists(st.integers(0, 10_000), max_size=12)


@examples(100)
@given(mutated([STREAM, WHOLE]), PLACES)
def test_pieces_are_the_stream_whatever_it_is(data: bytes, places: list[int]) -> None:
    pieces, given_out = EventPieces(), list[bytes]()
    for chunk in cut(data, places):
        given_out += pieces.feed(chunk)
    given_out.append(pieces.rest())
    assert b"".join(given_out) == data
    for piece in given_out:
        assert len(piece) <= HELD_BYTES_MAX + len(data)


@examples(100)
@given(mutated([STREAM]), PLACES)
@example(b"data: " + SPLIT_CHARACTER + b"\n", [])
@example(b'data: {"type":"message_start","message":{"model":"\\ud83d\\u0000"}}\n', [])
@example(b'data: {"type":"error","error":{"message":"\\ud83d\\u0000"}}\n', [])
@example(b'data: {"type":"message_delta","usage":{"output_tokens":true}}\n', [])
@example(b"data: " + b"[" * 100_000 + b"\n", [])
def test_a_broken_stream_is_metered(data: bytes, places: list[int]) -> None:
    check_is_storable(metered(cut(data, places)))


@examples(50)
@given(mutated([WHOLE]), PLACES)
def test_a_broken_answer_is_metered(data: bytes, places: list[int]) -> None:
    check_is_storable(metered(cut(data, places), streaming=False))


COUNTS = st.dictionaries(
    st.sampled_from(
        [
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
        ]
    ),
    NUMBERS | JSON,
)


@examples(100)
@given(COUNTS, JSON, JSON)
@example({"output_tokens": 10**4_000}, MODEL, None)
@example({"input_tokens": True}, MODEL, None)
def test_any_values_in_the_usage(
    counts: dict[str, object], model: object, delta: object
) -> None:
    events = (
        {"type": "message_start", "message": {"model": model, "usage": counts}},
        {"type": "content_block_delta", "delta": delta},
        {"type": "message_delta", "usage": counts},
        {"type": "error", "error": {"message": model}},
    )
    lines = [b"data: " + as_json(event) + b"\n\n" for event in events]
    check_is_storable(metered(lines))


@examples(15)
@given(repeated([STREAM]))
def test_work_grows_in_proportion(build: Callable[[int], bytes]) -> None:
    check_growth(lambda data: metered([data]), build, per_byte=100)
    check_growth(lambda data: [*EventPieces().feed(data)], build, per_byte=100)


LARGE = {
    "many counts": around(
        b"", b'data: {"type":"message_delta","usage":{"c%d":[1,2,3]}}\n'
    ),
    "one long line": around(b"data: ", b"x"),
    "line feeds": around(b"", b"\n\r"),
    "texts": around(b"", b"data: " + SPLIT_CHARACTER + b"\n\n"),
}


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_stream_takes_neither_long_nor_much_memory(shape: str) -> None:
    check_large(lambda data: metered([data]), LARGE[shape], per_byte=20)
    check_large(lambda data: [*EventPieces().feed(data)], LARGE[shape], per_byte=20)


def test_an_event_that_comes_byte_by_byte_costs_a_bounded_look_for_each() -> None:
    def feed(data: bytes) -> None:
        pieces = EventPieces()
        for at in range(len(data)):
            assert not [*pieces.feed(data[at : at + 1])]

    check_large(feed, around(b"", b"x"), per_byte=5, size=HELD_BYTES_MAX)
