"""What a connection may send before a key is asked for, and how long it may take."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.http_heads import MAX_HEAD_BYTES, MAX_WAITING
from tests.api.stage import Stage, open_stage
from tests.conftest import PATIENCE

CHUNK = b"a" * 2**16
BUFFERS = 32 * 2**20
"""More than the kernel keeps for both ends of a connection on loopback."""
GET = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with open_stage(home) as opened, asyncio.timeout(PATIENCE):
        yield opened


async def connect(stage: Stage, first: bytes = b"") -> Streams:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(first)
    await writer.drain()
    return reader, writer


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Return what the server sent before it closed the connection."""
    received = b""
    try:
        while piece := await reader.read(2**16):
            received += piece
    except ConnectionError:
        pass
    return received


async def until_refused(writer: asyncio.StreamWriter, piece: bytes) -> int:
    """Send the same piece again and again; return how many bytes were accepted."""
    sent = 0
    try:
        while sent < 2 * BUFFERS:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
    except ConnectionError:
        pass
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (GET + b"x: ", CHUNK),
        (GET, b"".join(b"x-%d: a\r\n" % n for n in range(4096))),
        (b"GET /", CHUNK),
        (b"", b"\r\n" * 2**15),
        (POST + b"0\r\n", b"x: a\r\n" * 2**13),
        (POST + b"0\r\nx: ", CHUNK),
        (POST + b"1;", CHUNK),
    ],
    ids=[
        "one header",
        "many headers",
        "request line",
        "empty lines",
        "trailers",
        "one trailer",
        "a chunk's extension",
    ],
)
async def test_what_never_ends_is_refused(
    stage: Stage, begin: bytes, piece: bytes
) -> None:
    _, writer = await connect(stage, begin)
    assert await until_refused(writer, piece) < BUFFERS
    writer.close()


async def test_a_head_that_is_too_long_is_answered(stage: Stage) -> None:
    reader, writer = await connect(stage, GET + b"x: " + b"a" * MAX_HEAD_BYTES)
    assert (await until_closed(reader)).startswith(b"HTTP/1.1 431 ")
    writer.close()


async def test_a_long_head_and_a_body_in_small_pieces_are_no_offence(
    stage: Stage,
) -> None:
    cookie = {"cookie": "a" * (MAX_HEAD_BYTES - 2**10)}

    async def body() -> AsyncIterator[bytes]:
        for _ in range(4000):
            yield b" " * 100

    for _ in range(3):
        answer = await stage.client.post(
            "/api/v1/runs",
            content=body(),
            headers=cookie | {"content-type": "application/json"},
        )
        assert "JSON" in answer.text, answer.text


async def test_requests_that_do_not_wait_for_their_answers_are_few(
    stage: Stage,
) -> None:
    run_id = await stage.run()
    stream = b"GET /api/v1/runs/%b/stream HTTP/1.1\r\nHost: localhost\r\n\r\n" % (
        run_id.encode()
    )
    _, writer = await connect(stage, stream)
    accepted = await until_refused(writer, (GET + b"\r\n") * 1000)
    assert accepted < BUFFERS
    writer.close()


async def test_of_too_many_idle_connections_the_oldest_makes_room(
    stage: Stage,
) -> None:
    kept = await connect(stage, GET + b"\r\n")
    assert (await kept[0].readline()).startswith(b"HTTP/1.1 200 ")
    idle = [await connect(stage) for _ in range(MAX_WAITING + 20)]
    assert (await stage.client.get("/health/live")).status_code == 200
    for reader, _ in idle[:20]:
        assert await until_closed(reader) == b"", "closed before its time was up"
    for _, writer in [kept, *idle]:
        writer.close()


@pytest.mark.slow
async def test_what_sends_no_head_in_time_is_closed_and_others_are_served_meanwhile(
    stage: Stage,
) -> None:
    idle = [await connect(stage) for _ in range(100)]
    half_open = [await connect(stage, GET + b"x: half") for _ in range(100)]
    after_an_answer = await connect(stage, GET + b"\r\n" + GET)
    body_unread = await connect(stage, POST.replace(b"localhost", b"elsewhere"))
    line_ends = await connect(stage, b"\r\n")
    dripping = [await connect(stage, GET), line_ends, after_an_answer, body_unread]

    async def drip(writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await asyncio.sleep(0.5)
                writer.write(b"\r\n" if writer is line_ends[1] else b"1")
                await writer.drain()
        except ConnectionError:
            pass

    async with asyncio.TaskGroup() as group:
        drips = [group.create_task(drip(writer)) for _, writer in dripping]
        assert (await stage.client.get("/health/live")).status_code == 200
        for reader, writer in [*idle, *half_open, *dripping]:
            answer = await until_closed(reader)
            assert (
                b"HTTP/1.1 408 " in answer
                or b"HTTP/1.1 400 " in answer
                or (answer == b"")
            )
            writer.close()
        for task in drips:
            task.cancel()
    assert (await stage.client.get("/health/live")).status_code == 200
