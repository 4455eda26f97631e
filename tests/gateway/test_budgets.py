"""What a budget stops, and when."""

import asyncio
import json
from pathlib import Path

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.domain.usage import Budget, Usage
from aideator.gateway.budget import (
    JUDGE,
    SMALL_OUTPUT_TOKENS,
    Amount,
    Call,
    OverBudget,
    RunBudget,
)
from aideator.gateway.lease import RateLimit
from tests.gateway.harness import Harness, open_harness
from tests.gateway.provider import (
    MODEL,
    OUTPUT_USD,
    STREAM_HEAD,
    Play,
    Request,
    chunk,
    end,
    message,
    sse,
    start,
    stream,
    text,
    whole,
)


def assert_told_to_stop(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["error"]["type"]) == (
        402,
        "billing_error",
    )
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "budget",
    [
        Budget(variation_usd=0.005),
        Budget(run_usd=0.005),
        Budget(variation_tokens=400),
        Budget(run_tokens=400),
    ],
    ids=[
        "dollars of a variation",
        "dollars of a run",
        "tokens of a variation",
        "tokens of a run",
    ],
)
async def test_a_spent_budget_ends_the_calls_and_says_what_is_left(
    home: Path, budget: Budget
) -> None:
    async with (
        open_harness(home, whole(message(100, 100))) as harness,
        harness.lease(budget=budget) as lease,
    ):
        assert (await harness.ask(lease)).status_code == 200
        assert not lease.exhausted
        answer = await harness.ask(lease)
        while answer.status_code == 200:
            answer = await harness.ask(lease)
    assert_told_to_stop(answer)
    assert "left to the" in answer.json()["error"]["message"]
    assert lease.exhausted
    assert "budget is spent" in (lease.last_error or "")
    assert lease.usage.requests == len(harness.provider.requests)
    assert (lease.usage.cost_usd or 0) <= 0.005


async def test_a_call_that_may_cost_more_than_is_left_is_not_begun(home: Path) -> None:
    budget = Budget(variation_usd=0.01)
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(budget=budget) as lease,
    ):
        assert_told_to_stop(await harness.ask(lease, max_tokens=1000))
        assert harness.provider.requests == []
        assert (await harness.ask(lease, max_tokens=100)).status_code == 200


@pytest.mark.parametrize(
    "budget", [Budget(run_usd=1), Budget(variation_usd=1)], ids=["run", "variation"]
)
async def test_a_model_without_a_price_is_refused_under_a_cap_in_dollars(
    home: Path, budget: Budget
) -> None:
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(budget=budget) as lease,
    ):
        answer = await harness.ask(lease, model="my-own-model")
        assert_told_to_stop(answer)
        assert "no known price" in answer.json()["error"]["message"]
        assert harness.provider.requests == []
        assert not lease.exhausted


async def test_a_model_without_a_price_obeys_a_cap_in_tokens(home: Path) -> None:
    play = whole(message(100, 100, model="my-own-model"))
    async with (
        open_harness(home, play) as harness,
        harness.lease(budget=Budget(variation_tokens=400)) as lease,
    ):
        answers = [await harness.ask(lease, model="my-own-model") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 402]


async def test_calls_at_once_stay_under_the_cap_and_wait_for_each_other(
    home: Path,
) -> None:
    """Ten calls that may cost a third of the cap each, and do cost a fifth: never more than three at once."""
    cap, each = 0.0075, 100
    now = most = 0

    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        for _ in range(50):
            await asyncio.sleep(0)
        now -= 1
        await whole(message(0, 75))(request, reader, writer)

    async with (
        open_harness(home, play) as harness,
        harness.lease(budget=Budget(variation_usd=cap)) as lease,
        asyncio.TaskGroup() as tasks,
    ):
        calls = [
            tasks.create_task(harness.ask(lease, max_tokens=each)) for _ in range(10)
        ]
    codes = sorted(call.result().status_code for call in calls)
    assert most in (2, 3)
    assert codes == [200] * codes.count(200) + [402] * codes.count(402)
    assert lease.usage.cost_usd == pytest.approx(codes.count(200) * 75 * OUTPUT_USD)
    assert codes.count(200) == 4
    assert (lease.usage.cost_usd or 0) <= cap


@settings(deadline=None, max_examples=15)
@given(
    cap=st.floats(0.001, 0.02),
    share=st.floats(0.5, 3),
    asked=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 300), st.floats(0, 1)),
        min_size=1,
        max_size=12,
    ),
)
async def test_variations_together_never_spend_more_than_the_run_may(
    wide: Harness, cap: float, share: float, asked: list[tuple[int, int, float]]
) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        limit, used = (
            int(part) for part in (request.header("x-play") or "").split("/")
        )
        assert used <= limit
        await whole(message(0, used))(request, reader, writer)

    wide.provider.play = play
    wide.recorded.clear()
    budget = Budget(run_usd=cap, variation_usd=cap / share)
    async with (
        wide.lease(1, budget) as first,
        wide.lease(2, budget) as second,
        wide.lease(3, budget) as third,
        asyncio.TaskGroup() as tasks,
    ):
        leases = {1: first, 2: second, 3: third}
        for number, limit, part in asked:
            headers = {
                "x-api-key": leases[number].token,
                "x-play": f"{limit}/{int(limit * part)}",
            }
            body = {"model": MODEL, "max_tokens": limit}
            tasks.create_task(
                wide.agent.post("/v1/messages", json=body, headers=headers)
            )
    spent = [lease.usage.cost_usd or 0 for lease in leases.values()]
    assert sum(spent) <= cap
    assert max(spent) <= cap / share


