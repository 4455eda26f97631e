"""Sandboxes opened for inspection: the running agent's, or a copy of its change.

A copy is a fresh sandbox over base, environment and finished patch, without network. It
is shared by all terminals and previews of the variation, and nothing comes out of it.
It closes with its last user, when it has not been used for a while, and with the
server.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

from aideator.app.background import Start
from aideator.domain.errors import (
    Conflict,
    NotFound,
    SandboxLost,
    TooManyRequests,
    Unavailable,
)
from aideator.domain.run import SETTLED_VARIATION, Run, Variation, VariationStatus
from aideator.engine.context import RunContext
from aideator.engine.failures import run_or_record_failure
from aideator.engine.measure import checks_sandbox
from aideator.engine.variation import previous_patch
from aideator.sandbox.base import WORKSPACE, Sandbox
from aideator.setup.commands import SetupResult
from aideator.setup.environment import build_environment
from aideator.store import runs
from aideator.workbench.model import Place

CONNECTIONS = 32
"""Concurrent preview connections per sandbox; further requests queue. A sandbox allows
128 in all; the rest is reserved for the agent."""
RETRY_HINT = "the agent has just finished; retry to open a copy of its change"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _pending() -> asyncio.Future[Sandbox]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class InspectionSandbox:
    """A sandbox that people have opened, and its users."""

    variation: Variation
    """As it was when the sandbox was opened."""
    place: Place
    cwd: str = WORKSPACE
    """Where terminals begin."""
    sandbox: asyncio.Future[Sandbox] = field(default_factory=_pending)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    end: str = "it was closed"
    """Why it is over, or will be."""
    used_at: float = field(default_factory=_now)
    """The event loop's time, in seconds."""
    users: set[object] = field(default_factory=set)
    """Open terminals and previews, and requests that are opening one."""
    connections: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(CONNECTIONS)
    )
    """Held by each connection of a preview."""

    def use(self) -> None:
        """Record that it is used now."""
        self.used_at = _now()

    def leave(self, reason: str) -> None:
        """Close it, and admit no further users."""
        if not self.over.is_set():
            self.end = reason
            self.over.set()

    def dismiss(self, user: object) -> None:
        """Remove a user. A copy closes after the last one."""
        self.users.discard(user)
        if not self.users and self.place is Place.COPY:
            self.leave("it was closed")

    def explain(self, error: SandboxLost) -> str:
        """Return why the sandbox is lost. One that failed by itself is closed."""
        self.leave(str(error))
        return self.end

    async def fail(self, error: Exception) -> None:
        """Close it with an error, which those who wait for it receive."""
        self.leave(str(error))
        if not self.sandbox.done():
            self.sandbox.set_exception(error)
            # Mark it as retrieved: the request that waited may have been cancelled.
            self.sandbox.exception()


