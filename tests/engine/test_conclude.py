"""The end of a run is recorded once, wherever it was interrupted: the real database."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

from aideator.domain.events import Event
from aideator.domain.run import RunStatus, VariationStatus
from aideator.domain.verdict import PatchStats, Verdict
from aideator.engine.run import conclude
from aideator.eventlog.base import EventLog
from aideator.eventlog.sql import open_event_log
from aideator.store import claims, runs
from aideator.store.session import Database, open_database
from tests.actions import bodies, is_dense
from tests.store.conftest import submit

VERDICT = Verdict(variation_id=1, patch=PatchStats(files=1, additions=2))


@dataclass
class Context:
    """The services that are needed here."""

    database: Database
    log: EventLog


@dataclass
class CancelledAt:
    """A coroutine whose task is cancelled at one of its awaits."""

    coroutine: Coroutine[Any, Any, object]
    place: int
    reached: bool = False

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self.coroutine.__await__()
        resume: Callable[[], Any] = partial(next, steps)
        for place in count():
            try:
                future = resume()
            except StopIteration:
                return
            if place == self.place:
                self.reached = True
                self.interrupt()
            try:
                yield future
                resume = partial(next, steps)
            except asyncio.CancelledError as error:
                resume = partial(steps.throw, error)

    def interrupt(self) -> None:
        """Cancel the task that awaits it."""
        task = asyncio.current_task()
        assert task
        task.cancel()


async def until_cancelled(work: CancelledAt) -> None:
    await work


async def finished_run(database: Database, run_id: str) -> None:
    """Store a run whose only variation has finished."""
    await submit(database, run_id, agents=1)
    async with database.write() as session:
        await runs.move(session, run_id, RunStatus.RUNNING)
        attempt = await claims.claim(session, run_id, 1)
        await claims.finish(
            session, run_id, 1, attempt, VariationStatus.FINISHED, verdict=VERDICT
        )


async def test_a_run_that_is_interrupted_at_any_await_of_its_end_ends_once(
    home: Path,
) -> None:
    async with (
        open_database(f"sqlite+aiosqlite:///{home}/a.db") as database,
        open_event_log(database) as log,
    ):
        context = cast("Any", Context(database, log))
        place, reached = 0, True
        while reached:
            run_id = f"r{place}"
            await finished_run(database, run_id)
            work = CancelledAt(conclude(context, run_id), place)
            async with asyncio.TaskGroup() as group:
                group.create_task(until_cancelled(work))
            for _ in range(2):  # as the next start does, and the one after it
                assert await conclude(context, run_id)
            async with database.read() as session:
                assert (await runs.get(session, run_id)).status is RunStatus.FINISHED
                assert await runs.unannounced(session) == []
            entries = await log.read(run_id)
            events = [Event.model_validate_json(entry.data) for entry in entries]
            assert is_dense(events)
            assert len(bodies(events, "complete")) == 1
            assert events[-1].body.kind == "complete"
            place, reached = place + 1, work.reached
    assert place > 10
