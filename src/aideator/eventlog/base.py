"""The port: an append-only log of events for each run."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aideator.domain.events import EventBody
from aideator.domain.run import RunStatus


@dataclass(frozen=True)
class Draft:
    """An event that has no seq yet."""

    body: EventBody
    raw: str | None = None
    """The agent's JSON-RPC line that the body was made from; kept beside it, not
    streamed."""


@dataclass(slots=True, eq=False)
class Entry:
    """One stored event, encoded once.

    Compared by identity: readers share the same objects, which are never changed.

    Not frozen: there is one for every event, and making a frozen one takes four times
    as long.
    """

    seq: int
    kind: str
    data: bytes
    """The event as JSON, on one line."""


Batch = list[Entry]
"""Events that became known together."""


class EventLog(Protocol):
    """Stores events and delivers them to followers."""

    async def append(
        self,
        run_id: str,
        drafts: Sequence[Draft],
        *,
        variation_id: int | None = None,
        attempt: int | None = None,
    ) -> int:
        """Store events durably, in order, with the next seqs of the run.

        Followers are woken when they are stored.

        Returns:
            The seq of the last one.

        Raises:
            Fenced: if `attempt` is given and is no longer the variation's attempt.
                Nothing is stored then.
            NotFound: if there is no such run.
        """
        ...

    async def complete(self, run_id: str, status: RunStatus) -> bool:
        """Store the `complete` event of a settled run, once for each time it settles.

        Args:
            run_id: The run.
            status: The status that the event tells.

        Returns:
            Whether it was stored: False if the run has its `complete` already, or has
            been opened again.

        Raises:
            NotFound: if there is no such run.
        """
        ...

    async def read(
        self, run_id: str, *, after: int = 0, limit: int = 500
    ) -> list[Entry]:
        """Return up to `limit` events with a seq above `after`, in order."""
        ...

    def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[list[Entry]]:
        """Yield batches of events above `after` as they come.

        There is no gap and no duplicate, whether they come from memory or disk. Ends
        after a `complete` event that is the last of the log, or when the log is closed.
        """
        ...
