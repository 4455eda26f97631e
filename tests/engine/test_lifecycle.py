"""Stops, shutdowns and crashes at awkward moments, against the whole product."""

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from aideator.app import open_app
from aideator.domain.run import RunStatus, VariationStatus
from aideator.engine.base_checks import Baseline
from aideator.engine.context import RunContext
from aideator.settings import Settings
from aideator.store.session import Database
from tests.actions import User, bodies, is_dense, user
from tests.conftest import PATIENCE
from tests.engine.interrupted import interrupt

SLEEPY: dict[str, Any] = {
    "lanes": {
        "default": [{"calls": [{"bash": {"command": "sleep 1"}}], "repeat": True}]
    }
}
QUICK: dict[str, Any] = {"lanes": {"default": [{"say": "Done."}]}}


def context_of(me: User) -> RunContext:
    return me.app.working.context


async def all_at_work(me: User, run_id: str) -> None:
    """Wait until every variation is at work."""
    async with asyncio.timeout(PATIENCE):
        while True:
            variations = (await me.app.get(run_id)).variations
            if all(v.status is VariationStatus.RUNNING for v in variations):
                return
            await asyncio.sleep(0.05)  # a status has no event that could be awaited


def slow_down(me: User, kind: str, *, stored_first: bool = False) -> asyncio.Event:
    """Have the engine's log take a while at one event, before or after it is stored.

    Returns:
        What is set when the event is reached.
    """
    reached = asyncio.Event()

    async def wait() -> None:
        reached.set()
        await asyncio.sleep(0.3)

    interrupt(me, kind, **{"behind" if stored_first else "before": wait})
    return reached


async def stop_twice(
    me: User, run_id: str, number: int | None, reached: asyncio.Event
) -> None:
    """Stop, and stop again while the first stop is being recorded."""
    async with asyncio.TaskGroup() as group:
        group.create_task(me.app.cancel(run_id, number))
        await reached.wait()
        group.create_task(me.app.cancel(run_id, number))


async def test_a_second_stop_while_the_first_is_recorded_changes_nothing(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, SLEEPY) as me:
        run = await me.asks(variations=1, checks=[])
        await me.hears(run.id, until="variation_started")
        await stop_twice(me, run.id, None, slow_down(me, "verdict"))
        done = await me.app.get(run.id)
        assert done.status is RunStatus.CANCELLED
        events = await me.hears(run.id)
    assert is_dense(events)
    assert len(bodies(events, "complete")) == 1
    assert events[-1].body.kind == "complete"


async def test_a_variation_that_is_stopped_twice_is_not_taken_up_again(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, SLEEPY) as me:
        run = await me.asks(variations=2, checks=[])
        await all_at_work(me, run.id)
        await stop_twice(me, run.id, 1, slow_down(me, "variation_failed"))
        stopped = (await me.app.get(run.id)).variations[0]
        await me.app.cancel(run.id)
        events = await me.hears(run.id)
    assert (stopped.status, stopped.attempt) == (VariationStatus.CANCELLED, 1)
    assert len(bodies(events, "variation_started", 1)) == 1
    assert len(bodies(events, "variation_failed", 1)) == 1


async def test_a_stop_does_not_outlive_its_attempt_so_a_follow_up_survives_shutdown(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, SLEEPY) as me:
        run = await me.asks(variations=2, checks=[])
        await all_at_work(me, run.id)
        await me.app.cancel(run.id, 1)
        await me.app.prompt(run.id, 1, "Go on with it, please")
        await all_at_work(me, run.id)
    stored = Settings(aideator_home=home / "state", _env_file=None)
    async with open_app(stored, work=False) as app:
        variations = (await app.get(run.id)).variations
    assert [v.status for v in variations] == [VariationStatus.QUEUED] * 2


async def test_a_run_that_settled_before_a_crash_gets_its_complete_event_once(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, QUICK) as me:
        run = await me.asks_and_waits(variations=1, checks=[])
        last = (await me.hears(run.id))[-1].seq
    with closing(sqlite3.connect(home / "state" / "aideator.db")) as database:
        database.execute(
            "DELETE FROM event WHERE run_id = ? AND seq = ?", (run.id, last)
        )
        database.execute(
            "UPDATE run SET last_seq = last_seq - 1, announced = 0 WHERE id = ?",
            (run.id,),
        )
        database.commit()
    for _ in range(2):
        async with user(home, repo, QUICK) as me, asyncio.timeout(PATIENCE):
            events = await me.hears(run.id)
        assert is_dense(events)
        assert [event.seq for event in events if event.body.kind == "complete"] == [
            last
        ]


async def test_nothing_of_a_cancelled_run_stays_in_memory(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, SLEEPY) as me:
        run = await me.asks(variations=1, checks=[])
        await me.hears(run.id, until="variation_started")
        await me.app.cancel(run.id)
        gc.collect()
        assert not [thing for thing in gc.get_objects() if isinstance(thing, Baseline)]


async def test_a_stop_while_the_end_is_announced_does_not_announce_it_twice(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, QUICK) as me:
        run = await me.asks(variations=1, checks=[])
        reached = slow_down(me, "complete", stored_first=True)
        await reached.wait()
        await me.app.cancel(run.id)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert len(bodies(events, "complete")) == 1
    assert done.status is RunStatus.FINISHED


class HeldReads(Database):
    """The same database, one of whose readers is held up before it can tell."""

    def __init__(self, db: Database, hold: Callable[[], Awaitable[object]]) -> None:
        self.__dict__ |= db.__dict__
        self._hold: Callable[[], Awaitable[object]] | None = hold

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        hold, self._hold = self._hold, None
        async with super().read() as session:
            yield session
        if hold is not None:
            await hold()


async def test_a_variation_that_finishes_behind_a_stale_list_is_not_claimed_again(
    home: Path, repo: Path
) -> None:
    lanes = {
        "lanes": {
            "1": SLEEPY["lanes"]["default"],
            "2": [{"calls": [{"bash": {"command": "sleep 2"}}]}, {"say": "Done."}],
        }
    }
    async with user(home, repo, lanes) as me:
        run = await me.asks(variations=2, checks=[])
        await all_at_work(me, run.id)

        async def until_the_second_has_ended() -> None:
            await me.hears(run.id, until="variation_finished")
            await asyncio.sleep(0.3)

        context = context_of(me)
        held = HeldReads(context.database, until_the_second_has_ended)
        object.__setattr__(context, "database", held)
        await me.app.working.engine.start(run.id)
        await me.hears(run.id, until="variation_finished")
        await asyncio.sleep(1)
        await me.app.cancel(run.id)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert done.variations[1].status is VariationStatus.FINISHED
    assert bodies(events, "variation_failed", 2) == []


@pytest.mark.parametrize("number", [None, 1])
async def test_who_is_stopped_while_the_run_begins_never_works(
    home: Path, repo: Path, number: int | None
) -> None:
    async with user(home, repo, QUICK) as me:
        run = await me.asks(variations=1, checks=[])
        await me.app.cancel(run.id, number)
        events = await me.hears(run.id)
        done = await me.app.get(run.id)
    assert done.status is RunStatus.CANCELLED
    assert bodies(events, "variation_started") == []
