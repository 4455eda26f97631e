"""The engine of one process: asyncio tasks, a bounded number of slots, the database.

The database is what remembers runs across crashes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from aideator.domain.run import RunStatus
from aideator.engine.context import RunContext
from aideator.engine.events import report_reopened
from aideator.engine.local.fair_slots import FairSlots
from aideator.engine.local.run_task import RunTask
from aideator.engine.run import interrupt
from aideator.store import runs

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_local_engine(
    context: RunContext, *, slots: int = 8, resume: bool = True
) -> AsyncIterator["LocalEngine"]:
    """Start the engine, and see to what an earlier process left unfinished.

    Runs that had settled, but got no `complete` event any more, get it; runs that were
    reopened get their `run_started` event.

    Args:
        context: The services that steps use.
        slots: Variations that work at the same time.
        resume: Whether unfinished runs are taken up. Else they become `interrupted`:
            they would cost money that nobody has asked to spend now.
    """
    group = asyncio.TaskGroup()
    await group.__aenter__()
    engine = LocalEngine(context, group, slots=slots)
    try:
        await _recover(context, engine, resume=resume)
        yield engine
    finally:
        await engine.close()
        # The group does not see the caller's exception, so that it is not wrapped in an
        # exception group.
        await group.__aexit__(None, None, None)


async def _recover(context: RunContext, engine: "LocalEngine", *, resume: bool) -> None:
    async with context.database.read() as session:
        unfinished = await runs.unfinished(session)
        unannounced = await runs.unannounced(session)
        reopened = await runs.reopened_unreported(session)
    for run in reopened:
        await report_reopened(context.log, run)
    for run in unannounced:
        if run.status is RunStatus.INTERRUPTED:
            await context.log.complete(run.id, run.status)
        else:
            await engine.start(run.id)
    for run_id in unfinished:
        log.info("run was interrupted", run=run_id, resumed=resume)
        if resume:
            await engine.start(run_id)
        else:
            await interrupt(context, run_id)


class LocalEngine:
    """Carries runs out in this process. Made by `open_local_engine`."""

    def __init__(
        self, context: RunContext, group: asyncio.TaskGroup, *, slots: int
    ) -> None:
        self._context = context
        self._group = group
        self._slots = FairSlots(slots)
        self._runs: dict[str, RunTask] = {}
        self._closed = False

    @property
    def working(self) -> bool:
        """Whether any run is at work."""
        return bool(self._runs)

    async def start(self, run_id: str) -> None:
        """Carry the run out. If that is under way, its pending variations join.

        A closed engine leaves it to the next process.
        """
        if self._closed:
            return
        if run_id in self._runs:
            self._runs[run_id].start()
        else:
            task = RunTask(self._context, self._group, self._slots, run_id)
            self._runs[run_id] = task
            self._group.create_task(self._drive(run_id, task), name=f"run {run_id}")

    async def _drive(self, run_id: str, task: RunTask) -> None:
        try:
            await task.run()
        finally:
            # Nothing is awaited between the end of `run` and here, so a task in the map
            # still takes up what it is started for.
            del self._runs[run_id]

    async def cancel(self, run_id: str, variation_id: int | None = None) -> None:
        """Stop a run or one variation. What it did until now stays recorded."""
        task = self._runs.get(run_id)
        if task is None:
            return
        if variation_id is None:
            await task.cancel()
        else:
            await task.cancel_variation(variation_id)

    async def close(self) -> None:
        """Stop all work.

        Unfinished variations stay in the database and are taken up by the next start.
        """
        self._closed = True
        tasks = list(self._runs.values())
        for task in tasks:
            task.close()
        for task in tasks:
            await task.wait()