async def test_the_variations_of_a_run_share_its_cap(home: Path) -> None:
    budget = Budget(run_usd=0.005)
    async with (
        open_harness(home, whole(message(0, 100))) as harness,
        harness.lease(1, budget) as first,
        harness.lease(2, budget) as second,
    ):
        answers = [await harness.ask(lease) for lease in (first, second, first)]
        assert [answer.status_code for answer in answers] == [200, 200, 402]
        assert "left to the run" in answers[-1].json()["error"]["message"]


@pytest.mark.parametrize("who", [1, 2, JUDGE])
async def test_what_was_spent_before_counts(home: Path, who: int) -> None:
    before = Usage(requests=1, output_tokens=200, cost_usd=0.004)
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(1, Budget(run_usd=0.005), spent={who: before}) as lease,
    ):
        assert_told_to_stop(await harness.ask(lease))


async def test_a_new_attempt_in_the_same_run_does_not_count_twice(home: Path) -> None:
    budget = Budget(run_usd=0.0065)
    async with (
        open_harness(home, whole(message(0, 100))) as harness,
        harness.lease(2, budget) as other,
    ):
        async with harness.lease(1, budget) as lease:
            assert (await harness.ask(lease)).status_code == 200
        async with harness.lease(1, budget) as again:
            assert (await harness.ask(again)).status_code == 200
            assert again.usage.requests == 2
        assert (await harness.ask(other)).status_code == 200
        assert (await harness.ask(other)).status_code == 402


async def test_counting_tokens_is_free_even_when_the_budget_is_spent(
    home: Path,
) -> None:
    before = Usage(cost_usd=1.0)
    async with (
        open_harness(home, whole(b'{"input_tokens": 1}')) as harness,
        harness.lease(1, Budget(variation_usd=1), spent={1: before}) as lease,
    ):
        headers = {"x-api-key": lease.token}
        answer = await harness.agent.post(
            "/v1/messages/count_tokens", json={"model": MODEL}, headers=headers
        )
        assert answer.status_code == 200


async def test_earlier_spending_counts_once_however_many_leases_are_opened(
    home: Path,
) -> None:
    before = {n: Usage(requests=1, output_tokens=100, cost_usd=0.5) for n in (1, 2, 3)}
    budget = Budget(run_usd=2.0)
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(1, budget, spent=before) as first,
        harness.lease(2, budget),
        harness.lease(3, budget),
    ):
        assert first.budget.run.spent.cost_usd == pytest.approx(1.5)
        assert first.usage.cost_usd == pytest.approx(0.5)


async def test_a_judge_spends_from_the_budget_of_the_run(home: Path) -> None:
    budget = Budget(run_usd=0.005)
    async with open_harness(home, whole(message(0, 100))) as harness:
        async with harness.lease(1, budget) as variation:
            assert (await harness.ask(variation)).status_code == 200
        async with harness.lease(JUDGE, budget) as judge:
            assert (await harness.ask(judge)).status_code == 200
            refused = await harness.ask(judge)
        assert_told_to_stop(refused)
        async with harness.lease(1, budget) as follow_up:
            assert_told_to_stop(await harness.ask(follow_up))


async def test_a_call_that_ends_with_its_lease_is_booked_before_the_figures_are_read(
    home: Path,
) -> None:
    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD + chunk(sse(start(100), text("x" * 300))))
        await harness.provider.wait_for_hang_up(reader)

    async with open_harness(home, play) as harness:
        async with harness.lease(1) as lease:
            headers = {"x-api-key": lease.token}
            streamed = harness.agent.stream(
                "POST", "/v1/messages", json={"model": MODEL}, headers=headers
            )
            answer = await streamed.__aenter__()
            pieces = answer.aiter_raw()
            await anext(pieces)
        async with harness.lease(2) as other:
            assert other.budget.run.spent.tokens == 200
        await streamed.__aexit__(None, None, None)


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
        asyncio.timeout(20),
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
        assert answer.status_code == 200
        passed, event, error = answer.content.partition(b"event: error\n")
        assert event
        sent = sse(start(100), *[text("x" * 300)] * 100)
        assert sent.startswith(passed)
        told = json.loads(error.removeprefix(b"data: "))
        assert told["type"] == "error"
        assert told["error"]["type"] == "billing_error"
        assert "budget is spent" in told["error"]["message"]
        assert lease.exhausted
        assert "has reached its cap" in (lease.last_error or "")
        piece = 1024 // 3
        assert 2_700 < lease.usage.tokens <= 3_000 + piece
        assert (lease.usage.cost_usd or 0) <= 0.06 + piece * OUTPUT_USD
        assert_told_to_stop(await harness.ask(lease, max_tokens=128_000))


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
        async with budget.reserve(1, a_call(100, 0.1)):
            budget.book(1, dime)
    assert budget.run.spent.tokens == 300
    for more in (a_call(1), a_call(0, 0.000_001)):
        with pytest.raises(OverBudget):
            async with budget.reserve(1, more):
                pass


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
