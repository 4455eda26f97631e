"""What a run and each of its variations may spend, have spent and have reserved.

One `RunBudget` owns these figures for a run. A call reserves what it typically costs
while it is in flight, and what it did cost is booked when it ends (decision 0064).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aideator.domain.usage import Budget, Usage
from aideator.gateway.refusal import Refusal

JUDGE = 0
"""The account of the run's judge. Variations are numbered from 1."""

TYPICAL_OUTPUT_TOKENS = 16_000
"""Output tokens that a call reserves at most. Agents ask for up to 128,000 and use a
small part of them (decision 0064)."""

SMALL_OUTPUT_TOKENS = 1_024
"""Output tokens of a small answer. A call is refused when not even that can be paid."""

Spending = Callable[[], Awaitable[Mapping[int, Usage]]]
"""Reads from the database what each variation of a run, and its judge (`JUDGE`), has
spent so far."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens, input and output together, and US dollars."""

    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.usd + other.usd)


@dataclass(eq=False)
class Call:
    """One model call, from its reservation to its booking.

    Attributes:
        minimum: What its input and a small answer cost.
        reserved: What it typically costs: its input and at most
            `TYPICAL_OUTPUT_TOKENS` of output.
        running: What it has cost so far. `None` for an answer that is not streamed: it
            cannot be seen before its end, and counts as reserved until then.
        booked: Whether it is part of what was spent. It is in flight for as long as
            that is recorded, and must not count twice.
    """

    minimum: Amount
    reserved: Amount
    running: Amount | None = None
    booked: bool = False

    @property
    def cost(self) -> Amount:
        """What the call costs, as far as is known while it is in flight."""
        if self.booked:
            return Amount()
        return self.reserved if self.running is None else self.running

    @property
    def held(self) -> Amount:
        """What other calls must leave: the reservation, or more once it is used up."""
        if self.booked:
            return Amount()
        return Amount(
            max(self.reserved.tokens, self.cost.tokens),
            max(self.reserved.usd, self.cost.usd),
        )


class OverBudget(Refusal):
    """The budget is spent, or what is left does not pay a small answer."""

    def __init__(self, fact: str) -> None:
        super().__init__(
            402, "billing_error", f"the budget is spent: {fact}; raise the budget"
        )


@dataclass
class Account:
    """The share of one variation, of the judge, or of the whole run.

    Attributes:
        owner: Whose it is, as error messages name it.
        usd: Cap in US dollars; None does not bind.
        tokens: Cap in tokens; None does not bind.
        spent: What ended calls have cost, earlier attempts included.
        calls: Calls in flight.
    """

    owner: str
    usd: float | None = None
    tokens: int | None = None
    spent: Usage = field(default_factory=Usage)
    calls: list[Call] = field(default_factory=list)

    @property
    def left(self) -> Amount:
        """What the caps leave beside ended calls; without end where no cap binds."""
        spent = _amount(self.spent)
        return Amount(
            _ENDLESS.tokens if self.tokens is None else self.tokens - spent.tokens,
            _ENDLESS.usd if self.usd is None else self.usd - spent.usd,
        )

    @property
    def reserved(self) -> Amount:
        """What calls in flight hold back."""
        return _sum(call.held for call in self.calls)

    @property
    def overspent(self) -> bool:
        """Whether ended calls and calls in flight cost more than the caps allow."""
        return not _fits(_sum(call.cost for call in self.calls), self.left)

    def refuse_beyond(self, amount: Amount) -> None:
        """Refuse what would not fit even without any other call in flight.

        Raises:
            OverBudget: with what is left and what the call costs.
            Refusal: if the cap is in US dollars and a call without a known price was
                made: what it cost cannot be said.
        """
        if self.usd is not None and self.spent.cost_usd is None:
            raise unpriced(self.owner)
        left = self.left
        if amount.tokens > left.tokens:
            raise OverBudget(
                f"{max(0, left.tokens)} of {self.tokens} tokens are left to the "
                f"{self.owner}, a small answer takes {amount.tokens}"
            )
        if not _fits(amount, left):
            raise OverBudget(
                f"${max(0.0, left.usd):.4f} of ${self.usd:.4f} is left to the "
                f"{self.owner}, a small answer costs ${amount.usd:.4f}"
            )

    def has_room_for(self, call: Call) -> bool:
        """Return whether the call fits beside those in flight.

        A call on its own always does: the others have nothing to lose.
        """
        return not self.calls or _fits(self.reserved + call.reserved, self.left)


