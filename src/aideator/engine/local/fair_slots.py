"""Bounded parallelism with a fair order: a run with many variations does not hold up one with few."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """`capacity` slots, given out in turn to the runs that wait, and within a run in order."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def hold(self, run_id: str) -> AsyncIterator[None]:
        """Wait for a slot, and give it back at the end."""
        if self._free and not self._waiting:
            self._free -= 1
        else:
            await self._wait(run_id)
        try:
            yield
        finally:
            self._free += 1
            self._hand_out()

    async def _wait(self, run_id: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if (
                turn.done() and not turn.cancelled()
            ):  # the slot came together with the cancellation
                self._free += 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            run_id, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[run_id] = queue  # to the back: the other runs come first
            if not turn.done():
                turn.set_result(None)
                self._free -= 1