class InspectionSandboxes:
    """Registry of the inspection sandboxes that are open in this process."""

    def __init__(
        self, context: RunContext, start: Start, *, most: int, idle: float
    ) -> None:
        """Create an empty registry.

        Args:
            context: The services of runs.
            start: Starts background tasks.
            most: Copies that may be open at the same time.
            idle: Seconds without use after which a copy closes.
        """
        self._context, self._start, self._most, self._idle = context, start, most, idle
        self._open: list[InspectionSandbox] = []

    async def find(self, run_id: str, number: int) -> tuple[Run, Variation, Place]:
        """Return which sandbox of a variation can be opened now.

        Raises:
            NotFound: if there is no such run or variation.
            Conflict: if there is none now; it says why, and what would help.
        """
        has_patch = False
        async with self._context.database.read() as session:
            run = await runs.get(session, run_id)
            variation = await runs.variation(session, run_id, number)
            with suppress(NotFound):
                await runs.patch(session, run_id, number)
                has_patch = True
        if run.imported_at is not None:
            raise Conflict(
                "this run was imported from a file: its repository is not here",
                hint="submit it anew",
            )
        if self._context.active_agents.find(run_id, number) is not None:
            return run, variation, Place.AGENT
        if variation.status in SETTLED_VARIATION and has_patch:
            return run, variation, Place.COPY
        raise _not_open(variation)

    @asynccontextmanager
    async def enter(
        self, run_id: str, number: int
    ) -> AsyncIterator[tuple[InspectionSandbox, Sandbox]]:
        """Open a variation's sandbox, or share the open one.

        The block counts as a user; what shall stay open adds a user of its own.

        Raises:
            NotFound: as `find` does.
            Conflict: as `find` does, and if the sandbox ends at this moment.
            TooManyRequests: if as many copies are open as may be.
        """
        run, variation, place = await self.find(run_id, number)
        opened, block = self._opened(run, variation, place), object()
        opened.users.add(block)
        try:
            yield opened, await asyncio.shield(opened.sandbox)
        except SandboxLost as error:
            raise Conflict(
                f"the sandbox has ended: {opened.explain(error)}",
                hint="open the terminal or preview again",
            ) from error
        finally:
            opened.dismiss(block)

    def close(self, reason: str) -> None:
        """Close all copies. Sandboxes of running agents stay open."""
        for opened in self._open:
            if opened.place is Place.COPY:
                opened.leave(reason)

    def _opened(
        self, run: Run, variation: Variation, place: Place
    ) -> InspectionSandbox:
        """Return the variation's open sandbox, or a new one."""
        self._open = [opened for opened in self._open if not opened.over.is_set()]
        wanted = _identity(variation, place)
        for opened in self._open:
            if _identity(opened.variation, opened.place) == wanted:
                return opened
        if place is Place.AGENT:
            opened = self._of_the_agent(variation)
        else:
            opened = self._copy(run, variation)
        opened.cwd = f"{WORKSPACE}/{run.spec.path}".rstrip("/")
        self._open.append(opened)
        return opened

    def _of_the_agent(self, variation: Variation) -> InspectionSandbox:
        turn = self._context.active_agents.find(variation.run_id, variation.number)
        if turn is None:
            raise Conflict("the agent's turn has just ended", hint=RETRY_HINT)
        opened = InspectionSandbox(
            variation, Place.AGENT, over=turn.over, end="the agent's turn has ended"
        )
        opened.sandbox.set_result(turn.sandbox)
        return opened

    def _copy(self, run: Run, variation: Variation) -> InspectionSandbox:
        copies = sum(opened.place is Place.COPY for opened in self._open)
        if copies >= self._most:
            raise TooManyRequests(
                f"copies of {self._most} variations are open, as many as may be "
                "(MAX_WORKBENCHES)",
                hint="close the terminals and previews of one of them",
            )
        copy = InspectionSandbox(variation, Place.COPY)
        self._start(run_or_record_failure(self._hold(copy, run), copy.fail))
        return copy

    async def _hold(self, copy: InspectionSandbox, run: Run) -> None:
        """Keep a copy open for as long as it is used."""
        try:
            async with await self._prepare(copy, run) as sandbox:
                copy.use()
                copy.sandbox.set_result(sandbox)
                await self._wait_until_over(copy)
        except asyncio.CancelledError:
            await copy.fail(Unavailable("the server stops"))
            raise

    async def _wait_until_over(self, copy: InspectionSandbox) -> None:
        while not copy.over.is_set():
            left = copy.used_at + self._idle - _now()
            if left <= 0:
                copy.leave(f"it was not used for {self._idle / 60:.0f} minutes")
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await copy.over.wait()

    async def _prepare(
        self, copy: InspectionSandbox, run: Run
    ) -> AbstractAsyncContextManager[Sandbox]:
        context, number = self._context, copy.variation.number

        async def ignore(_: SetupResult) -> None:
            """Report nothing: set-up for a copy is no part of the run."""

        checkout = await context.cache.checkout(
            await context.cache.resolve(run.spec.repo_url, run.commit)
        )
        checkout = checkout.in_folder(run.spec.path)
        checkout = await build_environment(
            context.workshop(await context.backend_of(run)), checkout, run.setup, ignore
        )
        patch = await previous_patch(context, run.id, number)
        name = f"{run.id}-{number}-copy-{secrets.token_hex(4)}"
        return checks_sandbox(context, run, checkout, patch, name)()


def _identity(variation: Variation, place: Place) -> tuple[str, int, int, Place]:
    return variation.run_id, variation.number, variation.attempt, place


def _not_open(variation: Variation) -> Conflict:
    """Return why no sandbox of the variation can be opened, and what would help."""
    number = variation.number
    match variation.status:
        case VariationStatus.QUEUED:
            return Conflict(
                f"variation {number} waits for its turn",
                hint="wait until its agent works",
            )
        case VariationStatus.RUNNING:
            return Conflict(
                f"variation {number} is being prepared or checked: no agent is at work",
                hint="wait a moment",
            )
        case _:
            return Conflict(
                f"variation {number} {variation.status} and left no change",
                hint="give it a follow-up prompt",
            )
