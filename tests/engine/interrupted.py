"""An event log in whose writer something else happens at a chosen moment."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aideator.domain.run import RunStatus
from aideator.eventlog.base import Draft, Entry, EventLog
from tests.actions import User

Act = Callable[[], Awaitable[object]]


@dataclass
class Interrupted:
    """A log in whose writer something else happens before or after an event.

    It happens once, at the first event of a kind.
    """

    log: EventLog
    kind: str
    before: Act | None = None
    behind: Act | None = None

    async def append(self, run_id: str, drafts: Sequence[Draft], **writer: Any) -> int:
        meant = any(draft.body.kind == self.kind for draft in drafts)
        async with self._interruption(meant=meant):
            return await self.log.append(run_id, drafts, **writer)

    async def complete(self, run_id: str, status: RunStatus) -> bool:
        async with self._interruption(meant=self.kind == "complete"):
            return await self.log.complete(run_id, status)

    @asynccontextmanager
    async def _interruption(self, *, meant: bool) -> AsyncIterator[None]:
        before, behind = (self.before, self.behind) if meant else (None, None)
        if meant:
            self.before = self.behind = None
        if before:
            await before()
        yield
        if behind:
            await behind()

    async def read(
        self, run_id: str, *, after: int = 0, limit: int = 500
    ) -> list[Entry]:
        return await self.log.read(run_id, after=after, limit=limit)

    def follow(self, run_id: str, *, after: int = 0) -> AsyncGenerator[list[Entry]]:
        return self.log.follow(run_id, after=after)


def interrupt(
    me: User, kind: str, *, before: Act | None = None, behind: Act | None = None
) -> None:
    """Have something else happen when the engine stores its next event of a kind."""
    context = me.app.working.context
    interrupted = Interrupted(context.log, kind, before, behind)
    object.__setattr__(context, "log", interrupted)
