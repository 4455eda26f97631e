import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils import uuid7

from aideator.domain.errors import Conflict, CrashLoop, Fenced, NotFound
from aideator.domain.isolation import Isolation
from aideator.domain.run import Failure, VariationStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import PatchStats, Verdict
from aideator.store import claims, runs
from aideator.store.session import Database
from tests.store.conftest import submit

FINISHED, FAILED, CANCELLED = (
    VariationStatus.FINISHED,
    VariationStatus.FAILED,
    VariationStatus.CANCELLED,
)
VERDICT = Verdict(variation_id=1, patch=PatchStats(files=1, additions=2))
ISOLATION = Isolation(
    backend="bubblewrap", network="gateway only", limits={"memory": "cgroup v2"}
)


async def test_a_claimed_variation_runs_and_its_end_keeps_everything(
    db: Database,
) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        assert await claims.claim(session, "r1", 1) == 1
        running = await runs.variation(session, "r1", 1)
        assert (running.status, running.attempt) == (VariationStatus.RUNNING, 1)
        assert running.started_at is not None
        await claims.record_usage(session, "r1", 1, 1, Usage(requests=2, cost_usd=None))
        patch = b"diff \x00\xff"
        assert await claims.finish(
            session,
            "r1",
            1,
            1,
            FINISHED,
            verdict=VERDICT,
            isolation=ISOLATION,
            patch=patch,
        )
    async with db.read() as session:
        done = await runs.variation(session, "r1", 1)
        assert (done.status, done.verdict, done.isolation) == (
            FINISHED,
            VERDICT,
            ISOLATION,
        )
        assert done.usage == Usage(requests=2, cost_usd=None)
        assert done.finished_at is not None
        assert await runs.patch(session, "r1", 1) == b"diff \x00\xff"
        assert (await runs.variation(session, "r1", 2)).status is VariationStatus.QUEUED


