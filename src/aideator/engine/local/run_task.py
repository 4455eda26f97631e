"""The life of one run in this process."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from aideator.domain.errors import Cancelled
from aideator.domain.run import SETTLED_RUN, Run, Variation
from aideator.engine.base_checks import Baseline
from aideator.engine.context import RunContext
from aideator.engine.failures import run_or_record_failure
from aideator.engine.local.fair_slots import FairSlots
from aideator.engine.run import (
    begin,
    conclude,
    fail,
    gather_evidence,
    give_up_pending,
    load,
    open_ignored_layer,
    pending,
)
from aideator.engine.stop import Stopped, StopReason, StopSwitch
from aideator.engine.variation import give_up, run_variation


@dataclass(frozen=True, eq=False)
class _VariationTask:
    """One variation at work."""

    switch: StopSwitch
    task: asyncio.Task[None]


@dataclass(eq=False)
class _Pass:
    """One time that the run is taken up: from its beginning to its end.

    Attributes:
        switch: Stops what the run itself does.
        stop_requested: Whether a person has asked for a stop that is not applied yet.
        over: Set when the pass has ended, in whatever way.
    """

    switch: StopSwitch = field(default_factory=StopSwitch)
    stop_requested: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)


class RunTask:
    """Owns a run's state, its variations at work, and the requests to stop them.

    Two kinds of tasks act on a run. What begins, works or measures may be stopped at
    any point, through a `StopSwitch`. What records an end is never cancelled: neither a
    second request nor a shutdown tears it.

    One lock orders what reads which variations are pending and then acts on it: taking
    them up, giving them up, concluding. A list of pending variations is never stale.
    """

    def __init__(
        self,
        context: RunContext,
        group: asyncio.TaskGroup,
        slots: FairSlots,
        run_id: str,
    ) -> None:
        self._context = context
        self._group = group
        self._slot = partial(slots.hold, run_id)
        self._run_id = run_id
        self._lock = asyncio.Lock()
        self._children: dict[int, _VariationTask] = {}
        self._pass = _Pass()
        self._closing = False
        self._ended = asyncio.Event()
        self._wake = asyncio.Event()
        """Set when there may be new pending variations, or a child has ended."""

    def start(self) -> None:
        """Take up pending variations that have been added meanwhile."""
        self._wake.set()

    async def cancel(self) -> None:
        """Stop the run, and return when its end is recorded."""
        current = self._pass
        current.stop_requested = True
        self._stop(StopReason.REQUEST)
        await current.over.wait()

    async def cancel_variation(self, number: int) -> None:
        """Stop a variation, and return when its end is recorded."""
        async with self._lock:
            child = self._children.get(number)
            if child is None or child.task.done():
                await self._give_up_if_pending(number)
                return
            child.switch.stop(StopReason.REQUEST)
        await asyncio.wait([child.task])
        if self._closing:  # it may have been put back into the queue before the request
            async with self._lock:
                await self._give_up_if_pending(number)

    def close(self) -> None:
        """Stop working; unfinished variations are put back into the queue."""
        self._closing = True
        self._stop(StopReason.SHUTDOWN)

    async def wait(self) -> None:
        """Wait until nothing of the run is at work any more."""
        await self._ended.wait()

    def _stop(self, reason: StopReason) -> None:
        self._pass.switch.stop(reason)
        for child in self._children.values():
            child.switch.stop(reason)

    async def run(self) -> None:
        """Carry the run out, again and again while there are pending variations."""
        try:
            while True:
                self._wake.clear()
                await run_or_record_failure(self._carry_out(), self._fail)
                if self._closing or not self._wake.is_set():
                    break
                self._pass.over.set()
                self._pass = _Pass()
        finally:
            self._pass.over.set()
            self._ended.set()

    async def _carry_out(self) -> None:
        try:
            await self._pass.switch.run(self._work())
        except Stopped:
            pass
        finally:
            await self._end_children()
        if self._closing and not self._pass.stop_requested:
            return
        async with self._lock:
            await self._conclude()

    async def _work(self) -> None:
        """Begin, carry out the variations, compare them. May be cancelled anywhere."""
        run, variations = await load(self._context, self._run_id)
        if run.status in SETTLED_RUN and not pending(variations):
            return
        async with open_ignored_layer(self._context, run) as ignored:
            baseline = await begin(self._context, run, ignored)
            run, variations = await self._carry_out_variations(baseline)
            if run.status not in SETTLED_RUN:
                await gather_evidence(
                    self._context, baseline, run, variations, self._slot
                )

    async def _carry_out_variations(
        self, baseline: Baseline
    ) -> tuple[Run, list[Variation]]:
        """Carry out all pending variations, also those that join meanwhile.

        Returns:
            The run and its settled variations.
        """
        while True:
            run, variations = await self._take_up_pending(baseline)
            if not self._children:
                break
            await self._wake.wait()
        return run, variations

    async def _take_up_pending(self, baseline: Baseline) -> tuple[Run, list[Variation]]:
        async with self._lock:
            self._wake.clear()
            self._children = {
                number: child
                for number, child in self._children.items()
                if not child.task.done()
            }
            run, variations = await load(self._context, self._run_id)
            for number in pending(variations):
                if number not in self._children:
                    self._take_up(baseline, number)
        return run, variations

    def _take_up(self, baseline: Baseline, number: int) -> None:
        switch = StopSwitch()
        task = self._group.create_task(
            run_variation(self._context, baseline, number, switch, self._slot),
            name=f"{self._run_id} #{number}",
        )
        task.add_done_callback(lambda _: self._wake.set())
        self._children[number] = _VariationTask(switch, task)

    async def _end_children(self) -> None:
        """Stop what is left of the run's tasks, and wait for their ends.

        Only work that was stopped or has failed leaves any.
        """
        tasks = [child.task for child in self._children.values()]
        for child in self._children.values():
            child.switch.stop(StopReason.SHUTDOWN)
        if tasks:
            await asyncio.wait(tasks)
        self._children.clear()

    async def _conclude(self) -> None:
        """Settle the run, unless variations are pending again.

        A stop that is requested meanwhile gives up what was pending at its time; what
        joins after it is carried out by the next pass.
        """
        while True:
            if self._pass.stop_requested:
                self._pass.stop_requested = False
                await give_up_pending(self._context, self._run_id, Cancelled())
            if not await conclude(self._context, self._run_id):
                self._wake.set()
            if not self._pass.stop_requested:
                return

    async def _fail(self, error: Exception) -> None:
        async with self._lock:
            await fail(self._context, self._run_id, error)

    async def _give_up_if_pending(self, number: int) -> None:
        _, variations = await load(self._context, self._run_id)
        if number in pending(variations):
            await give_up(self._context, self._run_id, number, Cancelled())
            self._wake.set()
