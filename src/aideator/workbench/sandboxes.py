"""Where a person is let into a variation: the agent's own sandbox while it works, a copy of the change afterwards.

A copy is a fresh sandbox over base, environment and patch, shared by all that is opened
there and without any way out. Nothing comes back out of it. It closes with its last
tenant, when nobody has used it for a while, and with the server.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aideator.domain.check import CheckResult
from aideator.domain.errors import (
    Conflict,
    NotFound,
    SandboxLost,
    TooManyRequests,
    Unavailable,
)
from aideator.domain.run import SETTLED_VARIATION, Run, Variation, VariationStatus
from aideator.engine.context import RunContext
from aideator.engine.local.engine import first_that_works
from aideator.engine.measure import open_ground
from aideator.engine.variation import previous_patch
from aideator.sandbox.base import Sandbox
from aideator.setup.environment import build_environment
from aideator.store import runs
from aideator.workbench.model import Place

CALLS = 32
"""Connections of all previews of a sandbox at the same time; more wait. The sandbox has
128, most for whoever works."""


def _now() -> float:
    return asyncio.get_running_loop().time()


def _nobody_yet() -> asyncio.Future[Sandbox]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class Bench:
    """A sandbox that people are in."""

    variation: Variation
    """As it was when they came."""
    place: Place
    sandbox: asyncio.Future[Sandbox] = field(default_factory=_nobody_yet)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    end: str = "it was closed"
    """Why it is over, or why it will be."""
    used_at: float = field(default_factory=_now)
    tenants: set[object] = field(default_factory=set)
    """What is open there."""
    calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CALLS))
    """Held by each connection of a preview."""

    def use(self) -> None:
        """Note that somebody uses it."""
        self.used_at = _now()

    def leave(self, reason: str) -> None:
        """Have it close, and let nobody in any more."""
        if not self.over.is_set():
            self.end = reason
            self.over.set()

    def dismiss(self, tenant: object) -> None:
        """Let a tenant go; a copy closes behind the last one."""
        self.tenants.discard(tenant)
        if not self.tenants and self.place is Place.COPY:
            self.leave("it was closed")

    def explain(self, error: SandboxLost) -> str:
        """Why the sandbox is gone. If it went by itself, nobody is let in any more."""
        self.leave(str(error))
        return self.end

    async def fail(self, error: Exception) -> None:
        """Tell whoever waits for it that it cannot be had, or that it is over."""
        self.leave(str(error))
        if not self.sandbox.done():
            self.sandbox.set_exception(error)
            self.sandbox.exception()  # whoever asked may have gone


class Benches:
    """Those of one process."""

    def __init__(
        self,
        context: RunContext,
        start: Callable[[Coroutine[Any, Any, None]], None],
        *,
        most: int,
        idle: float,
    ) -> None:
        """Begin with none.

        Args:
            context: What the steps act with.
            start: Has something run until it ends, or until the process does.
            most: Copies that may be open at the same time.
            idle: Seconds without use after which a copy closes.
        """
        self._context, self._start, self._most, self._idle = context, start, most, idle
        self._open: list[Bench] = []

    async def find(self, run_id: str, number: int) -> tuple[Run, Variation, Place]:
        """Where somebody who wants to look into a variation is let in.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is no such place now; it says why, and what would help.
        """
        tree = False
        async with self._context.database.read() as session:
            run, variation = (
                await runs.get(session, run_id),
                await runs.variation(session, run_id, number),
            )
            with suppress(NotFound):
                await runs.patch(session, run_id, number)
                tree = True
        if run.imported_at is not None:
            raise Conflict(
                "this run was imported from a file: its repository is not here",
                hint="submit it anew",
            )
        if self._context.turns.find(run_id, number) is not None:
            return run, variation, Place.AGENT
        if variation.status in SETTLED_VARIATION and tree:
            return run, variation, Place.COPY
        raise _closed(variation)

    @asynccontextmanager
    async def enter(
        self, run_id: str, number: int
    ) -> AsyncIterator[tuple[Bench, Sandbox]]:
        """Be let in. Who stays is among the tenants when the block ends.

        Raises:
            NotFound: as `find` does.
            Conflict: as `find` does, and if the sandbox ends in this moment.
            TooManyRequests: if as many copies are open as may be.
        """
        run, variation, place = await self.find(run_id, number)
        bench, guest = self._bench(run, variation, place), object()
        bench.tenants.add(guest)
        try:
            yield bench, await asyncio.shield(bench.sandbox)
        except SandboxLost as error:
            raise Conflict(
                f"the sandbox has ended: {bench.explain(error)}", hint="look again"
            ) from error
        finally:
            bench.dismiss(guest)

    def _bench(self, run: Run, variation: Variation, place: Place) -> Bench:
        """The bench of that place: the one that is open, or a new one."""
        self._open = [bench for bench in self._open if not bench.over.is_set()]
        sought = (run.id, variation.number, variation.attempt, place)
        for bench in self._open:
            if sought == (
                bench.variation.run_id,
                bench.variation.number,
                bench.variation.attempt,
                bench.place,
            ):
                return bench
        bench = (
            self._beside_the_agent(variation)
            if place is Place.AGENT
            else self._copy(run, variation)
        )
        self._open.append(bench)
        return bench

    def _beside_the_agent(self, variation: Variation) -> Bench:
        turn = self._context.turns.find(variation.run_id, variation.number)
        if turn is None:
            raise Conflict(
                "the agent's turn has just ended", hint="look again in a moment"
            )
        bench = Bench(
            variation, Place.AGENT, over=turn.over, end="the agent's turn has ended"
        )
        bench.sandbox.set_result(turn.sandbox)
        return bench

    def _copy(self, run: Run, variation: Variation) -> Bench:
        if sum(bench.place is Place.COPY for bench in self._open) >= self._most:
            raise TooManyRequests(
                f"{self._most} variations are open to look into, as many as may be (MAX_WORKBENCHES)",
                hint="close the terminals and previews of one of them",
            )
        bench = Bench(variation, Place.COPY)
        self._start(first_that_works(self._keep(bench, run), bench.fail))
        return bench

    async def _keep(self, bench: Bench, run: Run) -> None:
        """Hold a copy open for as long as it is used."""
        try:
            async with await self._ground(bench, run) as sandbox:
                bench.use()
                bench.sandbox.set_result(sandbox)
                while not bench.over.is_set():
                    left = bench.used_at + self._idle - _now()
                    if left <= 0:
                        bench.leave(
                            f"nobody has used it for {self._idle / 60:.0f} minutes"
                        )
                    with suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await bench.over.wait()
        except asyncio.CancelledError:
            await bench.fail(Unavailable("the server stops"))
            raise

    async def _ground(
        self, bench: Bench, run: Run
    ) -> AbstractAsyncContextManager[Sandbox]:
        context, number = self._context, bench.variation.number

        async def tell(result: CheckResult, cached: bool) -> None:  # noqa: FBT001 - the callback's shape
            """Say nothing: what is done for a copy is no part of the run."""

        checkout = await context.cache.checkout(
            await context.cache.resolve(run.spec.repo_url, run.commit)
        )
        checkout = await build_environment(
            context.workshop(await context.backend_of(run)), checkout, run.setup, tell
        )
        patch = await previous_patch(context, run.id, number)
        name = f"{run.id}-{number}-bench-{secrets.token_hex(4)}"
        return open_ground(context, run, checkout, patch, name)()

    def close(self, reason: str) -> None:
        """Close all copies; agents go on."""
        for bench in self._open:
            if bench.place is Place.COPY:
                bench.leave(reason)


def _closed(variation: Variation) -> Conflict:
    """Why nobody is let in, and what would help."""
    number = variation.number
    match variation.status:
        case VariationStatus.QUEUED:
            return Conflict(
                f"variation {number} waits for its turn",
                hint="wait until its agent works",
            )
        case VariationStatus.RUNNING:
            return Conflict(
                f"variation {number} is being prepared or proven: no agent is at work",
                hint="wait a moment",
            )
        case _:
            return Conflict(
                f"variation {number} {variation.status} and left no tree",
                hint="give it a follow-up prompt",
            )
