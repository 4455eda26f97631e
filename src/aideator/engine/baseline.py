"""What the checks say about the base.

They run once for all variations, when the first one needs them.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aideator.checks.compare import brief
from aideator.checks.run import RerunPolicy
from aideator.domain.check import Measurement
from aideator.domain.errors import AideatorError
from aideator.domain.events import CheckRun, Event
from aideator.domain.run import Run
from aideator.engine.context import EventWriter, RunContext
from aideator.engine.measure import prove
from aideator.repositories.checkout import Checkout


class Baseline:
    """The base of one run: its files, and what its checks say about them."""

    def __init__(self, context: RunContext, run: Run, checkout: Checkout) -> None:
        self.checkout = checkout
        self._context = context
        self._run = run
        self._lock = asyncio.Lock()
        self._results: Mapping[str, Measurement] | None = None

    async def results(self) -> Mapping[str, Measurement]:
        """Run the checks on the base, or return what they said."""
        async with self._lock:
            if self._results is None:
                self._results = await self._measure()
            return self._results

    async def warm(self) -> None:
        """Begin early, beside the agents.

        What goes wrong here is met again by whoever needs the results.
        """
        with suppress(AideatorError):
            await self.results()

    async def _measure(self) -> Mapping[str, Measurement]:
        if not self._run.checks:
            return {}
        told = await self._told()
        writer = EventWriter(self._context.log, self._run.id)

        async def tell(measurement: Measurement) -> None:
            if measurement.result.check not in told:
                await writer.write(CheckRun(result=brief(measurement.result)))

        doubts = RerunPolicy(reruns=self._run.spec.comparison.reruns)
        return await prove(self._context, self._run, self.checkout, None, doubts, tell)

    async def _told(self) -> set[str]:
        """The checks whose result on the base an earlier attempt, or the turn before a follow-up, has told."""
        told: set[str] = set()
        after = 0
        while len(told) < len(self._run.checks):
            entries = await self._context.log.read(self._run.id, after=after)
            if not entries:
                break
            after = entries[-1].seq
            for event in (
                Event.model_validate_json(entry.data)
                for entry in entries
                if entry.kind == "check"
            ):
                if event.variation_id is None and isinstance(event.body, CheckRun):
                    told.add(event.body.result.check)
        return told
