"""The engine of one process: bugs stay local, follow-ups join, order is fair."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.run import AgentSpec, RunStatus, VariationStatus
from tests.actions import bodies, is_dense, user
from tests.engine.interrupted import interrupt

BUSY_AND_QUICK: dict[str, Any] = {
    "lanes": {
        "1": [{"calls": [{"bash": {"command": "sleep 1"}}], "repeat": True}],
        "2": [
            {"calls": [{"bash": {"command": "echo '# x' >> calc.py"}}]},
            {"say": "Done."},
        ],
    }
}


async def test_a_follow_up_joins_a_run_whose_other_variations_are_still_at_work(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, BUSY_AND_QUICK) as me:
        run = await me.asks(variations=2, checks=[])
        heard = await me.hears(run.id, until="variation_finished")
        await me.app.prompt(run.id, 2, "And once more, please")
        again = await me.hears(run.id, until="variation_finished", after=heard[-1].seq)
        assert (await me.app.get(run.id)).status is RunStatus.RUNNING
        await me.app.cancel(run.id, 1)
        done = await me.waits(run.id)
        events = await me.hears(run.id)
    # What the other one did in the same moment may come with it.
    assert {
        event.variation_id for event in again if event.body.kind == "variation_finished"
    } == {2}
    assert [v.attempt for v in done.variations] == [1, 2]
    assert [v.status for v in done.variations] == [
        VariationStatus.CANCELLED,
        VariationStatus.FINISHED,
    ]
    assert is_dense(events)
    assert len(bodies(events, "complete")) == 1


@pytest.mark.parametrize(
    ("moment", "kind"), [("before", "verdict"), ("behind", "complete")]
)
async def test_who_joins_while_a_run_concludes_is_not_left_behind(
    home: Path, repo: Path, moment: str, kind: str
) -> None:
    async with user(home, repo, {"lanes": {"default": [{"say": "Done."}]}}) as me:
        run, joined = await me.asks(variations=1, checks=[]), asyncio.Event()

        async def join() -> None:
            await me.app.add(run.id, AgentSpec())
            joined.set()

        interrupt(me, kind, **{moment: join})
        await joined.wait()
        done = await me.waits(run.id)
        events = await me.hears(run.id)
    assert [v.status for v in done.variations] == [VariationStatus.FINISHED] * 2
    assert done.status is RunStatus.FINISHED
    assert done.ranking
    assert set(done.ranking.order) == {1, 2}
    assert is_dense(events)
    assert events[-1].body.kind == "complete"


async def test_a_bug_in_one_variation_is_recorded_and_the_others_go_on(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        made = []

        def make_agent(agent: Any, runtime: Any) -> Any:
            made.append(agent)
            if len(made) == 1:
                raise ZeroDivisionError("a bug of ours")
            return agents(agent, runtime)

        context = me.app.working.context
        agents = context.make_agent
        object.__setattr__(context, "make_agent", make_agent)
        done = await me.asks_and_waits(variations=2)
    assert sorted(v.status for v in done.variations) == [
        VariationStatus.FAILED,
        VariationStatus.FINISHED,
    ]
    failed = next(v for v in done.variations if v.status is VariationStatus.FAILED)
    assert failed.failure
    assert failed.failure.reason == "ZeroDivisionError"
    assert done.status is RunStatus.FINISHED


async def test_a_second_run_gets_its_turn_before_a_big_one_is_through(
    home: Path, repo: Path
) -> None:
    lanes = {
        "lanes": {
            "default": [
                {"calls": [{"bash": {"command": "sleep 0.5"}}]},
                {"say": "Done."},
            ]
        }
    }
    async with user(home, repo, lanes, max_parallel_variations=1) as me:
        big = await me.asks(variations=4, checks=[])
        await me.hears(big.id, until="variation_started")
        small = await me.asks("A small question, please", variations=1, checks=[])
        await me.waits(small.id)
        working = await me.app.get(big.id)
        assert working.status is RunStatus.RUNNING
        assert [v.status for v in working.variations].count(VariationStatus.QUEUED) >= 1
        await me.app.cancel(big.id)


async def test_what_the_base_said_is_measured_once_also_for_a_follow_up(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "follow_up") as me:
        run = await me.asks_and_waits()
        await me.app.prompt(run.id, 1, "Now subtract as well, please")
        events = await me.hears(run.id)
    on_base = [e for e in events if e.body.kind == "check" and e.variation_id is None]
    assert len(on_base) == 1
