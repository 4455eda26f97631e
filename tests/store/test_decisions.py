"""Decisions and what is kept of them: undone, cleared, published, remembered, counted."""

import pytest

from aideator.domain.errors import Conflict, NotFound
from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.run import (
    AgentSpec,
    Publication,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import Flag, FlagKind, PatchStats, Verdict
from aideator.statistics import rows as stats
from aideator.store import claims, runs
from aideator.store.session import Database
from tests.store.conftest import submit

MADE = Publication(
    remote="https://github.com/user/repo", branch="aideator/x", commit="c0ffee"
)
FLAG = Flag(kind=FlagKind.DELETED_TEST, path="test_calc.py", message="a test is gone")


async def finished(
    db: Database, run_id: str, *, agents: int = 2, flags: tuple[Flag, ...] = ()
) -> None:
    await submit(db, run_id, agents=agents)
    async with db.write() as session:
        await runs.move(session, run_id, RunStatus.RUNNING)
        for number in range(1, agents + 1):
            attempt = await claims.claim(session, run_id, number)
            verdict = Verdict(
                variation_id=number, patch=PatchStats(files=1), flags=flags
            )
            done = VariationStatus.FINISHED
            await claims.finish(
                session,
                run_id,
                number,
                attempt,
                done,
                verdict=verdict,
                patch=b"x",
                memory=b"m",
            )
        await runs.move(session, run_id, RunStatus.FINISHED)


async def test_a_decision_leaves_the_runs_end_where_it_is_and_can_be_undone(
    db: Database,
) -> None:
    await finished(db, "r1")
    async with db.write() as session:
        end = (await runs.get(session, "r1")).finished_at
        decided = await runs.select_winner(session, "r1", 2, "reads better")
        assert decided.finished_at == end
        assert decided.decided_at
        assert end
        assert decided.decided_at >= end
        undone = await runs.deselect(session, "r1")
        assert (undone.status, undone.winner, undone.winner_reason) == (
            RunStatus.FINISHED,
            None,
            "",
        )
        assert (undone.finished_at, undone.decided_at) == (end, None)
        assert await runs.deselect(session, "r1") == undone
        with pytest.raises(NotFound):
            await runs.deselect(session, "nope")


async def test_only_the_present_winner_is_published_and_then_stays(
    db: Database,
) -> None:
    await finished(db, "r1")
    async with db.write() as session:
        with pytest.raises(Conflict, match="undone while it was published"):
            await runs.publish(session, "r1", 1, MADE)
        await runs.select_winner(session, "r1", 2)
        with pytest.raises(Conflict):
            await runs.publish(session, "r1", 1, MADE)
        assert (await runs.publish(session, "r1", 2, MADE)).publication == MADE
        with pytest.raises(Conflict, match="was published as aideator/x"):
            await runs.deselect(session, "r1")


async def test_flags_are_cleared_with_a_reason_until_the_change_is_another(
    db: Database,
) -> None:
    await finished(db, "r1", flags=(FLAG,))
    async with db.write() as session:
        assert (
            await claims.clear(session, "r1", 1, "the test was wrong")
        ).cleared == "the test was wrong"
        assert (await claims.requeue(session, "r1", 1, "once more")).cleared is None
        with pytest.raises(NotFound):
            await claims.clear(session, "r1", 3, "?")
    await finished(db, "r2")
    async with db.write() as session:
        with pytest.raises(Conflict, match="variation 1 has no flags"):
            await claims.clear(session, "r2", 1, "?")


async def test_what_an_agent_remembers_is_of_its_last_finished_turn(
    db: Database,
) -> None:
    await finished(db, "r1")
    async with db.write() as session:
        assert await claims.memory(session, "r1", 1) == b"m"
        await claims.requeue(session, "r1", 1, "once more")
        stale = await claims.claim(session, "r1", 1)
        newer = await claims.claim(session, "r1", 1)
        await claims.finish(
            session,
            "r1",
            1,
            stale,
            VariationStatus.FINISHED,
            patch=b"y",
            memory=b"stale",
        )
        assert await claims.memory(session, "r1", 1) == b"m"
        await claims.finish(
            session, "r1", 1, newer, VariationStatus.FINISHED, patch=b"y"
        )
        assert await claims.memory(session, "r1", 1) == b""
        assert await claims.memory(session, "r1", 2) == b"m"


async def test_another_variation_joins_with_its_patch(db: Database) -> None:
    await finished(db, "r1")
    async with db.write() as session:
        composed = Variation(run_id="r1", number=3, spec=AgentSpec(agent="composed"))
        await runs.join(session, composed, b"both")
    async with db.read() as session:
        assert await runs.variation(session, "r1", 3) == composed
        assert await runs.patch(session, "r1", 3) == b"both"


async def decided(
    db: Database,
    run_id: str,
    winner: int | None,
    *,
    agents: tuple[AgentSpec, ...],
    recommended: int | None = 1,
    cost: float | None = 1.0,
) -> None:
    spec = RunSpec(
        repo_url="/repo",
        prompt="Make addition add",
        lineup=agents,
        variations=len(agents),
    )
    variations = [
        Variation(run_id=run_id, number=n, spec=agent)
        for n, agent in enumerate(agents, start=1)
    ]
    ranking = Ranking(
        order=(1,), recommended=recommended, confidence=Confidence.HIGH, reasons=()
    )
    async with db.write() as session:
        await runs.add(session, Run(id=run_id, spec=spec), variations)
        await runs.move(session, run_id, RunStatus.RUNNING)
        for variation in variations:
            attempt = await claims.claim(session, run_id, variation.number)
            await claims.record_usage(
                session, run_id, variation.number, attempt, Usage(cost_usd=cost)
            )
            await claims.finish(
                session,
                run_id,
                variation.number,
                attempt,
                VariationStatus.FINISHED,
                patch=b"x",
            )
        await runs.move(session, run_id, RunStatus.FINISHED, ranking=ranking)
        if winner is not None:
            await runs.select_winner(session, run_id, winner)


async def test_decisions_are_counted_by_agent_and_by_run(db: Database) -> None:
    plain, brief = AgentSpec(model="m"), AgentSpec(instructions="be brief")
    await decided(db, "r1", 1, agents=(plain, brief))
    await decided(db, "r2", 2, agents=(plain, brief, brief, brief), cost=None)
    await decided(db, "r3", 1, agents=(brief,), recommended=None)
    await decided(db, "r4", None, agents=(plain,))
    agents, ended = await db.look(stats.counted)
    told = {
        (s.agent, s.model, s.instructions): (
            s.variations,
            s.wins,
            s.expected,
            s.cost_usd,
            s.unpriced,
        )
        for s in agents
    }
    assert told == {
        ("builtin", "m", ""): (2, 1, 0.75, 1.0, 1),
        ("builtin", "", "be brief"): (5, 2, 2.25, 2.0, 3),
    }
    assert [(run.decided, run.followed, run.cost_usd) for run in ended] == [
        (True, True, 2.0),
        (True, False, None),
        (True, None, 1.0),
        (False, None, 1.0),
    ]
    assert all(
        run.seconds is not None and run.seconds >= 0 for run in ended if run.decided
    )


async def test_what_came_in_a_file_or_was_answered_before_is_not_counted(
    db: Database,
) -> None:
    await decided(db, "r1", 1, agents=(AgentSpec(),))
    await decided(db, "r2", 1, agents=(AgentSpec(),))
    async with db.write() as session:
        await runs.note(session, "r1", reused_from="r2")
    agents, ended = await db.look(stats.counted)
    assert (sum(agent.variations for agent in agents), len(ended)) == (1, 1)
