"""What the gateway counts, from answers as they really come."""

import asyncio
import gzip
import json
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.domain.errors import Fenced
from aideator.domain.usage import Budget, Usage
from aideator.gateway.lease import Lease
from aideator.gateway.meter import Meter
from tests.gateway.harness import Harness, nothing_spent, open_harness
from tests.gateway.provider import (
    INPUT_USD,
    MODEL,
    OUTPUT_USD,
    STREAM_HEAD,
    Play,
    chunk,
    end,
    message,
    sse,
    start,
    stream,
    text,
    whole,
)

ANSWER = sse(start(100), text("hello"), {"type": "ping"}, *end(42))
COST = 100 * INPUT_USD + 42 * OUTPUT_USD


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(0, len(ANSWER)), max_size=30).map(sorted),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_usage_is_the_same_however_the_stream_is_cut_up(
    cuts: list[int], newline: bytes
) -> None:
    answer = ANSWER.replace(b"\n", newline)
    meter = Meter(streaming=True, asked_model="", request_bytes=0)
    for left, right in zip([0, *cuts], [*cuts, len(answer)], strict=True):
        meter.feed(answer[left:right])
    meter.finish()
    assert meter.complete
    assert meter.usage().model_copy(update={"cost_usd": None}) == Usage(
        requests=1, input_tokens=100, output_tokens=42, cost_usd=None
    )


@pytest.mark.parametrize(
    "play",
    [
        stream(ANSWER),
        whole(message()),
        whole(gzip.compress(message()), "200 OK", "Content-Encoding: gzip"),
        whole(
            gzip.compress(ANSWER),
            "200 OK",
            "Content-Encoding: gzip",
            kind="text/event-stream",
        ),
    ],
    ids=["stream", "json", "gzipped json", "gzipped stream"],
)
async def test_a_call_is_counted_and_priced_before_its_end_is_seen(
    home: Path, play: Play
) -> None:
    async with (
        open_harness(home, play) as harness,
        harness.lease() as lease,
    ):
        answer = await harness.ask(lease)
        assert harness.seen == [(lease.usage, MODEL)]
        assert answer.content in (ANSWER, message())
        assert harness.provider.requests[-1].header("accept-encoding") == "identity"
    assert (
        lease.usage.requests,
        lease.usage.input_tokens,
        lease.usage.output_tokens,
    ) == (1, 100, 42)
    assert lease.usage.cost_usd == pytest.approx(COST)
    assert lease.last_error is None


async def test_cached_tokens_are_input_and_have_their_own_price(home: Path) -> None:
    async with (
        open_harness(
            home,
            stream(
                sse(
                    start(
                        10,
                        cache_read_input_tokens=1000,
                        cache_creation_input_tokens=500,
                    ),
                    *end(0),
                )
            ),
        ) as harness,
        harness.lease() as lease,
    ):
        await harness.ask(lease)
    usage = lease.usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (
        1510,
        1000,
        500,
    )
    assert usage.cost_usd == pytest.approx(
        (10 + 1000 / 10 + 500 * 1.25) * INPUT_USD, rel=0.3
    )


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_compaction_is_charged_beside_the_calls_own_counts(
    home: Path, streamed: object
) -> None:
    usage = {
        "input_tokens": 1000,
        "output_tokens": 10,
        "iterations": [
            {"type": "compaction", "input_tokens": 50_000, "output_tokens": 3_000},
            {"type": "message", "input_tokens": 1000, "output_tokens": 10},
            "hostile",
        ],
    }
    delta: dict[str, object] = {"type": "message_delta", "delta": {}, "usage": usage}
    play = stream(sse(start(1000), delta, {"type": "message_stop"}))
    if not streamed:
        answer = {"type": "message", "model": MODEL, "content": [], "usage": usage}
        play = whole(json.dumps(answer).encode())
    async with open_harness(home, play) as harness, harness.lease() as lease:
        await harness.ask(lease, stream=bool(streamed))
        assert (lease.usage.input_tokens, lease.usage.output_tokens) == (51_000, 3_010)
        assert lease.usage.cost_usd == pytest.approx(
            51_000 * INPUT_USD + 3_010 * OUTPUT_USD
        )


async def test_a_model_without_a_price_keeps_its_tokens_and_has_no_cost(
    home: Path,
) -> None:
    async with (
        open_harness(home, whole(message(model="my-own-model"))) as harness,
        harness.lease() as lease,
    ):
        await harness.ask(lease, model="my-own-model")
    assert (lease.usage.tokens, lease.usage.cost_usd) == (142, None)
    assert harness.seen == [(lease.usage, "my-own-model")]


async def test_usage_goes_on_from_what_earlier_attempts_spent(home: Path) -> None:
    before = Usage(requests=3, input_tokens=1000, output_tokens=10, cost_usd=0.5)
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(spent={1: before}) as lease,
    ):
        assert lease.usage == before
        await harness.ask(lease)
    assert (lease.usage.requests, lease.usage.input_tokens) == (4, 1100)
    assert lease.usage.cost_usd == pytest.approx(0.5 + COST)


