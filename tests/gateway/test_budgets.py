"""What a budget stops, and when."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aideator.domain.usage import Budget, Usage
from aideator.gateway.budget import (
    JUDGE,
)
from tests.gateway.harness import Harness, open_harness
from tests.gateway.provider import (
    MODEL,
    OUTPUT_USD,
    STREAM_HEAD,
    Request,
    chunk,
    message,
    sse,
    start,
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
    """Ten calls that reserve a third of the cap each, and cost a fifth."""
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
            int(part)
            for part in (request.header("x-client-request-id") or "").split("/")
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
                "x-client-request-id": f"{limit}/{int(limit * part)}",
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
