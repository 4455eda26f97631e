"""What the steps act with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aideator.agents.base import Agent
from aideator.domain.events import EventBody
from aideator.domain.run import AgentSpec, Run, RunSpec
from aideator.eventlog.base import Draft, EventLog
from aideator.gateway.app import Gateway
from aideator.repositories.cache import RepositoryCache
from aideator.sandbox.base import Limits, PythonRuntime, Sandbox, SandboxBackend
from aideator.setup.egress import Egress
from aideator.setup.environment import SetupContext
from aideator.store.session import Database


async def _the_gateways_own(_: RunSpec) -> None:
    return None


VISITS = {
    "terminal": "a person opened a terminal in this sandbox while the agent worked",
    "preview": "a person used a preview of this sandbox while the agent worked",
}
"""What a verdict says of persons. A change that grew from an earlier one keeps the
note."""


@dataclass(eq=False)
class Turn:
    """An agent's sandbox while the agent works in it."""

    sandbox: Sandbox
    visits: list[str] = field(default_factory=list)
    """What persons have done there: the change is not the agent's alone."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    guests: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """How to show out who is there: nobody writes any more when the change is taken
    out."""


class Turns:
    """The agents that are at work, by run and variation."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], Turn] = {}

    @asynccontextmanager
    async def take(
        self, run_id: str, number: int, sandbox: Sandbox, visits: Sequence[str]
    ) -> AsyncIterator[Turn]:
        """Have the turn known for as long as it lasts, with the visits of those before it."""
        turn = self._open[run_id, number] = Turn(sandbox, [*visits])
        try:
            yield turn
        finally:
            del self._open[run_id, number]
            turn.over.set()
            for show_out in turn.guests:
                await show_out()

    def find(self, run_id: str, number: int) -> Turn | None:
        """The turn that lasts now, if one does."""
        return self._open.get((run_id, number))


@dataclass(frozen=True)
class RunContext:
    """Everything that the steps need, and nothing that an engine needs."""

    database: Database
    log: EventLog
    cache: RepositoryCache
    workshop: Callable[[SandboxBackend], SetupContext]
    """Where set-up is done, in sandboxes of that back end."""
    egress: Egress
    """What set-up may reach."""
    gateway: Gateway
    choose_backend: Callable[[str | None], Awaitable[SandboxBackend]]
    """The back end that a run asks for by name, or the server's own choice."""
    make_agent: Callable[[AgentSpec, PythonRuntime | None], Agent]
    """Make the agent of a variation, with the Python that its back end has for it."""
    limits: Limits
    home: Path
    """Where private copies of checkouts live while they are needed."""
    environment: str = ""
    """What sandboxes see beside the tree, in a word: measurements of another
    environment are not believed."""
    max_attempts: int = 5
    """How often a variation is taken up before it counts as a crash loop."""
    upstream: Callable[[RunSpec], Awaitable[str | None]] = _the_gateways_own
    """Which keyless provider a run's agents talk to, if not the gateway's own: the
    demo's scripted one."""
    engine_pause: float = 2.0
    """Seconds before a variation is taken up again whose engine of containers went
    away."""
    turns: Turns = field(default_factory=Turns)
    """Which agents are at work now."""

    async def backend_of(self, run: Run) -> SandboxBackend:
        """Where the run's sandboxes are opened.

        Raises:
            SandboxUnavailable: if there is no such back end.
        """
        return await self.choose_backend(run.spec.sandbox)


@dataclass(frozen=True)
class EventWriter:
    """Writes the events of one run, or of one attempt at one variation."""

    log: EventLog
    run_id: str
    variation_id: int | None = None
    attempt: int | None = None

    async def write(self, *bodies: EventBody) -> None:
        """Store what happened. Raises `Fenced` when a newer attempt has taken over."""
        await self.copy([Draft(body) for body in bodies])

    async def copy(self, drafts: Sequence[Draft]) -> None:
        """Store what an agent reported, with its raw lines."""
        await self.log.append(
            self.run_id, drafts, variation_id=self.variation_id, attempt=self.attempt
        )