class RunBudget:
    """The only owner of what a run and each of its variations have spent and reserved.

    It is filled once, from the database, when the first lease of the run is opened, and
    lives until the last one is closed. Everything that spends in between is booked
    here, so figures of the database that are read later would count twice.
    """

    def __init__(self, caps: Budget) -> None:
        self.caps = caps
        self.run = Account("run", caps.run_usd, caps.run_tokens)
        self.leases = 0
        self._accounts: dict[int, Account] = {}
        self._filled = False
        self._filling = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def is_capped(self) -> bool:
        """Whether any cap binds."""
        return self.caps != Budget()

    async def fill(self, spending: Spending) -> None:
        """Take over the database's figures; later calls change nothing."""
        async with self._filling:
            if self._filled:
                return
            for number, usage in (await spending()).items():
                self.account(number).spent = usage
                self.run.spent += usage
            self._filled = True

    def account(self, number: int) -> Account:
        """Return the account of a variation, or of the judge (`JUDGE`)."""
        if number not in self._accounts:
            owner = f"variation {number}" if number != JUDGE else "judge"
            caps = self.caps.variation_usd, self.caps.variation_tokens
            self._accounts[number] = Account(owner, *caps)
        return self._accounts[number]

    @asynccontextmanager
    async def reserve(self, number: int, call: Call) -> AsyncIterator[None]:
        """Hold back what a call typically costs for as long as it is in flight.

        A call whose reservation does not fit beside those in flight waits for them to
        end: they rarely cost what they reserved.

        Raises:
            OverBudget: if what is left does not pay a small answer, at once or after
                waiting.
            Refusal: if a cap is in US dollars and what was spent has no known price.
        """
        accounts = (self.account(number), self.run)
        while True:
            for account in accounts:
                account.refuse_beyond(call.minimum)
            if all(account.has_room_for(call) for account in accounts):
                break
            # Taken before anything else can run: no change is missed.
            await self._changed.wait()
        for account in accounts:
            account.calls.append(call)
        try:
            yield
        finally:
            for account in accounts:
                account.calls.remove(call)
            self._wake_waiting_calls()

    def reached_by(self, number: int) -> OverBudget | None:
        """Return why calls of this account have to stop, once its cap is reached."""
        for account in (self.account(number), self.run):
            if account.overspent:
                return OverBudget(f"the {account.owner} has reached its cap")
        return None

    def book(self, number: int, usage: Usage, call: Call) -> None:
        """Add what a call has cost; from now on it is spent, and no longer held."""
        call.booked = True
        self.account(number).spent += usage
        self.run.spent += usage

    def _wake_waiting_calls(self) -> None:
        # Without an await, so that a cancelled call cannot fail to wake the others.
        self._changed.set()
        self._changed = asyncio.Event()


_ENDLESS = Amount(2**63, float("inf"))


def unpriced(owner: str) -> Refusal:
    """Return the refusal of a call whose cost in US dollars cannot be known."""
    return Refusal(
        402,
        "billing_error",
        f"the {owner} has a cap in US dollars; the model has no known price",
    )


def _amount(usage: Usage) -> Amount:
    return Amount(usage.tokens, usage.cost_usd or 0.0)


def _sum(amounts: Iterable[Amount]) -> Amount:
    tokens, usd = 0, 0.0
    for amount in amounts:
        tokens += amount.tokens
        usd += amount.usd
    return Amount(tokens, usd)


def _fits(amount: Amount, left: Amount) -> bool:
    # Sums of dollars are exact to far less than a billionth: without rounding, three
    # calls of $0.1 would not fit into $0.3.
    return amount.tokens <= left.tokens and round(amount.usd - left.usd, 9) <= 0
