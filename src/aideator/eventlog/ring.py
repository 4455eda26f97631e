"""The recent past of one run, shared by its followers, and the bell that wakes them."""

import asyncio
from collections.abc import Sequence

from aideator.eventlog.base import Entry


class Ring:
    """Entries without a gap, bounded in number and bytes; the oldest half goes when a bound is reached."""

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self.followers = 0
        self.bell = asyncio.Event()
        """Set once, at the next publication, and then replaced."""
        self._entries: list[Entry] = []
        self._bytes = 0
        self._max_entries = max_entries
        self._max_bytes = max_bytes

    @property
    def idle(self) -> bool:
        """Whether nothing more is expected: nothing was published yet, or the run is complete."""
        return not self._entries or self._entries[-1].kind == "complete"

    def after(self, cursor: int, limit: int) -> list[Entry] | None:
        """Up to `limit` entries above `cursor`; None when the ring does not reach back that far."""
        if not self._entries or cursor + 1 < self._entries[0].seq:
            return None
        start = cursor + 1 - self._entries[0].seq
        return self._entries[start : start + limit]

    def publish(self, fresh: Sequence[Entry]) -> None:
        """Add entries, then ring the bell."""
        if (
            self._entries and self._entries[-1].seq + 1 != fresh[0].seq
        ):  # another process wrote in between
            self._drop(len(self._entries))
        self._entries += fresh
        self._bytes += sum(len(entry.data) for entry in fresh)
        if len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._halve()
        self.ring()

    def ring(self) -> None:
        """Wake whoever listens."""
        bell, self.bell = self.bell, asyncio.Event()
        bell.set()

    def _halve(self) -> None:
        kept, size = 0, 0
        for entry in reversed(self._entries):
            size += len(entry.data)
            if kept and (size > self._max_bytes // 2 or kept >= self._max_entries // 2):
                break
            kept += 1
        self._drop(len(self._entries) - kept)

    def _drop(self, count: int) -> None:
        self._bytes -= sum(len(entry.data) for entry in self._entries[:count])
        del self._entries[:count]