async def test_calls_that_end_together_are_reported_with_figures_that_only_grow(
    home: Path,
) -> None:
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease() as lease,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(10):
            tasks.create_task(harness.ask(lease))
    counts = [usage.requests for usage, _ in harness.seen]
    assert counts == sorted(counts)
    assert (len(counts), counts[-1]) == (10, 10)


async def test_hanging_up_ends_the_call_upstream_and_still_counts_what_was_streamed(
    home: Path,
) -> None:
    async def play(
        request: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD + chunk(sse(start(100), text("x" * 300))))
        await harness.provider.wait_for_hang_up(reader)

    async with open_harness(home, play) as harness, harness.lease() as lease:
        headers = {"x-api-key": lease.token}
        async with harness.agent.stream(
            "POST", "/v1/messages", json={"model": MODEL}, headers=headers
        ) as answer:
            await anext(answer.aiter_raw())
        await asyncio.wait_for(harness.provider.hung_up.wait(), 10)
    assert (
        lease.usage.requests,
        lease.usage.input_tokens,
        lease.usage.output_tokens,
    ) == (1, 100, 100)


async def test_hanging_up_before_the_answer_begins_counts_the_input(home: Path) -> None:
    called = asyncio.Event()

    async def play(
        request: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        called.set()
        await harness.provider.wait_for_hang_up(reader)

    async with open_harness(home, play) as harness, harness.lease() as lease:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(harness.ask(lease))
            await called.wait()
            call.cancel()
        await asyncio.wait_for(harness.provider.hung_up.wait(), 10)
    length = len(harness.provider.requests[0].body)
    assert (lease.usage.requests, lease.usage.input_tokens) == (1, -(-length // 3))


async def test_closing_a_lease_ends_its_calls_and_counts_them(home: Path) -> None:
    async def play(
        request: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD + chunk(sse(start(100), text("x" * 30))))
        await harness.provider.wait_for_hang_up(reader)

    async with open_harness(home, play) as harness:
        async with harness.lease() as lease:
            headers = {"x-api-key": lease.token}
            streamed = harness.agent.stream(
                "POST", "/v1/messages", json={"model": MODEL}, headers=headers
            )
            answer = await streamed.__aenter__()
            pieces = answer.aiter_raw()  # kept: a collected iterator hangs up by itself
            await anext(pieces)
        assert harness.seen == [(lease.usage, MODEL)]
        assert lease.usage.output_tokens == 10
        await asyncio.wait_for(harness.provider.hung_up.wait(), 10)
        await streamed.__aexit__(None, None, None)


async def test_an_agent_that_leaves_while_its_last_call_is_booked_still_pays(
    home: Path,
) -> None:
    seen, booking, may_end = list[Usage](), asyncio.Event(), asyncio.Event()

    async def record(usage: Usage, _model: str | None) -> None:
        booking.set()
        await may_end.wait()
        seen.append(usage)

    async def ask(harness: Harness, lease: Lease) -> None:
        with suppress(httpx2.TransportError):  # the lease ends before the answer does
            await harness.ask(lease)

    async with (
        open_harness(home, stream(ANSWER)) as harness,
        asyncio.TaskGroup() as tasks,
    ):
        async with harness.gateway.lease(
            "run", 1, Budget(), spending=nothing_spent, on_usage=record
        ) as lease:
            tasks.create_task(ask(harness, lease))
            await booking.wait()
            asyncio.get_running_loop().call_later(0.05, may_end.set)
        assert [usage.output_tokens for usage in seen] == [42]


async def test_an_answer_without_usage_is_counted_by_its_length(home: Path) -> None:
    body = json.dumps({"type": "message", "content": "y" * 3000}).encode()
    async with open_harness(home, whole(body)) as harness, harness.lease() as lease:
        await harness.ask(lease)
    assert lease.usage.output_tokens == -(-len(body) // 3)
    assert lease.usage.input_tokens > 0


async def test_a_coding_that_cannot_be_read_does_not_pass(home: Path) -> None:
    async with (
        open_harness(
            home, whole(b"\x1b\x03", "200 OK", "Content-Encoding: br")
        ) as harness,
        harness.lease() as lease,
    ):
        answer = await harness.ask(lease)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
    assert "br" in (lease.last_error or "")


async def test_a_lease_whose_books_nobody_keeps_any_more_is_at_an_end(
    home: Path,
) -> None:
    async def fenced(usage: Usage, model: str | None) -> None:
        raise Fenced

    async with (
        open_harness(home, whole(message())) as harness,
        harness.gateway.lease(
            "run", 1, Budget(), spending=nothing_spent, on_usage=fenced
        ) as lease,
    ):
        assert (await harness.ask(lease)).status_code == 200
        assert "newer attempt" in (lease.last_error or "")
        assert (await harness.ask(lease)).status_code == 401
