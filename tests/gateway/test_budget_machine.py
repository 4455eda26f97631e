"""The budget of a run under any order of leases, calls, failures and restarts.

A machine drives the real gateway, in one event loop, and keeps books of its own: what
the provider has charged, and what the database was told.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from aideator.domain.usage import Budget, Usage
from aideator.gateway.app import Gateway
from aideator.gateway.budget import JUDGE, Account, RunBudget
from aideator.gateway.lease import Lease
from tests.gateway import inprocess
from tests.gateway.provider import (
    INPUT_USD,
    OUTPUT_USD,
    end,
    message,
    sse,
    start,
    text,
)

NUMBERS = (JUDGE, 1, 2, 3)
PIECE_TOKENS = 1024 // 3 + 1
"""The most that one piece of a stream can be estimated at."""
LETTER = "~"
"""All that is ever written in this machine's streams."""


@dataclass
class Books:
    """What the machine knows of one call."""

    number: int
    streamed: bool
    caller: inprocess.Caller
    given: int = 0
    """Tokens of its input, once its answer has begun."""
    max_tokens: int = 0
    alone: tuple[int | None, ...] = ()
    """Accounts (None: the run's) on which it was the only call when it began."""

    @property
    def estimated(self) -> int:
        """Output tokens of what was passed on, as they are estimated by length."""
        return max(1, -(-self.caller.received.count(LETTER.encode()) // 3))


@dataclass
class Database:
    """What survives a restart."""

    usage: dict[int, Usage] = field(default_factory=dict)

    async def spending(self) -> Mapping[int, Usage]:
        return dict(self.usage)

    def record(self, number: int) -> Any:
        async def on_usage(usage: Usage, _model: str | None) -> None:
            await asyncio.sleep(0)  # as a database would
            self.usage[number] = usage

        return on_usage


class BudgetMachine(RuleBasedStateMachine):
    """Leases of one run: variations 1 to 3, and the judge."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = Database()
        self.charged: dict[int, Usage] = {}
        self.leases: dict[int, tuple[Lease, AsyncExitStack]] = {}
        self.calls: list[Books] = []
        self.names = 0
        self.admitted: set[str] = set()
        self.over: dict[int | None, int] = {}
        """Tokens by which each account (None: the run's) may be over its cap."""

    def do(self, work: Any) -> Any:
        async def run() -> Any:
            result = await work
            await inprocess.settle()
            return result

        return self.loop.run_until_complete(run())

    @initialize(
        run_tokens=st.none() | st.integers(500, 40_000),
        variation_tokens=st.none() | st.integers(500, 30_000),
        run_cents=st.none() | st.integers(1, 100),
    )
    def begin(
        self,
        run_tokens: int | None,
        variation_tokens: int | None,
        run_cents: int | None,
    ) -> None:
        self.caps = Budget(
            run_tokens=run_tokens,
            variation_tokens=variation_tokens,
            run_usd=None if run_cents is None else run_cents / 100,
        )
        self.start_server()

    def start_server(self) -> None:
        self.provider = inprocess.Provider()
        self.gateway: Gateway = inprocess.open_gateway(self.provider)

    @rule(number=st.sampled_from(NUMBERS))
    def open_lease(self, number: int) -> None:
        if number in self.leases:
            return
        stack = AsyncExitStack()
        opened = self.gateway.lease(
            "run",
            number,
            self.caps,
            spending=self.database.spending,
            on_usage=self.database.record(number),
        )
        self.leases[number] = self.do(stack.enter_async_context(opened)), stack

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def close_lease(self, data: st.DataObject) -> None:
        """The turn ends, or is stopped: calls in flight are ended with it."""
        self.close(data.draw(st.sampled_from(sorted(self.leases))))

    def close(self, number: int) -> None:
        for books in [each for each in self.calls if each.number == number]:
            self.charge_what_was_streamed(books)
        _, stack = self.leases.pop(number)
        self.do(stack.aclose())
        self.drop_ended()

    @rule()
    def restart(self) -> None:
        """The server stops in good order and starts again."""
        for number in sorted(self.leases):
            self.close(number)
        self.start_server()

    @precondition(lambda self: self.leases)
    @rule(
        data=st.data(),
        streamed=st.booleans(),
        max_tokens=st.sampled_from([100, 1_024, 5_000, 16_000, 128_000]),
    )
    def ask(self, data: st.DataObject, streamed: object, max_tokens: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.leases)))
        lease, _ = self.leases[number]
        if lease.in_flight >= 16:
            return
        self.names += 1

        async def begin() -> inprocess.Caller:
            return inprocess.call(
                self.gateway,
                lease,
                str(self.names),
                stream=bool(streamed),
                max_tokens=max_tokens,
            )

        caller = self.do(begin())
        books = Books(number, bool(streamed), caller, max_tokens=max_tokens)
        self.calls.append(books)
        self.drop_ended()

    def running(self) -> list[Books]:
        """Calls that the provider has seen."""
        return [each for each in self.calls if each.caller.name in self.provider.calls]

    @precondition(lambda self: self.running())
    @rule(
        data=st.data(),
        size=st.integers(1, 900),
        events=st.integers(1, 30),
        given=st.integers(0, 20),
    )
    def stream(self, data: st.DataObject, size: int, events: int, given: int) -> None:
        """The provider sends more events of a stream, all at once."""
        open_ = [each for each in self.running() if each.streamed]
        if not open_:
            return
        books = data.draw(st.sampled_from(open_))
        sent = self.provider.calls[books.caller.name]
        if not sent.started.is_set():
            sent.kind, books.given = "text/event-stream", given
            sent.started.set()
            sent.pieces.put_nowait(sse(start(given)))
            self.do(inprocess.settle())
        sent.pieces.put_nowait(sse(*[text(LETTER * size)] * events))
        self.do(inprocess.settle())
        if books.caller.task.done():  # cut at the end of the budget
            assert b"event: error" in books.caller.received
            assert b"billing_error" in books.caller.received
            self.allow(PIECE_TOKENS, books.number, None)
            self.charge(books, books.estimated)
        self.drop_ended()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), given=st.integers(0, 20), share=st.floats(0, 1))
    def finish(self, data: st.DataObject, given: int, share: float) -> None:
        """The provider ends its answer, with a count of its own."""
        books = data.draw(st.sampled_from(self.running()))
        sent = self.provider.calls[books.caller.name]
        if not books.streamed:
            books.given = given
            output = int(share * min(books.max_tokens, 16_000))
            # On its own, a call begins also where its reservation does not fit; an
            # answer that is not streamed cannot be stopped then.
            self.allow(output, *books.alone)
            sent.pieces.put_nowait(message(given, output))
        elif sent.started.is_set():
            output = int(share * books.estimated)
            sent.pieces.put_nowait(sse(*end(output)))
        else:
            return
        sent.started.set()
        sent.pieces.put_nowait(None)
        self.charge(books, output)
        self.do(inprocess.settle())
        assert books.caller.ended
        self.drop_ended()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), status=st.sampled_from([401, 429, 500, 529]))
    def fail(self, data: st.DataObject, status: int) -> None:
        """The provider refuses a call, which costs nothing."""
        books = data.draw(st.sampled_from(self.running()))
        sent = self.provider.calls[books.caller.name]
        if sent.started.is_set():
            return
        sent.status = status
        sent.started.set()
        sent.pieces.put_nowait(None)
        self.do(inprocess.settle())
        assert books.caller.status == status
        self.drop_ended()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def break_off(self, data: st.DataObject) -> None:
        """The provider closes the connection in the middle of a stream."""
        books = data.draw(st.sampled_from(self.running()))
        sent = self.provider.calls[books.caller.name]
        if not sent.started.is_set():
            return
        sent.pieces.put_nowait(httpx2.ReadError("closed"))
        self.charge_what_was_streamed(books)
        self.do(inprocess.settle())
        assert not books.caller.ended
        self.drop_ended()

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def hang_up(self, data: st.DataObject) -> None:
        """The agent goes away."""
        books = data.draw(st.sampled_from(self.calls))
        books.caller.hang_up.set()
        self.charge_what_was_streamed(books)
        self.do(inprocess.settle())
        assert books.caller.task.done()
        self.drop_ended()

    def charge_what_was_streamed(self, books: Books) -> None:
        if books.caller.name in self.provider.calls:
            self.charge(books, None)

    def charge(self, books: Books, output: int | None) -> None:
        """Enter what a call costs; without a final count, as the gateway estimates."""
        begun = self.provider.calls[books.caller.name].started.is_set()
        given = books.given if begun else books.caller.body_tokens
        if output is None:
            output = books.estimated if begun else 0
        cost = given * INPUT_USD + output * OUTPUT_USD
        used = Usage(
            requests=1, input_tokens=given, output_tokens=output, cost_usd=cost
        )
        self.charged[books.number] = self.charged.get(books.number, Usage()) + used

    def allow(self, tokens: int, *accounts: int | None) -> None:
        """Let the accounts of a call be over their caps by so much more."""
        for account in accounts:
            self.over[account] = self.over.get(account, 0) + tokens

    def drop_ended(self) -> None:
        self.calls = [each for each in self.calls if not each.caller.task.done()]

    @invariant()
    def what_is_told_is_what_was_charged(self) -> None:
        for number in NUMBERS:
            same(self.database.usage.get(number), self.charged.get(number))
        for lease, _ in self.leases.values():
            same(lease.usage, self.charged.get(lease.number))
            same(lease.budget.run.spent, sum(self.charged.values(), Usage()))

    @invariant()
    def what_is_reserved_is_what_is_in_flight(self) -> None:
        for budget in self.budgets():
            running = {each.number: 0 for each in self.calls}
            for each in self.running():
                running[each.number] += 1
            assert len(budget.run.calls) == sum(running.values())
            for number, count in running.items():
                assert len(budget.account(number).calls) == count

    @invariant()
    def calls_at_once_have_room_beside_each_other(self) -> None:
        names = {each.caller.name for each in self.running()}
        if names <= self.admitted:
            self.admitted = names
            return
        new = [each for each in self.running() if each.caller.name not in self.admitted]
        self.admitted = names
        for budget in self.budgets():
            for each in new:
                accounts = {each.number: budget.account(each.number), None: budget.run}
                each.alone = tuple(n for n, a in accounts.items() if len(a.calls) == 1)
                assert all(fits(accounts[n]) for n in {*accounts} - {*each.alone})

    @invariant()
    def no_cap_is_exceeded_by_more_than_a_piece_of_each_stream(self) -> None:
        for number, spent in [*self.charged.items(), (None, self.total())]:
            tokens, usd = self.caps.variation_tokens, self.caps.variation_usd
            if number is None:
                tokens, usd = self.caps.run_tokens, self.caps.run_usd
            over = self.over.get(number, 0)
            assert tokens is None or spent.tokens <= tokens + over
            most = None if usd is None else usd + over * OUTPUT_USD + 1e-9
            assert most is None or (spent.cost_usd or 0) <= most

    @invariant()
    def nobody_waits_when_everything_is_free(self) -> None:
        waiting = len(self.calls) - len(self.running())
        assert not waiting or self.running()

    def budgets(self) -> list[RunBudget]:
        budgets = {id(lease.budget): lease.budget for lease, _ in self.leases.values()}
        assert len(budgets) <= 1
        return list(budgets.values())

    def total(self) -> Usage:
        return sum(self.charged.values(), Usage())

    def teardown(self) -> None:
        for number in sorted(self.leases):
            self.close(number)
        assert not self.calls
        self.loop.close()


def fits(account: Account) -> bool:
    held = [call.held for call in account.calls]
    tokens = sum(each.tokens for each in held) + account.spent.tokens
    usd = sum(each.usd for each in held) + (account.spent.cost_usd or 0.0)
    return (account.tokens is None or tokens <= account.tokens) and (
        account.usd is None or usd <= account.usd + 1e-9
    )


def same(told: Usage | None, spent: Usage | None) -> None:
    told, spent = told or Usage(), spent or Usage()
    assert told.requests == spent.requests
    assert told.tokens == spent.tokens
    assert abs((told.cost_usd or 0) - (spent.cost_usd or 0)) < 1e-6


TestBudget = BudgetMachine.TestCase
TestBudget.settings = settings(
    max_examples=200,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
