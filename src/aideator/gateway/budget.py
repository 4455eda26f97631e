"""Who may spend how much: leases, and the accounts that they draw on.

A call reserves what it may cost at most before it goes out, and pays what it did cost
when it ends. So what is spent and what is reserved stay together under the cap, however
many calls run at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aideator.domain.usage import Budget, Usage
from aideator.gateway.refusal import Message, Refusal

UNSPENT = Usage()

OnUsage = Callable[[Usage, str | None], Awaitable[None]]
"""Takes what the variation has used so far, and the model of the call that has just
ended."""


class Estimate(NamedTuple):
    """What one call may use at most."""

    tokens: int
    usd: float | None
    """Null for a model without a known price."""


@dataclass
class Account:
    """What one variation, or one run, may spend, has spent and has promised to calls under way."""

    owner: str
    usd: float | None
    tokens: int | None
    spent: Usage = UNSPENT
    held: list[Estimate] = field(default_factory=list)

    def refuse_beyond(self, call: Estimate) -> None:
        """Refuse a call that would not fit even if it ran alone.

        Raises:
            Refusal: with 402, saying what is left and what the call might cost.
        """
        if self.tokens is not None and self.spent.tokens + call.tokens > self.tokens:
            left = max(0, self.tokens - self.spent.tokens)
            raise _broke(
                f"{left} of {self.tokens} tokens are left to the {self.owner}, the call may use {call.tokens}"
            )
        if self.usd is None:
            return
        if call.usd is None or self.spent.cost_usd is None:
            raise Refusal(
                402,
                "billing_error",
                f"the {self.owner} has a cap in US dollars; the model has no known price",
            )
        if self.spent.cost_usd + call.usd > self.usd:
            left_usd = max(0.0, self.usd - self.spent.cost_usd)
            raise _broke(
                f"${left_usd:.4f} of ${self.usd:.4f} is left to the {self.owner}, the call may cost ${call.usd:.4f}"
            )

    def fits(self, call: Estimate) -> bool:
        """Whether the call fits beside those under way."""
        if self.tokens is not None:
            held = sum(other.tokens for other in self.held)
            if self.spent.tokens + held + call.tokens > self.tokens:
                return False
        if self.usd is not None:
            held_usd = sum(other.usd or 0.0 for other in self.held)
            return (self.spent.cost_usd or 0.0) + held_usd + (
                call.usd or 0.0
            ) <= self.usd
        return True


class OverBudget(Refusal):
    """The budget is spent, or what is left of it is too little for this call."""


def _broke(fact: str) -> OverBudget:
    hint = "raise the budget, or lower max_tokens, which counts in full"
    return OverBudget(402, "billing_error", f"the budget is spent: {fact}; {hint}")


@dataclass
class Purse:
    """The accounts of one run: its own, and one for each variation.

    Lives as long as one of its leases does.
    """

    budget: Budget
    run: Account
    variations: dict[int, Account] = field(default_factory=dict)
    leases: int = 0
    released: asyncio.Condition = field(default_factory=asyncio.Condition)

    def account(self, variation_id: int, spent: Usage) -> Account:
        """Return the variation's account; a new one starts with what earlier attempts spent."""
        if variation_id not in self.variations:
            owner = f"variation {variation_id}"
            account = Account(
                owner, self.budget.variation_usd, self.budget.variation_tokens, spent
            )
            self.variations[variation_id] = account
            self.run.spent += spent
        return self.variations[variation_id]

    @asynccontextmanager
    async def reserve(self, account: Account, call: Estimate) -> AsyncIterator[None]:
        """Hold back what a call may cost while it runs.

        A call that would fit if others had ended waits for them: they rarely cost what
        they reserved.

        Raises:
            OverBudget: if what is left would not do even then.
            Refusal: if the model has no known price and a cap is in dollars.
        """
        accounts = (account, self.run)
        async with self.released:
            while True:
                for each in accounts:
                    each.refuse_beyond(call)
                if all(each.fits(call) for each in accounts):
                    break
                await self.released.wait()
            for each in accounts:
                each.held.append(call)
        try:
            yield
        finally:
            for each in accounts:
                each.held.remove(call)
            async with self.released:
                self.released.notify_all()

    def pay(self, account: Account, used: Usage) -> None:
        """Book what a call did cost."""
        account.spent += used
        self.run.spent += used


@dataclass
class Pace:
    """A token bucket: a tenth of a minute's calls may come at once, the rest evenly."""

    used: float = 0.0
    at: float = 0.0

    def admit(self, per_minute: int) -> bool:
        """Count one more call, unless there have been too many."""
        now = time.monotonic()
        used = max(0.0, self.used - (now - self.at) * per_minute / 60)
        if used + 1 > max(1.0, per_minute / 10):
            return False
        self.used, self.at = used + 1, now
        return True


@dataclass(eq=False)
class Lease:
    """One agent's right to call the model, from opening to closing.

    Attributes:
        token: What the agent shows as its API key. Worth nothing outside this gateway,
            nor after the lease.
        base_url: A provider that needs no key, to which this lease leads instead of the
            gateway's own.
        exhausted: Whether a call was refused because the budget was spent.
        last_error: Why the last call failed, in plain words; None after a success.
    """

    token: str = field(repr=False)
    run_id: str
    variation_id: int
    purse: Purse
    account: Account
    on_usage: OnUsage
    base_url: str | None = None
    open: bool = True
    exhausted: bool = False
    last_error: str | None = None
    under_way: int = 0
    pace: Pace = field(default_factory=Pace)
    calls: set[asyncio.Task[list[Message]]] = field(default_factory=set)
    recording: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def usage(self) -> Usage:
        """What the variation has used so far, earlier attempts included."""
        return self.account.spent

    async def pay(self, used: Usage, model: str | None) -> None:
        """Book one call, and tell whoever holds the lease: one at a time, so that the figures they see only grow."""
        self.purse.pay(self.account, used)
        async with self.recording:
            await self.on_usage(self.account.spent, model)
