"""What a variation is told, charged and blamed for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from aideator.changes.patch import Patch
from aideator.domain.errors import BudgetExhausted, ModelFailed
from aideator.domain.events import ErrorRaised, EventBody
from aideator.domain.usage import Budget
from aideator.engine.events import EventWriter
from aideator.engine.variation import report_model_failure
from aideator.eventlog.sql import open_event_log
from aideator.gateway.budget import OverBudget
from aideator.gateway.refusal import Refusal
from aideator.store.session import open_database
from tests.gateway import inprocess
from tests.gateway.harness import ignore_usage, nothing_spent


@dataclass
class Written:
    """An event writer that keeps what it is given."""

    bodies: list[EventBody] = field(default_factory=list)

    async def write(self, *bodies: EventBody) -> None:
        self.bodies += bodies


@dataclass
class Lease:
    """A lease that has ended."""

    exhausted: bool = False
    last_error: str | None = None


async def report(patch: bytes, lease: Lease) -> list[EventBody]:
    written = Written()
    await report_model_failure(Patch(patch), cast("Any", lease), cast("Any", written))
    return written.bodies


async def test_a_spent_budget_fails_a_variation_that_changed_nothing() -> None:
    with pytest.raises(BudgetExhausted):
        await report(b"", Lease(exhausted=True))


async def test_a_failed_model_fails_a_variation_that_changed_nothing() -> None:
    with pytest.raises(ModelFailed, match="overloaded"):
        await report(b"", Lease(last_error="overloaded"))


@pytest.mark.parametrize(
    ("lease", "reason"),
    [
        (Lease(exhausted=True, last_error="402"), "budget_exhausted"),
        (Lease(last_error="overloaded"), "model_failed"),
    ],
)
async def test_a_change_is_judged_as_it_stands_and_the_reason_is_told(
    lease: Lease, reason: str
) -> None:
    (body,) = await report(b"diff", lease)
    assert isinstance(body, ErrorRaised)
    assert body.reason == reason


async def test_a_model_that_did_its_work_is_not_mentioned() -> None:
    assert await report(b"", Lease()) == []


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (OverBudget("nothing is left"), BudgetExhausted),
        (Refusal(403, "permission_error", "no web search here"), ModelFailed),
        (Refusal(404, "not_found_error", "no such route"), ModelFailed),
        (Refusal(429, "rate_limit_error", "too many calls"), ModelFailed),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
async def test_an_agent_that_was_refused_never_counts_as_one_that_changed_nothing(
    refusal: Refusal, expected: type[Exception], home: Path
) -> None:
    gateway = inprocess.open_gateway(inprocess.Provider())
    async with (
        open_database(f"sqlite+aiosqlite:///{home}/aideator.db") as database,
        open_event_log(database) as log,
        gateway.lease(
            "run", 1, Budget(), spending=nothing_spent, on_usage=ignore_usage
        ) as lease,
    ):
        lease.remember(refusal)
        with pytest.raises(expected):
            await report_model_failure(Patch(b""), lease, EventWriter(log, "run", 1, 1))
