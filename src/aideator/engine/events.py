"""Writes the events of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from aideator.domain.events import EventBody
from aideator.eventlog.base import Draft, EventLog


@dataclass(frozen=True)
class EventWriter:
    """Appends the events of one run, or of one attempt at one variation.

    Every write raises `Fenced` once a newer attempt owns the variation.
    """

    log: EventLog
    run_id: str
    variation_id: int | None = None
    attempt: int | None = None

    async def write(self, *bodies: EventBody) -> None:
        """Store events."""
        await self.copy([Draft(body) for body in bodies])

    async def copy(self, drafts: Sequence[Draft]) -> None:
        """Store events as an agent reported them, with its raw lines."""
        await self.log.append(
            self.run_id, drafts, variation_id=self.variation_id, attempt=self.attempt
        )
