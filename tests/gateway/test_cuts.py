"""Streams that are cut at the end of the budget."""

import json
from pathlib import Path

import anthropic
import httpx2
import pytest

from aideator.domain.usage import Budget
from tests.gateway.harness import open_harness
from tests.gateway.provider import (
    MODEL,
    OUTPUT_USD,
    Play,
    end,
    sse,
    start,
    stream,
    text,
)


def spilling(events: int) -> Play:
    """Stream more than any budget of these tests pays, 300 bytes to an event."""
    return stream(sse(start(100)), *[sse(text("x" * 300))] * events, sse(*end(10**6)))


@pytest.mark.parametrize(
    "budget",
    [Budget(variation_tokens=3_000), Budget(run_tokens=3_000), Budget(run_usd=0.06)],
    ids=["tokens of a variation", "tokens of a run", "dollars of a run"],
)
async def test_a_stream_is_cut_at_the_end_of_the_budget_with_an_error_event(
    home: Path, budget: Budget
) -> None:
    async with (
        open_harness(home, spilling(100)) as harness,
        harness.lease(budget=budget) as lease,
    ):
        answer = await harness.ask(lease, max_tokens=128_000, stream=True)
        passed, _, event = answer.content.partition(b"event: error\ndata: ")
        assert answer.status_code == 200
        assert sse(start(100), *[text("x" * 300)] * 100).startswith(passed)
        error = json.loads(event)["error"]
        assert error["type"] == "billing_error"
        assert error["message"].startswith("the budget is spent")
        assert lease.exhausted
        assert "has reached its cap" in (lease.last_error or "")
        piece = 1024 // 3
        assert 2_700 < lease.usage.tokens <= 3_000 + piece
        assert (lease.usage.cost_usd or 0) <= 0.06 + piece * OUTPUT_USD
        assert (await harness.ask(lease, max_tokens=128_000)).status_code == 402


async def test_a_cut_stream_is_an_error_of_the_api_to_the_sdk(home: Path) -> None:
    async with (
        open_harness(home, spilling(100)) as harness,
        harness.lease(budget=Budget(run_tokens=3_000)) as lease,
        anthropic.AsyncAnthropic(
            auth_token=lease.token,
            base_url="http://gateway",
            http_client=httpx2.AsyncClient(
                transport=httpx2.AsyncHTTPTransport(uds=str(harness.gateway.socket))
            ),
        ) as client,
    ):
        answer = await client.messages.create(
            model=MODEL,
            max_tokens=64_000,
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
        )
        with pytest.raises(anthropic.APIStatusError, match="budget is spent"):
            [event async for event in answer]


async def test_an_event_too_long_to_be_held_ends_with_the_connection(
    home: Path,
) -> None:
    play = stream(sse(start(0)), sse(text("x" * 9 * 2**20)))
    async with (
        open_harness(home, play) as harness,
        harness.lease(budget=Budget(run_tokens=50_000)) as lease,
    ):
        with pytest.raises(httpx2.RemoteProtocolError):
            await harness.ask(lease, max_tokens=64_000, stream=True)
        assert lease.exhausted


async def test_an_answer_whose_final_count_is_within_the_budget_is_not_cut(
    home: Path,
) -> None:
    """500 letters are 167 tokens by their length, and 120 by the provider's count."""
    answer = sse(start(10), text("x" * 500)), sse(*end(120))
    async with (
        open_harness(home, stream(answer[0] + answer[1])) as harness,
        harness.lease(budget=Budget(run_tokens=170)) as lease,
    ):
        got = await harness.ask(lease, max_tokens=100, stream=True)
        assert got.content == answer[0] + answer[1]
        assert (lease.usage.tokens, lease.exhausted) == (130, False)