async def test_a_newer_attempt_fences_the_older_one(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        old = await claims.claim(session, "r1", 1)
        new = await claims.claim(session, "r1", 1)
        assert new > old
        assert not await claims.finish(session, "r1", 1, old, FINISHED, patch=b"stale")
        assert not await claims.release(session, "r1", 1, old)
        with pytest.raises(Fenced):
            await claims.record_usage(session, "r1", 1, old, Usage(requests=1))
        assert await claims.finish(
            session,
            "r1",
            1,
            new,
            FAILED,
            failure=Failure(reason="AgentCrashed", message="x"),
        )
        with pytest.raises(NotFound):
            await runs.patch(session, "r1", 1)


async def test_an_end_whose_answer_was_lost_may_be_reported_again(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        attempt = await claims.claim(session, "r1", 1)
        assert await claims.finish(session, "r1", 1, attempt, FINISHED, patch=b"diff")
    async with db.write() as session:
        assert await claims.finish(session, "r1", 1, attempt, FINISHED, patch=b"diff")
        assert not await claims.finish(session, "r1", 1, attempt, FAILED)


async def test_of_many_that_end_a_variation_at_once_one_wins(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        attempt = await claims.claim(session, "r1", 1)

    async def end(status: VariationStatus) -> bool:
        async with db.write() as session:
            return await claims.finish(session, "r1", 1, attempt, status)

    async with asyncio.TaskGroup() as tasks:
        ends = [
            tasks.create_task(end(status)) for status in (FINISHED, FAILED, CANCELLED)
        ]
    assert sum(task.result() for task in ends) == 1


async def test_a_settled_variation_cannot_be_claimed(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        await claims.cancel_queued(session, "r1", 1)
        with pytest.raises(Conflict, match="cancelled"):
            await claims.claim(session, "r1", 1)
        with pytest.raises(NotFound):
            await claims.claim(session, "r1", 3)
        with pytest.raises(NotFound):
            await claims.finish(session, "r1", 3, 1, FINISHED)


async def test_a_variation_that_never_gets_far_is_a_crash_loop(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        for _ in range(3):
            await claims.claim(session, "r1", 1, max_attempts=3)
        with pytest.raises(CrashLoop):
            await claims.claim(session, "r1", 1, max_attempts=3)
        assert await claims.finish(session, "r1", 1, 3, FAILED)


async def test_handing_back_in_good_order_is_no_crash(db: Database) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        for _ in range(9):
            attempt = await claims.claim(session, "r1", 1, max_attempts=2)
            assert await claims.release(session, "r1", 1, attempt)
        assert (await runs.variation(session, "r1", 1)).status is VariationStatus.QUEUED
        assert await claims.claim(session, "r1", 1, max_attempts=2) == 10


async def test_a_follow_up_queues_a_settled_variation_and_keeps_its_patch(
    db: Database,
) -> None:
    await submit(db, "r1")
    async with db.write() as session:
        with pytest.raises(Conflict, match="queued"):
            await claims.requeue(session, "r1", 1, "now the tests")
        attempt = await claims.claim(session, "r1", 1, max_attempts=1)
        await claims.finish(
            session, "r1", 1, attempt, FINISHED, verdict=VERDICT, patch=b"first"
        )
        asked = await claims.requeue(session, "r1", 1, "now the tests")
        assert (asked.status, asked.follow_up, asked.verdict) == (
            VariationStatus.QUEUED,
            "now the tests",
            VERDICT,
        )
        assert await runs.patch(session, "r1", 1) == b"first"
        again = await claims.claim(session, "r1", 1, max_attempts=1)
        assert again == attempt + 1
        await claims.finish(
            session, "r1", 1, again, FINISHED, verdict=VERDICT, patch=b"second"
        )
        assert await runs.patch(session, "r1", 1) == b"second"


async def test_cancelling_reaches_only_what_nobody_has_taken_up(db: Database) -> None:
    await submit(db, "r1", agents=4)
    async with db.write() as session:
        await claims.claim(session, "r1", 1)
        assert await claims.cancel_queued(session, "r1", 1) == []
        assert await claims.cancel_queued(session, "r1", 3) == [3]
        assert await claims.cancel_queued(session, "r1") == [2, 4]
        statuses = [
            variation.status for variation in await runs.variations(session, "r1")
        ]
    assert statuses == [VariationStatus.RUNNING, CANCELLED, CANCELLED, CANCELLED]


STEPS = st.one_of(
    st.just(("claim", 0)),
    st.just(("requeue", 0)),
    st.tuples(st.sampled_from(["release", "finish"]), st.integers(0, 3)),
)


@dataclass
class ClaimModel:
    """What each step of a worker must come to."""

    run_id: str
    status: VariationStatus = VariationStatus.QUEUED
    newest: int = 0

    async def claim(self, session: AsyncSession, _: int) -> None:
        if self.status is FINISHED:
            with pytest.raises(Conflict):
                await claims.claim(session, self.run_id, 1)
            return
        attempt = await claims.claim(session, self.run_id, 1, max_attempts=1000)
        assert attempt == self.newest + 1
        self.status, self.newest = VariationStatus.RUNNING, attempt

    async def requeue(self, session: AsyncSession, _: int) -> None:
        if self.status is not FINISHED:
            with pytest.raises(Conflict):
                await claims.requeue(session, self.run_id, 1, "again")
            return
        await claims.requeue(session, self.run_id, 1, "again")
        self.status = VariationStatus.QUEUED

    async def release(self, session: AsyncSession, age: int) -> None:
        mine = age == 0 and self.status is VariationStatus.RUNNING
        attempt = self.newest - age
        assert await claims.release(session, self.run_id, 1, attempt) == mine
        if mine:
            self.status = VariationStatus.QUEUED

    async def finish(self, session: AsyncSession, age: int) -> None:
        won = age == 0 and self.status in (VariationStatus.RUNNING, FINISHED)
        attempt = self.newest - age
        assert await claims.finish(session, self.run_id, 1, attempt, FINISHED) == won
        if won:
            self.status = FINISHED


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=25))
async def test_whatever_workers_do_only_the_newest_attempt_counts(
    db: Database, steps: list[tuple[str, int]]
) -> None:
    """Workers act with attempts that may be stale by `age`; follow-ups may come."""
    run_id = str(uuid7())
    await submit(db, run_id, agents=1)
    model = ClaimModel(run_id)
    async with db.write() as session:
        for step, age in steps:
            await getattr(model, step)(session, age)
        present = await runs.variation(session, run_id, 1)
    assert (present.status, present.attempt) == (model.status, model.newest)
