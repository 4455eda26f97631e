"""What the steps act with."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aideator.agents.base import Agent
from aideator.domain.check import CheckResult
from aideator.domain.errors import AideatorError
from aideator.domain.events import Body, CheckRun, Event
from aideator.domain.run import AgentSpec, Run, RunSpec
from aideator.eventlog.base import Draft, EventLog
from aideator.gateway.app import Gateway
from aideator.sandbox.base import Limits, SandboxBackend
from aideator.selection.checks import run_checks
from aideator.store.session import Database
from aideator.workspace.cache import RepositoryCache
from aideator.workspace.checkout import Checkout
from aideator.workspace.fork import fork


async def _the_gateways_own(_: RunSpec) -> None:
    return None


@dataclass(frozen=True)
class Stage:
    """Everything that the steps need, and nothing that an engine needs."""

    database: Database
    log: EventLog
    cache: RepositoryCache
    gateway: Gateway
    backend: SandboxBackend
    make_agent: Callable[[AgentSpec], Agent]
    limits: Limits
    home: Path
    """Where private copies of checkouts live while they are needed."""
    max_attempts: int = 5
    """How often a variation is taken up before it counts as a crash loop."""
    upstream: Callable[[RunSpec], Awaitable[str | None]] = _the_gateways_own
    """Which keyless provider a run's agents talk to, if not the gateway's own: the demo's scripted one."""


@dataclass(frozen=True)
class Scribe:
    """Writes the events of one run, or of one attempt at one variation."""

    log: EventLog
    run_id: str
    variation_id: int | None = None
    attempt: int | None = None

    async def write(self, *bodies: Body) -> None:
        """Store what happened. Raises `Fenced` when a newer attempt has taken over."""
        await self.copy([Draft(body) for body in bodies])

    async def copy(self, drafts: Sequence[Draft]) -> None:
        """Store what an agent reported, with its raw lines."""
        await self.log.append(self.run_id, drafts, variation_id=self.variation_id, attempt=self.attempt)


class Baseline:
    """What the checks say about the base. They run once for all variations, when the first one needs them."""

    def __init__(self, stage: Stage, run: Run, checkout: Checkout) -> None:
        self.checkout = checkout
        self._stage = stage
        self._run = run
        self._lock = asyncio.Lock()
        self._results: Mapping[str, CheckResult] | None = None

    async def results(self) -> Mapping[str, CheckResult]:
        """Run the checks on the base, or return what they said."""
        async with self._lock:
            if self._results is None:
                self._results = await self._recorded() or await self._measure()
            return self._results

    async def warm(self) -> None:
        """Begin early, beside the agents. What goes wrong here is met again by whoever needs the results."""
        with suppress(AideatorError):
            await self.results()

    async def _recorded(self) -> Mapping[str, CheckResult]:
        """What an earlier attempt, or the turn before a follow-up, has measured; empty unless it was everything."""
        found: dict[str, CheckResult] = {}
        after = 0
        while len(found) < len(self._run.checks):
            entries = await self._stage.log.read(self._run.id, after=after)
            if not entries:
                return {}
            after = entries[-1].seq
            for event in (Event.model_validate_json(entry.data) for entry in entries if entry.kind == "check"):
                if event.variation_id is None and isinstance(event.body, CheckRun):
                    found[event.body.result.check] = event.body.result
        return found

    async def _measure(self) -> Mapping[str, CheckResult]:
        stage, scribe = self._stage, Scribe(self._stage.log, self._run.id)
        if not self._run.checks:
            return {}
        results = {}
        async with (
            fork(self.checkout, stage.home, f"{self._run.id}-base") as clean,
            stage.backend.open(clean.tree, stage.limits) as sandbox,
        ):
            async for result in run_checks(sandbox, self._run.checks):
                await scribe.write(CheckRun(result=result))
                results[result.check] = result
        return results
