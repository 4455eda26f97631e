"""Writes the events of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from aideator.domain.events import Event, EventBody, RunStarted
from aideator.domain.run import Run
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


async def report_reopened(log: EventLog, run: Run) -> None:
    """Store `run_started` again: the log of a run that goes on must not end.

    It tells the set-up and notes that were found at the first start, whose event
    stands at the beginning of the log.
    """
    entries = [entry for entry in await log.read(run.id) if entry.kind == "run_started"]
    bodies = [Event.model_validate_json(entry.data).body for entry in entries]
    found = [body for body in bodies if isinstance(body, RunStarted) and body.sources]
    started = RunStarted.of(run)
    if found:
        told = found[-1].model_dump(include={"sources", "notes"})
        started = started.model_copy(update=told)
    await EventWriter(log, run.id).write(started)
