"""The engine of one process: asyncio tasks, a bounded number of slots, and the database as memory across crashes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from aideator.domain.errors import AideatorError, Cancelled
from aideator.domain.run import Run
from aideator.engine.baseline import Baseline
from aideator.engine.context import RunContext
from aideator.engine.cross_tests.run import could_not, examine
from aideator.engine.local.fair_slots import FairSlots
from aideator.engine.run import begin, conclude, fail, settle, waiting
from aideator.engine.variation import give_up, hand_back, run_variation
from aideator.store import runs

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_local_engine(
    context: RunContext, *, slots: int = 8
) -> AsyncIterator["LocalEngine"]:
    """Start the engine and take up whatever an earlier process left unfinished.

    Args:
        context: What the steps act with.
        slots: Variations that work at the same time.
    """
    group = asyncio.TaskGroup()
    await group.__aenter__()
    engine = LocalEngine(context, group, slots=slots)
    try:
        async with context.database.read() as session:
            left_over = await runs.unfinished(session)
        for run_id in left_over:
            await engine.start(run_id)
        yield engine
    finally:
        await engine.close()
        # The caller's own exception is not ours to wrap in a group, so the group does
        # not hear of it.
        await group.__aexit__(None, None, None)


class LocalEngine:
    """Carries runs out in this process. Made by `open_local_engine`."""

    def __init__(
        self, context: RunContext, group: asyncio.TaskGroup, *, slots: int
    ) -> None:
        self._context = context
        self._group = group
        self._slots = FairSlots(slots)
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._variations: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._spawners: dict[str, Callable[[int], None]] = {}
        self._stopped: set[tuple[str, int | None]] = set()
        self._late: set[str] = set()
        """Runs that were started again while they began or concluded."""

    async def start(self, run_id: str) -> None:
        """Drive the run. If that is under way, its waiting variations join it."""
        if run_id not in self._runs:
            self._runs[run_id] = self._group.create_task(
                self._drive(run_id), name=f"run {run_id}"
            )
        elif spawn := self._spawners.get(run_id):
            late = await waiting(self._context, run_id)
            # If the last variation has ended meanwhile, the run finds them itself
            # before it concludes.
            if any(busy == run_id for busy, _ in self._variations):
                for number in late:
                    spawn(number)
        else:
            self._late.add(run_id)

    async def cancel(self, run_id: str, variation_id: int | None = None) -> None:
        """Stop a run or one variation. What it did until now stays recorded."""
        task = (
            self._runs.get(run_id)
            if variation_id is None
            else self._variations.get((run_id, variation_id))
        )
        if task is not None:
            self._stopped.add((run_id, variation_id))
            task.cancel()
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop all work.

        Unfinished variations stay in the database and are taken up by the next start.
        """
        tasks = list(self._runs.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _drive(self, run_id: str) -> None:
        try:
            await first_that_works(
                self._carry_out(run_id),
                lambda error: fail(self._context, run_id, error),
            )
        except asyncio.CancelledError:
            if (run_id, None) not in self._stopped:
                raise
            await first_that_works(
                self._wind_up(run_id), lambda error: fail(self._context, run_id, error)
            )
        finally:
            self._stopped -= {key for key in self._stopped if key[0] == run_id}
            self._late.discard(run_id)
            del self._runs[run_id]

    async def _wind_up(self, run_id: str) -> None:
        await settle(self._context, run_id, Cancelled())
        await conclude(self._context, run_id)

    async def _carry_out(self, run_id: str) -> None:
        run, baseline = await begin(self._context, run_id)
        await self._vary(run, baseline)
        await self._examine(run_id, baseline)
        while not await self._ended(
            run_id
        ):  # a follow-up came just as the last variation ended
            await self._vary(run, baseline)
            await self._examine(run_id, baseline)

    async def _examine(self, run_id: str, baseline: Baseline) -> None:
        async def do_without(error: Exception) -> None:
            await could_not(self._context, run_id, error)

        turn = partial(self._slots.hold, run_id)
        await first_that_works(
            examine(self._context, run_id, baseline, turn), do_without
        )

    async def _ended(self, run_id: str) -> bool:
        """Conclude the run; False if a variation has joined meanwhile."""
        if not await conclude(self._context, run_id):
            return False
        while run_id in self._late:
            self._late.discard(run_id)
            if await waiting(self._context, run_id):
                return False
        return True

    async def _vary(self, run: Run, baseline: Baseline) -> None:
        async with asyncio.TaskGroup() as group:

            def spawn(number: int) -> None:
                if (run.id, number) not in self._variations:
                    task = group.create_task(
                        self._attempt(run, number, baseline), name=f"{run.id} #{number}"
                    )
                    self._variations[run.id, number] = task

            for number in await waiting(self._context, run.id):
                spawn(number)
            self._spawners[run.id] = spawn
            group.create_task(baseline.warm())
        self._spawners.pop(run.id, None)

    async def _attempt(self, run: Run, number: int, baseline: Baseline) -> None:
        async def in_turn() -> None:
            async with self._slots.hold(run.id):
                await run_variation(self._context, run, number, baseline)

        async def give_up_on(error: Exception) -> None:
            await give_up(self._context, run.id, number, error)

        try:
            await first_that_works(in_turn(), give_up_on)
        except asyncio.CancelledError:
            if not self._stopped & {(run.id, number), (run.id, None)}:
                await first_that_works(hand_back(self._context, run.id, number))
                raise
            await first_that_works(give_up_on(Cancelled()))
        finally:
            del self._variations[run.id, number]


async def first_that_works(
    step: Awaitable[None], *records: Callable[[Exception], Awaitable[None]]
) -> None:
    """Do something; if it fails, record that in the first way that works.

    The one boundary where any failure becomes data: a bug ends one variation, run or
    terminal, never the server. What cannot even be recorded is logged, and taken up by
    the next start.
    """
    try:
        await step
    except Exception as error:
        if not records or not isinstance(error, AideatorError):
            log.exception("bug or outage", error=repr(error))
        if records:
            await first_that_works(records[0](error), *records[1:])
