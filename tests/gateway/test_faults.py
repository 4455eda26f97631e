"""Upstreams that fail, callers that misbehave, and a gateway that closes."""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from aideator.domain.usage import Budget
from aideator.gateway.app import CallLimits, open_gateway
from tests.gateway import inprocess
from tests.gateway.harness import KEY, ignore_usage, nothing_spent, open_harness
from tests.gateway.provider import (
    MODEL,
    STREAM_HEAD,
    Request,
    chunk,
    end,
    failing,
    message,
    sse,
    start,
    stream,
    text,
    whole,
)


@pytest.mark.parametrize(
    ("status", "kind", "headers"),
    [
        ("401 Unauthorized", "authentication_error", []),
        ("429 Too Many Requests", "rate_limit_error", ["retry-after: 17"]),
        ("500 Internal Server Error", "api_error", ["x-should-retry: true"]),
        (
            "529 Overloaded",
            "overloaded_error",
            ["retry-after: 3", "x-should-retry: true"],
        ),
    ],
)
async def test_an_error_of_the_provider_passes_as_it_is(
    home: Path, status: str, kind: str, headers: list[str]
) -> None:
    async with (
        open_harness(home, failing(status, kind, "no luck", *headers)) as harness,
        harness.lease() as lease,
    ):
        answer = await harness.ask(lease)
        assert answer.status_code == int(status[:3])
        assert answer.json() == {
            "type": "error",
            "error": {"type": kind, "message": "no luck"},
        }
        for name, value in (line.split(": ") for line in headers):
            assert answer.headers[name] == value
        assert lease.last_error == f"the model's server answered {status[:3]}: no luck"
        assert lease.usage.requests == 0
        harness.provider.play = whole(message())
        await harness.ask(lease)
        assert lease.last_error is None


async def test_a_wrong_key_on_the_host_is_nothing_that_an_agent_should_retry(
    home: Path,
) -> None:
    play = failing(
        "401 Unauthorized", "authentication_error", f"invalid x-api-key {KEY}"
    )
    async with open_harness(home, play) as harness, harness.lease() as lease:
        answer = await harness.ask(lease)
        assert answer.headers["x-should-retry"] == "false"
        assert KEY not in answer.text
        assert KEY not in (lease.last_error or "")


def assert_failed(answer: httpx2.Response, status: int, kind: str) -> None:
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)
    assert int(answer.headers["retry-after"]) > 0


async def test_a_provider_that_is_not_there_is_a_bad_gateway(home: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with (
            open_harness(home, whole(b""), base_url=url) as harness,
            harness.lease() as lease,
        ):
            assert_failed(await harness.ask(lease), 502, "api_error")
            assert "cannot be reached" in (lease.last_error or "")
            assert lease.usage.requests == 0


async def test_a_provider_that_hangs_up_before_it_answers_is_a_bad_gateway(
    home: Path,
) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.close()

    async with open_harness(home, play) as harness, harness.lease() as lease:
        assert_failed(await harness.ask(lease), 502, "api_error")
        assert "broke off before it answered" in (lease.last_error or "")
        assert lease.usage.requests == 0


async def test_a_provider_that_sends_nothing_is_a_gateway_time_out(home: Path) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await harness.provider.wait_for_hang_up(reader)

    async with (
        open_harness(home, play, idle_seconds=0.2) as harness,
        harness.lease() as lease,
    ):
        assert_failed(await harness.ask(lease), 504, "timeout_error")
        await asyncio.wait_for(harness.provider.hung_up.wait(), 10)


def cut(writer: asyncio.StreamWriter) -> None:
    writer.close()


def silent(writer: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize("fault", [cut, silent])
async def test_a_stream_that_breaks_off_breaks_off_for_the_agent_too(
    home: Path, fault: Callable[[asyncio.StreamWriter], None]
) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD + chunk(beginning))
        await writer.drain()
        fault(writer)
        await harness.provider.wait_for_hang_up(reader)

    beginning = sse(start(100), text("z" * 30))
    async with (
        open_harness(home, play, idle_seconds=0.3) as harness,
        harness.lease() as lease,
    ):
        headers = {"x-api-key": lease.token}
        got = bytearray()

        async def read(answer: httpx2.Response) -> None:
            async for piece in answer.aiter_raw():
                got.extend(piece)

        async with harness.agent.stream(
            "POST", "/v1/messages", json={"model": MODEL}, headers=headers
        ) as answer:
            with pytest.raises(httpx2.RemoteProtocolError):
                await read(answer)
        assert got == beginning
        assert (
            lease.usage.requests,
            lease.usage.input_tokens,
            lease.usage.output_tokens,
        ) == (1, 100, 10)
        assert "in the middle" in (lease.last_error or "")


async def test_a_body_shorter_than_promised_is_seen_as_cut(home: Path) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + message())
        writer.close()

    async with open_harness(home, play) as harness, harness.lease() as lease:
        with pytest.raises(httpx2.RemoteProtocolError):
            await harness.ask(lease)


