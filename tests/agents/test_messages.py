"""The built-in agent's client of the Messages API, over real HTTP where it matters."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from aideator.agents.builtin import messages
from aideator.agents.builtin.messages import (
    AnswerBroken,
    Json,
    Message,
    MessagesClient,
    RequestFailed,
    retry_wait,
)

REQUEST: Json = {"model": "m", "max_tokens": 1, "messages": []}


@asynccontextmanager
async def answering(answers: Sequence[bytes]) -> AsyncIterator[str]:
    """Serve one raw HTTP answer per connection, in turn, and yield the address."""
    left = list(answers)

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


def raw(status: str, body: bytes, kind: str = "application/json", **more: str) -> bytes:
    headers = {"content-type": kind, "connection": "close", **more}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def streamed(body: str) -> bytes:
    return raw("200 OK", body.encode(), "text/event-stream")


STOP = 'data: {"type": "message_stop"}\n\n'


async def events(url: str) -> list[Json]:
    async with (
        MessagesClient(url, "token") as client,
        client.stream(REQUEST) as found,
    ):
        return [event async for event in found]


async def test_events_are_read_whatever_their_text_holds() -> None:
    text = "line\u2028separator \u0085 and \x0b"
    ping = f'event: ping\r\ndata: {{"type": "ping", "text": "{text}"}}\r\n\r\n'
    sent = ": a comment\n\n" + ping.replace("\x0b", "\\u000b") + STOP
    async with answering([streamed(sent)]) as url:
        assert [event.get("text") for event in await events(url)] == [text, None]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the stream ended in the middle"),
        ('data: {"type": "ping"}\n\n', "the stream ended in the middle"),
        ("data: no JSON\n\n", "Expecting value"),
        ("data: 1\n\n", "not subscriptable"),
        (
            'data: {"type": "error", "error": {"message": "Overloaded"}}\n\n',
            "Overloaded",
        ),
        ("data: " + "x" * (messages.EVENT_BYTES_MAX + 1), "exceeded"),
    ],
    ids=["empty", "cut", "no-json", "no-object", "error", "too-long"],
)
async def test_a_stream_that_cannot_be_read_is_broken(body: str, reason: str) -> None:
    async with answering([streamed(body)]) as url:
        with pytest.raises(AnswerBroken, match=reason):
            await events(url)


async def test_a_web_page_in_place_of_a_stream_is_broken() -> None:
    async with answering([raw("200 OK", b"<html>", "text/html")]) as url:
        with pytest.raises(AnswerBroken, match="text/event-stream"):
            await events(url)


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            raw("400 Bad Request", b'{"error": {"message": "max_tokens: no"}}'),
            "the model answered 400: max_tokens: no",
        ),
        (
            raw("403 Forbidden", b"<html>", "text/html"),
            "the model answered 403: Forbidden",
        ),
        (
            raw("400 Bad Request", b"{", **{"content-length": "99"}),
            "the model answered 400: Bad Request",
        ),
    ],
    ids=["problem", "page", "cut"],
)
async def test_a_refusal_is_told_with_its_reason(refusal: bytes, message: str) -> None:
    async with answering([refusal]) as url:
        with pytest.raises(RequestFailed, match=message) as failure:
            await events(url)
    assert failure.value.status is not None


@pytest.mark.parametrize(
    "refusal",
    [
        raw("529 Overloaded", b"{}", **{"retry-after-ms": "1"}),
        raw("409 Conflict", b"{}", **{"retry-after": "0.001"}),
        raw(
            "400 Bad Request",
            b"{}",
            **{"x-should-retry": "true", "retry-after-ms": "1"},
        ),
        b"",
    ],
    ids=["overloaded", "conflict", "as-the-server-says", "no-answer"],
)
async def test_a_request_that_may_succeed_later_is_sent_again(
    refusal: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "RETRY_SECONDS", 0.001)
    async with answering([refusal, streamed(STOP)]) as url:
        assert await events(url) == [{"type": "message_stop"}]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "junk", "retry-after": "7"}, 7),
        ({"retry-after": "86400"}, messages.RETRY_SECONDS_MAX),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_server_says_when_to_come_back(
    headers: dict[str, str], expected: float | None
) -> None:
    waits = [retry_wait(attempt, httpx2.Headers(headers)) for attempt in range(20)]
    if expected is not None:
        assert set(waits) == {expected}
        return
    for attempt, wait in enumerate(waits):
        longest = min(messages.RETRY_SECONDS * 2**attempt, messages.RETRY_SECONDS_MAX)
        assert 0.75 * longest <= wait <= longest


def block(kind: str, **fields: Any) -> list[Json]:
    return [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": kind, **fields},
        }
    ]


def delta(kind: str, **fields: Any) -> Json:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": kind, **fields},
    }


@pytest.mark.parametrize("text", ['{"command": "ls', "[1]", "null", "NaN"])
def test_a_call_whose_input_is_no_object_can_be_sent_back(text: str) -> None:
    message = Message()
    for event in (
        *block("tool_use", id="call", name="bash", input={}),
        delta("input_json_delta", partial_json=text),
        {"type": "content_block_stop", "index": 0},
    ):
        message.add(event)
    assert message.malformed == {"call"}
    assert message.content[0]["input"] == {}


def test_what_is_not_known_is_passed_over() -> None:
    message = Message()
    for event in (
        {"type": "brand_new", "index": 4},
        *block("brand_new", data="kept"),
        delta("brand_new_delta", data="dropped"),
        {"type": "content_block_stop", "index": 0},
    ):
        message.add(event)
    assert message.content == [{"type": "brand_new", "data": "kept"}]


@pytest.mark.parametrize(
    "wrong",
    [
        [delta("text_delta", text="before any block")],
        [*block("text", text=""), delta("text_delta")],
        [*block("text", text=""), delta("thinking_delta", thinking="elsewhere")],
        [{"type": "content_block_start", "index": 1, "content_block": {}}],
        [*block("tool_use", name="without an id")],
        [{"type": "message_delta"}],
    ],
)
def test_an_event_that_does_not_fit_breaks_the_answer(wrong: list[Json]) -> None:
    message = Message()
    *fitting, last = wrong
    for event in fitting:
        message.add(event)
    with pytest.raises(AnswerBroken, match="malformed"):
        message.add(last)
