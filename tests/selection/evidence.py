"""Verdicts and cross-tests in few words."""

from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    TestChange,
    Verdict,
)
from aideator.selection.weights import weigh_cross_tests

FIXED, BROKEN, PASSING, FAILING = (
    Change.FIXED,
    Change.BROKEN,
    Change.STILL_PASSING,
    Change.STILL_FAILING,
)
MARKS = {
    "P": CrossOutcome.PASS,
    "F": CrossOutcome.FAIL,
    "-": CrossOutcome.NOT_COMPARABLE,
}


def verdict(
    number: int,
    *changes: Change,
    files: int = 1,
    tests: dict[str, Change] | None = None,
    flagged: bool = False,
    fingerprint: str = "",
) -> Verdict:
    """A verdict with a check for each change, or one that tells its tests apart."""
    rows = [
        CheckChange(check=f"check {index}", change=change)
        for index, change in enumerate(changes)
    ]
    if tests is not None:
        rows.append(with_tests(tests))
    flags = (
        (Flag(kind=FlagKind.DELETED_TEST, path="test_a.py", message="A test is gone."),)
        if flagged
        else ()
    )
    paths = ("wrap.py",) if files else ()
    return Verdict(
        variation_id=number,
        patch=PatchStats(files=files),
        paths=paths,
        checks=tuple(rows),
        flags=flags,
        fingerprint=fingerprint,
    )


def with_tests(tests: dict[str, Change], name: str = "pytest") -> CheckChange:
    """A check as the runner tells it: those that pass as before are counted only."""
    shown = tuple(
        TestChange(test=test, change=change)
        for test, change in tests.items()
        if change is not PASSING
    )
    counts = {
        change: n for change in Change if (n := list(tests.values()).count(change))
    }
    worst = next(
        (change for change in (BROKEN, FAILING, FIXED) if change in tests.values()),
        PASSING,
    )
    return CheckChange(check=name, change=worst, counts=counts, tests=shown)


def cross(
    name: str, author: int, marks: str, *, base: str = "F", stable: bool = True
) -> CrossTest:
    """A cross-test with one letter for each variation, from 1.

    P passes, F fails, - cannot be compared.
    """
    outcomes = {number: MARKS[mark] for number, mark in enumerate(marks, 1)}
    return CrossTest(
        check="pytest",
        test=name,
        file="test_wrap.py",
        authors=(author,),
        base=MARKS[base],
        outcomes=outcomes,
        stable=stable,
    )


def weighed(*tests: CrossTest) -> Evidence:
    """Evidence of these cross-tests, with their weights."""
    return Evidence(cross_tests=weigh_cross_tests(tests))
