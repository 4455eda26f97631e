"""Services shared by every step of a run."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from aideator.agents.base import Agent
from aideator.domain.run import AgentSpec, Run, RunSpec
from aideator.engine.active import ActiveAgents
from aideator.engine.host_questions import HostQuestions
from aideator.eventlog.base import EventLog
from aideator.gateway.app import Gateway
from aideator.repositories.cache import RepositoryCache
from aideator.sandbox.base import Limits, PythonRuntime, SandboxBackend
from aideator.setup.environment import SetupContext
from aideator.setup.network import NetworkPolicy
from aideator.store.session import Database

Slot = Callable[[], AbstractAsyncContextManager[None]]
"""Waits for one of the engine's slots, and holds it."""


async def _no_other_provider(_: RunSpec) -> None:
    return None


async def _no_trial(_: Sequence[str]) -> None:
    return None


@dataclass(frozen=True)
class RunContext:
    """Services shared by every step of a run; none that only an engine needs.

    Attributes:
        database: Runs and variations.
        log: Where their events go.
        cache: Cached repositories.
        workshop: Makes environments, in sandboxes of the given back end.
        network: What set-up may reach.
        gateway: Gives agents access to their model.
        choose_backend: Returns the back end that a run asks for by name, or the
            server's own choice.
        make_agent: Makes a variation's agent, with the Python that its back end has
            for it.
        limits: Limits of an agent's sandbox.
        home: Where private copies of checkouts live while they are needed.
        environment: Hash of what sandboxes see beside the tree: measurements of
            another environment are not used again.
        max_attempts: How often a variation is taken up before it counts as a crash
            loop.
        upstream: Returns the keyless provider that a run's agents talk to, if not the
            gateway's own: the demo's scripted one.
        try_model: Tries the gateway's own provider, given the names of models, with a
            call that costs nothing.
        engine_pause: Seconds before a variation is taken up again whose container
            engine went away.
        active_agents: The agents at work now.
        host_questions: What set-ups ask people, and who follows which run.
    """

    database: Database
    log: EventLog
    cache: RepositoryCache
    workshop: Callable[[SandboxBackend], SetupContext]
    network: NetworkPolicy
    gateway: Gateway
    choose_backend: Callable[[str | None], Awaitable[SandboxBackend]]
    make_agent: Callable[[AgentSpec, PythonRuntime | None], Agent]
    limits: Limits
    home: Path
    environment: str = ""
    max_attempts: int = 5
    upstream: Callable[[RunSpec], Awaitable[str | None]] = _no_other_provider
    try_model: Callable[[Sequence[str]], Awaitable[object]] = _no_trial
    engine_pause: float = 2.0
    active_agents: ActiveAgents = field(default_factory=ActiveAgents)
    host_questions: HostQuestions = field(default_factory=HostQuestions)

    async def backend_of(self, run: Run) -> SandboxBackend:
        """Return the back end of the run's sandboxes.

        Raises:
            SandboxUnavailable: if there is no such back end.
        """
        return await self.choose_backend(run.spec.sandbox)
