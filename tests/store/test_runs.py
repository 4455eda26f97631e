import pytest

from aideator.domain.check import Check
from aideator.domain.errors import Conflict, NotFound
from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.run import (
    AgentSpec,
    Failure,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.usage import Budget
from aideator.store import claims, runs
from aideator.store.session import Database
from tests.store.conftest import submit

RANKING = Ranking(
    order=(2, 1),
    recommended=2,
    confidence=Confidence.HIGH,
    reasons=("2 fixed test_add",),
)


async def finished(
    db: Database, run_id: str, *, patches: dict[int, bytes | None]
) -> None:
    """Carry a run through to its end, with these patches."""
    await submit(db, run_id, agents=len(patches))
    async with db.write() as session:
        await runs.move(session, run_id, RunStatus.RUNNING)
        for number, patch in patches.items():
            attempt = await claims.claim(session, run_id, number)
            status = (
                VariationStatus.FAILED if patch is None else VariationStatus.FINISHED
            )
            await claims.finish(session, run_id, number, attempt, status, patch=patch)
        await runs.move(session, run_id, RunStatus.FINISHED, ranking=RANKING)


async def test_a_run_comes_back_as_it_was_submitted(db: Database) -> None:
    spec = RunSpec(
        repo_url="https://example.org/ü.git",
        prompt="Make addition add",
        lineup=(
            AgentSpec(model="m", temperature=0.5),
            AgentSpec(agent="codex", instructions="be brief"),
        ),
        variations=2,
        checks=(Check(command="make test", timeout=5),),
        budget=Budget(run_usd=1.5),
    )
    run = Run(id="r1", spec=spec)
    agents = [
        Variation(run_id="r1", number=n, spec=agent)
        for n, agent in enumerate(spec.agents(), start=1)
    ]
    async with db.write() as session:
        await runs.add(session, run, agents)
    async with db.read() as session:
        found = await runs.get(session, "r1")
        assert found == run
        assert type(found) is Run
        assert found.created_at.utcoffset() is not None
        assert await runs.variations(session, "r1") == agents
        assert set(found.model_dump()) == set(Run.model_fields)


async def test_what_does_not_exist_is_not_found(db: Database) -> None:
    await submit(db, "r1", agents=1)
    async with db.write() as session:
        with pytest.raises(NotFound):
            await runs.get(session, "nope")
        with pytest.raises(NotFound):
            await runs.variation(session, "r1", 2)
        with pytest.raises(NotFound):
            await runs.patch(session, "r1", 1)
        with pytest.raises(NotFound):
            await runs.note(session, "nope", commit="abc")
        with pytest.raises(NotFound):
            await runs.move(session, "nope", RunStatus.RUNNING)


async def test_the_same_request_under_the_same_key_leads_to_the_same_run(
    db: Database,
) -> None:
    first, second = (
        Run(id=run_id, spec=RunSpec(repo_url="/repo", prompt="x" * 10))
        for run_id in ("r1", "r2")
    )
    async with db.write() as session:
        assert await runs.add(session, first, [], idempotency=("key", "hash")) == first
    async with db.write() as session:
        assert await runs.add(session, second, [], idempotency=("key", "hash")) == first
        with pytest.raises(NotFound):
            await runs.get(session, "r2")


async def test_a_key_cannot_be_used_for_another_request(db: Database) -> None:
    first, second = (
        Run(id=run_id, spec=RunSpec(repo_url="/repo", prompt="x" * 10))
        for run_id in ("r1", "r2")
    )
    async with db.write() as session:
        await runs.add(session, first, [], idempotency=("key", "hash"))
        with pytest.raises(Conflict):
            await runs.add(session, second, [], idempotency=("key", "another hash"))


async def test_pages_go_from_new_to_old_without_gap(db: Database) -> None:
    for number in range(5):
        await submit(db, f"r{number}")
    async with db.write() as session:
        await runs.move(session, "r3", RunStatus.RUNNING)
    async with db.read() as session:
        assert [run.id for run in await runs.page(session, limit=2)] == ["r4", "r3"]
        assert [run.id for run in await runs.page(session, before="r3", limit=9)] == [
            "r2",
            "r1",
            "r0",
        ]
        assert [
            run.id for run in await runs.page(session, status=RunStatus.RUNNING)
        ] == ["r3"]


async def test_a_run_makes_only_legal_moves(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        with pytest.raises(Conflict, match="queued"):
            await runs.move(session, "r1", RunStatus.FINISHED)
        running = await runs.move(
            session, "r1", RunStatus.RUNNING, commit="abc", checks=(Check(command="x"),)
        )
        assert (running.status, running.commit, running.finished_at) == (
            RunStatus.RUNNING,
            "abc",
            None,
        )
        failed = await runs.move(
            session,
            "r1",
            RunStatus.FAILED,
            failure=Failure(reason="Unavailable", message="no"),
        )
        assert failed.finished_at is not None
        with pytest.raises(Conflict, match="failed"):
            await runs.move(session, "r1", RunStatus.CANCELLED)
        again = await runs.move(session, "r1", RunStatus.RUNNING)
        assert (again.failure, again.finished_at, again.commit) == (None, None, "abc")
    async with db.read() as session:
        assert await runs.get(session, "r1") == again


async def test_choosing_a_winner_decides_the_run_and_can_be_changed(
    db: Database,
) -> None:
    await finished(db, "r1", patches={1: b"one", 2: b"two", 3: None})
    async with db.write() as session:
        with pytest.raises(NotFound):
            await runs.select_winner(session, "r1", 4)
        with pytest.raises(Conflict, match="no change"):
            await runs.select_winner(session, "r1", 3)
        decided = await runs.select_winner(session, "r1", 2, "it is shorter")
        assert (decided.status, decided.winner, decided.winner_reason) == (
            RunStatus.DECIDED,
            2,
            "it is shorter",
        )
        assert decided.ranking == RANKING
        assert await runs.select_winner(session, "r1", 2, "again") == decided
        changed = await runs.select_winner(session, "r1", 1, "it reads better")
        assert (changed.status, changed.winner, changed.winner_reason) == (
            RunStatus.DECIDED,
            1,
            "it reads better",
        )


async def test_a_winner_cannot_be_chosen_before_the_end(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        with pytest.raises(Conflict, match="queued"):
            await runs.select_winner(session, "r1", 1)
        await runs.move(session, "r1", RunStatus.RUNNING)
        with pytest.raises(Conflict, match="running"):
            await runs.select_winner(session, "r1", 1)


async def test_a_run_that_is_reopened_has_no_winner_any_more(db: Database) -> None:
    await finished(db, "r1", patches={1: b"one", 2: b"two"})
    async with db.write() as session:
        await runs.select_winner(session, "r1", 2)
        reopened = await runs.move(session, "r1", RunStatus.RUNNING)
        assert (reopened.winner, reopened.winner_reason) == (None, "")
        await runs.move(session, "r1", RunStatus.FINISHED)
        assert (await runs.select_winner(session, "r1", 1)).winner == 1


async def test_a_start_finds_what_it_must_take_up(db: Database) -> None:
    for run_id in ("r1", "r2", "r3"):
        await submit(db, run_id)
    async with db.write() as session:
        await runs.move(session, "r2", RunStatus.RUNNING)
        await runs.move(session, "r3", RunStatus.CANCELLED)
    async with db.read() as session:
        assert await runs.unfinished(session) == ["r1", "r2"]
        assert [run.id for run in await runs.unannounced(session)] == ["r3"]


async def test_a_decided_question_is_found_again(db: Database) -> None:
    for run_id in ("r1", "r2", "r3"):
        await finished(db, run_id, patches={1: b"one", 2: b"two"})
    async with db.write() as session:
        for run_id, question in (("r1", "same"), ("r2", "same"), ("r3", "other")):
            await runs.note(session, run_id, question=question)
        assert await runs.find_decided(session, "same") is None
        await runs.select_winner(session, "r1", 1)
        await runs.select_winner(session, "r3", 1)
        found = await runs.find_decided(session, "same")
    assert found is not None
    assert found.id == "r1"
