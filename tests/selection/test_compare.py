"""Checks are told as differences from the baseline."""

import pytest

from aideator.domain.check import CheckResult
from aideator.domain.verdict import Change
from aideator.selection.checks import compare


def result(exit_code: int | None, check: str = "tests") -> CheckResult:
    return CheckResult(check=check, exit_code=exit_code, seconds=1)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (0, 0, Change.STILL_PASSING),
        (0, 1, Change.BROKEN),
        (0, None, Change.BROKEN),
        (1, 0, Change.FIXED),
        (None, 0, Change.FIXED),
        (1, 2, Change.STILL_FAILING),
    ],
)
def test_each_pair_of_outcomes_has_its_word(before: int | None, after: int | None, change: Change) -> None:
    (row,) = compare({"tests": result(before)}, [result(after)])
    assert (row.check, row.change) == ("tests", change)


def test_a_check_without_a_baseline_must_prove_itself() -> None:
    assert compare({}, [result(0)])[0].change is Change.FIXED
    assert compare({}, [result(1)])[0].change is Change.STILL_FAILING
