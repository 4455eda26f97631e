"""What a variation is told, charged and blamed for."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from aideator.changes.patch import Patch
from aideator.domain.errors import BudgetExhausted, ModelFailed
from aideator.domain.events import ErrorRaised, EventBody
from aideator.engine.variation import report_model_failure


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
