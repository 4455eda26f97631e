"""Registry of the agents at work, so that people can open terminals beside them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aideator.sandbox.base import Sandbox

VISITS = {
    "terminal": "a person opened a terminal in this sandbox while the agent worked",
    "preview": "a person used a preview of this sandbox while the agent worked",
}
"""Notes of a verdict on what persons did. A change that grew from an earlier one keeps
the earlier one's notes."""


@dataclass(eq=False)
class ActiveAgent:
    """The sandbox of an agent that is at work.

    Attributes:
        sandbox: Where the agent works.
        visits: What persons have done there: the change is not the agent's alone.
        over: Set when the agent's turn has ended.
        on_end: Called when the turn ends, before its change is extracted, so that no
            visitor writes any more.
    """

    sandbox: Sandbox
    visits: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    on_end: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class ActiveAgents:
    """The agents at work in this process, by run and variation."""

    def __init__(self) -> None:
        self._active: dict[tuple[str, int], ActiveAgent] = {}

    @asynccontextmanager
    async def register(
        self, run_id: str, number: int, sandbox: Sandbox, visits: Sequence[str]
    ) -> AsyncIterator[ActiveAgent]:
        """Register an agent for the length of the block.

        Args:
            run_id: The run.
            number: The variation.
            sandbox: Where the agent works.
            visits: Notes on persons that its tree comes with, from earlier turns.
        """
        agent = self._active[run_id, number] = ActiveAgent(sandbox, [*visits])
        try:
            yield agent
        finally:
            del self._active[run_id, number]
            agent.over.set()
            for end_visit in agent.on_end:
                await end_visit()

    def find(self, run_id: str, number: int) -> ActiveAgent | None:
        """Return the variation's agent, if it is at work."""
        return self._active.get((run_id, number))
