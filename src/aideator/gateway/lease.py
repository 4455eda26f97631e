"""Leases: an agent's right to call the model, from opening to closing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from aideator.domain.usage import Usage
from aideator.gateway.budget import Call, OverBudget, RunBudget
from aideator.gateway.inspection import UNKNOWN_MAX
from aideator.gateway.refusal import Message, Refusal

OnUsage = Callable[[Usage, str | None], Awaitable[None]]
"""Records what the variation has used so far; called with the model of the call that
has just ended."""


@dataclass
class RateLimit:
    """A token bucket: a tenth of a minute's calls may start at once, the rest evenly.

    Attributes:
        used: Calls that count at `at`; it falls evenly as time passes.
        at: When `used` was counted, in seconds of a monotonic clock.
    """

    used: float = 0.0
    at: float = 0.0

    def admit(self, per_minute: int, now: float) -> bool:
        """Count one more call, unless there have been too many."""
        used = max(0.0, self.used - (now - self.at) * per_minute / 60)
        if used + 1 > max(1.0, per_minute / 10):
            return False
        self.used, self.at = used + 1, now
        return True


@dataclass(eq=False)
class Lease:
    """One agent's right to call the model, from opening to closing.

    Attributes:
        token: What the agent shows as its API key. It is worth nothing outside this
            gateway, nor after the lease.
        number: The variation, or `JUDGE`.
        base_url: A provider that needs no key, to which this lease leads instead of
            the gateway's own.
        exhausted: Whether a call was refused or cut because the budget was spent.
        last_error: Why the last call failed or was refused, in plain words; None
            after a success.
        unknown: What was passed on though it is on no list, in words.
        in_flight: Requests being answered, those for other routes included.
        tasks: The calls to the model, to be cancelled when the lease closes.
    """

    token: str = field(repr=False)
    number: int
    budget: RunBudget
    on_usage: OnUsage
    base_url: str | None = None
    open: bool = True
    exhausted: bool = False
    last_error: str | None = None
    unknown: list[str] = field(default_factory=list)
    in_flight: int = 0
    rate: RateLimit = field(default_factory=RateLimit)
    tasks: set[asyncio.Task[list[Message]]] = field(default_factory=set)
    recording: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def usage(self) -> Usage:
        """What the variation has used so far, earlier attempts included."""
        return self.budget.account(self.number).spent

    def remember(self, refusal: Refusal) -> None:
        """Note that a call was refused, and whether the budget was the reason.

        Every refusal is noted: an agent that was refused must not look like one that
        found nothing to change.
        """
        self.exhausted |= isinstance(refusal, OverBudget)
        self.last_error = str(refusal)

    def note_unknown(self, unknown: Iterable[str]) -> None:
        """Note what was passed on without being known, each thing once."""
        for thing in unknown:
            if len(self.unknown) < UNKNOWN_MAX and thing not in self.unknown:
                self.unknown.append(thing)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of the calls, for the variation's verdict."""
        if not self.unknown:
            return ()
        return (
            "the agent sent the model what the gateway does not know: "
            f"{', '.join(self.unknown)} (ISOLATION_POLICY=closed refuses it)",
        )

    async def book(self, used: Usage, model: str | None, call: Call) -> None:
        """Add what a call has cost, and have it recorded.

        Records are written one at a time, so that the figures in them only grow.
        """
        self.budget.book(self.number, used, call)
        async with self.recording:
            await self.on_usage(self.usage, model)
