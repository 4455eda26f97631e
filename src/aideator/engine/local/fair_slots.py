"""Bounded parallelism with a fair order between runs, large and small."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """Gives `capacity` slots to the waiting runs in turn, and within a run in order."""

    def __init__(self, capacity: int) -> None:
        self._free = capacity
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def hold(self, run_id: str) -> AsyncIterator[None]:
        """Wait for a slot, and give it back at the end of the block."""
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
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, deque()).append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            # The slot may have been given in the same moment: then it goes to the next.
            if slot.done() and not slot.cancelled():
                self._free += 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            run_id, queue = self._waiting.popitem(last=False)
            slot = queue.popleft()
            if queue:
                self._waiting[run_id] = queue  # to the back: the other runs come first
            if not slot.done():
                slot.set_result(None)
                self._free -= 1
