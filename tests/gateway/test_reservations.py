"""What a call reserves, which calls run at once, and what is refused."""

import asyncio
from pathlib import Path

import pytest

from aideator.domain.usage import Budget, Usage
from aideator.gateway.budget import (
    SMALL_OUTPUT_TOKENS,
    Amount,
    Call,
    OverBudget,
    RunBudget,
)
from aideator.gateway.lease import RateLimit
from tests.conftest import PATIENCE
from tests.gateway.harness import open_harness
from tests.gateway.provider import (
    MODEL,
    Request,
    end,
    message,
    sse,
    start,
    stream,
    text,
    whole,
)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
async def test_an_agent_that_asks_for_far_more_than_it_uses_works_under_a_small_budget(
    home: Path, streamed: object
) -> None:
    play = stream(sse(start(), text("ok"), *end(42))) if streamed else whole(message())
    async with (
        open_harness(home, play) as harness,
        harness.lease(budget=Budget(run_usd=0.5)) as lease,
    ):
        for _ in range(20):
            answer = await harness.ask(lease, max_tokens=128_000, stream=bool(streamed))
            assert answer.status_code == 200
        assert lease.usage.requests == 20


async def test_calls_whose_reservations_fit_run_at_once(home: Path) -> None:
    everyone_is_there = asyncio.Barrier(4)

    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await everyone_is_there.wait()
        await whole(message())(request, reader, writer)

    async with (
        open_harness(home, play) as harness,
        harness.lease(1, Budget(run_usd=2)) as one,
        harness.lease(2, Budget(run_usd=2)) as two,
        asyncio.timeout(PATIENCE),
        asyncio.TaskGroup() as tasks,
    ):
        calls = [
            tasks.create_task(harness.ask(lease, max_tokens=128_000))
            for lease in (one, one, two, two)
        ]
    assert [call.result().status_code for call in calls] == [200] * 4


@pytest.mark.parametrize("left", [SMALL_OUTPUT_TOKENS, SMALL_OUTPUT_TOKENS - 1])
async def test_a_call_is_refused_only_if_not_even_a_small_answer_can_be_paid(
    home: Path, left: int
) -> None:
    async with open_harness(home, whole(message(1, 1))) as harness:
        async with harness.lease() as free:
            await harness.ask(free, max_tokens=100_000)
        given = -(-len(harness.provider.requests[0].body) // 3)
        harness.recorded.clear()
        budget = Budget(run_tokens=given + left)
        async with harness.lease(1, budget) as lease:
            answer = await harness.ask(lease, max_tokens=100_000)
    assert answer.status_code == (200 if left == SMALL_OUTPUT_TOKENS else 402)


@pytest.mark.parametrize("max_tokens", ["64000", 64000.0, True, -1, [1]])
async def test_a_limit_that_is_no_whole_number_is_refused(
    home: Path, max_tokens: object
) -> None:
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(budget=Budget(run_usd=0.02)) as lease,
    ):
        answer = await harness.agent.post(
            "/v1/messages",
            json={"model": MODEL, "max_tokens": max_tokens},
            headers={"x-api-key": lease.token},
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert harness.provider.requests == []


def a_call(tokens: int, usd: float = 0.0) -> Call:
    return Call(Amount(tokens, usd), Amount(tokens, usd))


async def test_a_budget_can_be_spent_to_its_exact_end() -> None:
    dime = Usage(requests=1, input_tokens=100, cost_usd=0.1)
    budget = RunBudget(Budget(run_tokens=300, run_usd=0.3))
    for _ in range(3):
        call = a_call(100, 0.1)
        async with budget.reserve(1, call):
            budget.book(1, dime, call)
    assert budget.run.spent.tokens == 300
    for more in (a_call(1), a_call(0, 0.000_001)):
        with pytest.raises(OverBudget):
            async with budget.reserve(1, more):
                pass


async def test_a_booked_call_counts_once_while_it_is_being_recorded() -> None:
    """A database takes its time, and the streams of other calls go on meanwhile."""
    budget = RunBudget(Budget(run_tokens=300))
    ended, other = a_call(150), a_call(150)
    async with budget.reserve(1, ended), budget.reserve(2, other):
        ended.running = other.running = Amount(150)
        assert budget.reached_by(2) is None
        budget.book(1, Usage(requests=1, input_tokens=150), ended)
        assert budget.reached_by(2) is None
        assert budget.run.reserved == Amount(150)
        other.running = Amount(151)
        assert budget.reached_by(2) is not None


async def test_what_fits_exactly_beside_others_does_not_wait() -> None:
    budget = RunBudget(Budget(run_tokens=300))
    async with (
        budget.reserve(1, a_call(100)),
        budget.reserve(2, a_call(100)),
        budget.reserve(3, a_call(100)),
    ):
        assert budget.run.reserved.tokens == 300
    assert budget.run.reserved.tokens == 0


async def test_a_call_waits_for_room_in_the_run_also_if_its_variation_has_some() -> (
    None
):
    budget = RunBudget(Budget(run_tokens=300))
    done = asyncio.Event()

    async def wait_for_room() -> None:
        async with budget.reserve(2, a_call(200)):
            done.set()

    async with asyncio.TaskGroup() as tasks, budget.reserve(1, a_call(200)):
        tasks.create_task(wait_for_room())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not done.is_set()
    assert done.is_set()


def test_calls_in_a_minute_start_at_once_up_to_a_tenth_and_then_evenly() -> None:
    rate = RateLimit()
    assert [rate.admit(60, 0.0) for _ in range(7)] == [True] * 6 + [False]
    assert [rate.admit(60, 1.0) for _ in range(2)] == [True, False]
    assert RateLimit().admit(1, 0.0)


async def test_a_stream_beyond_its_reservation_leaves_less_room_for_others() -> None:
    budget = RunBudget(Budget(run_tokens=300))
    stream = Call(Amount(1), Amount(100), running=Amount(1))
    async with budget.reserve(1, stream):
        stream.running = Amount(250)
        assert budget.run.reserved.tokens == 250
        assert not budget.run.has_room_for(a_call(100))
        assert budget.run.has_room_for(a_call(50))


async def test_an_answer_that_cannot_be_seen_counts_as_reserved_until_it_ends() -> None:
    budget = RunBudget(Budget(run_tokens=300))
    stream = Call(Amount(1), Amount(100), running=Amount(1))
    async with budget.reserve(1, stream):
        async with budget.reserve(2, a_call(200)):
            stream.running = Amount(100)
            assert budget.reached_by(1) is None
            stream.running = Amount(101)
            assert budget.reached_by(1) is not None
        assert budget.reached_by(1) is None