async def test_a_stream_that_ends_in_an_error_says_so(home: Path) -> None:
    overloaded: dict[str, object] = {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
    }
    async with (
        open_harness(home, stream(sse(start(), text("a"), overloaded))) as harness,
        harness.lease() as lease,
    ):
        assert (await harness.ask(lease)).status_code == 200
    assert lease.last_error == "the model's server broke off: Overloaded"


async def test_a_stream_that_just_ends_is_not_a_success(home: Path) -> None:
    async with (
        open_harness(home, stream(sse(start(), text("a")))) as harness,
        harness.lease() as lease,
    ):
        await harness.ask(lease)
    assert "before it was complete" in (lease.last_error or "")


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
async def test_a_body_that_is_too_large_is_refused(
    home: Path, declared: object
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1000

    limits = CallLimits(body_bytes=10_000)
    async with (
        open_harness(home, whole(message()), limits=limits) as harness,
        harness.lease() as lease,
    ):
        content: bytes | AsyncIterator[bytes] = pieces()
        if declared:
            content = b" " * 10_001
        answer = await harness.agent.post(
            "/v1/messages", content=content, headers={"x-api-key": lease.token}
        )
        assert (answer.status_code, answer.json()["error"]["type"]) == (
            413,
            "request_too_large",
        )
        assert harness.provider.requests == []


@pytest.mark.parametrize(
    ("path", "asked", "status", "words"),
    [
        ("/v1/responses", {"model": MODEL}, 404, "offers the Messages API only"),
        ("/v1/messages", ["no object"], 400, "not a JSON object"),
        ("/v1/messages", {"max_tokens": "9"}, 400, "max_tokens"),
        (
            "/v1/messages",
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            400,
            "reaches out of the sandbox",
        ),
        ("/v1/messages", {"model": "x" * 10_000}, 413, "10000 bytes"),
    ],
    ids=["route", "body", "max_tokens", "tool of the provider", "size"],
)
async def test_a_refusal_is_remembered_until_a_call_succeeds(
    home: Path, path: str, asked: object, status: int, words: str
) -> None:
    async with (
        open_harness(
            home, whole(message()), limits=CallLimits(body_bytes=10_000)
        ) as harness,
        harness.lease() as lease,
    ):
        answer = await harness.agent.post(
            path, json=asked, headers={"x-api-key": lease.token}
        )
        assert answer.status_code == status
        assert words in (lease.last_error or "")
        assert not lease.exhausted
        assert harness.provider.requests == []
        assert (await harness.ask(lease)).status_code == 200
        assert lease.last_error is None


async def test_a_caller_that_hangs_up_is_not_refused() -> None:
    gateway = inprocess.open_gateway(inprocess.Provider())
    sent: list[object] = []
    received: list[dict[str, object]] = [
        {"type": "http.request", "body": b'{"mod', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return received.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    opened = gateway.lease(
        "run", 1, Budget(), spending=nothing_spent, on_usage=ignore_usage
    )
    async with opened as lease:
        await gateway(inprocess.scope_of(lease, "x"), receive, send)
        assert (sent, lease.last_error) == ([], None)


async def test_a_large_body_passes_whole(home: Path) -> None:
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease() as lease,
    ):
        body = b'{"model": "m", "x": "' + b"a" * 20_000_000 + b'"}'
        answer = await harness.agent.post(
            "/v1/messages", content=body, headers={"x-api-key": lease.token}
        )
        assert answer.status_code == 200
        assert harness.provider.requests[0].body == body


async def test_a_body_that_never_comes_is_not_waited_for(home: Path) -> None:
    async with (
        open_harness(home, whole(b""), limits=CallLimits(body_seconds=0.1)) as harness,
        harness.lease() as lease,
    ):
        head = (
            "POST /v1/messages HTTP/1.1\r\nHost: x\r\n"
            f"x-api-key: {lease.token}\r\nContent-Length: 9\r\n\r\n"
        )
        reader, writer = await asyncio.open_unix_connection(harness.gateway.socket)
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert "in time" in (lease.last_error or "")
        writer.close()


async def test_a_head_without_end_is_refused(home: Path) -> None:
    async with open_harness(home, whole(b"")) as harness:
        reader, writer = await asyncio.open_unix_connection(harness.gateway.socket)
        writer.write(b"GET /v1/models HTTP/1.1\r\nx: ")
        for _ in range(4):
            writer.write(b"a" * 20_000)
            await asyncio.sleep(0.01)
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")
        writer.close()


async def test_too_many_calls_at_once_are_turned_away_for_a_moment(home: Path) -> None:
    release, busy = asyncio.Event(), asyncio.Semaphore(0)

    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        busy.release()
        await release.wait()
        await whole(message())(request, reader, writer)

    limits = CallLimits(calls=3, calls_per_lease=2)
    async with (
        open_harness(home, play, limits=limits) as harness,
        harness.lease(1) as one,
        harness.lease(2) as two,
        asyncio.TaskGroup() as tasks,
    ):
        held = [tasks.create_task(harness.ask(lease)) for lease in (one, one)]
        await busy.acquire()
        await busy.acquire()
        assert_failed(await harness.ask(one), 429, "rate_limit_error")
        held.append(tasks.create_task(harness.ask(two)))
        await busy.acquire()
        assert_failed(await harness.ask(two), 429, "rate_limit_error")
        release.set()
    assert [call.result().status_code for call in held] == [200, 200, 200]


async def test_a_lease_that_calls_too_often_is_slowed_down(home: Path) -> None:
    limits = CallLimits(calls_per_minute=50)
    async with (
        open_harness(home, whole(message()), limits=limits) as harness,
        harness.lease() as lease,
    ):
        codes = [(await harness.ask(lease)).status_code for _ in range(8)]
        assert codes[:5] == [200] * 5
        assert 429 in codes
        assert codes[-1] != 429 or "in a minute" in (lease.last_error or "")


async def test_the_socket_is_for_its_owner_only_and_gone_at_the_end(home: Path) -> None:
    async with open_harness(home, whole(b"")) as harness:
        mode = harness.gateway.socket.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
    assert not harness.gateway.socket.exists()


async def test_a_socket_that_a_dead_process_left_is_replaced_but_a_file_is_not(
    home: Path,
) -> None:
    left = home / "gateway.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left))
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease() as lease,
    ):
        assert (await harness.ask(lease)).status_code == 200
    left.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        async with open_gateway(socket=left):
            pass
    assert left.read_text() == "mine"


async def test_the_gateway_leaves_signals_to_the_program(home: Path) -> None:
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    try:
        async with (
            open_harness(home, whole(message())) as harness,
            harness.lease() as lease,
        ):
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(heard.wait(), 5)
            assert (await harness.ask(lease)).status_code == 200
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_an_error_of_the_program_comes_through_the_gateway_unchanged(
    home: Path,
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_harness(home, whole(b"")) as harness, harness.lease():
            raise ZeroDivisionError


async def test_slow_streams_of_many_agents_pass_side_by_side(home: Path) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD)
        for piece in (sse(start()), sse(text("slow")), sse(*end(5))):
            await asyncio.sleep(0.05)
            writer.write(chunk(piece))
        writer.write(chunk(b""))

    async with (
        open_harness(home, play) as harness,
        harness.lease() as lease,
        asyncio.TaskGroup() as tasks,
    ):
        calls = [tasks.create_task(harness.ask(lease)) for _ in range(16)]
    assert {call.result().content for call in calls} == {
        sse(start(), text("slow"), *end(5))
    }
    assert lease.usage.requests == 16
