"""The figures that decide one variation's place in the ranking.

They are its gate, the tests it fixes and breaks, the cross-tests it passes, and how
many variations behave alike.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from aideator.domain import wording
from aideator.domain.check import FAILING
from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence, Standing
from aideator.domain.verdict import Change, CheckChange, TestChange, Verdict
from aideator.selection.groups import DECIDING_KINDS
from aideator.selection.weights import RAN, is_trusted


class PeerTests(NamedTuple):
    """How a variation does on other authors' tests of what the base cannot do."""

    passed: int
    compared: int
    """How many of them could be run on it."""
    authors: int
    """How many other variations wrote one that it passes."""


@dataclass(frozen=True)
class ScoredVariation:
    """A variation with all figures that decide its place."""

    verdict: Verdict
    standing: Standing
    cross_score: float
    """The weights of the cross-tests that it passes. One that cannot be run on it
    counts by the share of the others that pass it."""
    cross_passed: int
    """How many cross-tests with a weight it passes."""
    cross_compared: int
    """How many of them could be run on it."""
    peer_tests: PeerTests
    preferred: bool
    """Whether a judge preferred it, in both orders."""

    @property
    def number(self) -> int:
        """Return the variation's id."""
        return self.standing.variation_id

    @property
    def still_failing(self) -> int:
        """Return how many tests fail as they did on the base."""
        return count_changed(self.verdict, Change.STILL_FAILING)

    @property
    def merit(self) -> tuple[bool, bool, bool, int, int]:
        """Return what decides before cross-tests, greater is better.

        In this order: it has no gate, or one that a person may clear; it changes
        something; it breaks the fewest tests; it fixes the most.
        """
        standing = self.standing
        return (
            not standing.gate,
            standing.flagged,
            not self.verdict.unchanged,
            -standing.broken,
            standing.fixed,
        )


def score(
    verdict: Verdict,
    evidence: Evidence,
    *,
    group_share: float,
    cleared: Collection[int],
) -> ScoredVariation:
    """Compute the figures of one variation.

    Args:
        verdict: What its own checks showed.
        evidence: Weighed cross-tests and a judge's opinion.
        group_share: The share of all variations that behave as it does, from 0 to 1.
        cleared: Ids of the variations whose flags a person has cleared.
    """
    number = verdict.variation_id
    counting = [test for test in evidence.cross_tests if test.weight > 0]
    compared = [test for test in counting if _outcome(test, number) in RAN]
    passed = [t for t in compared if _outcome(t, number) is CrossOutcome.PASS]
    gate, flagged = _gate(verdict, cleared)
    return ScoredVariation(
        verdict=verdict,
        standing=Standing(
            variation_id=number,
            gate=gate,
            flagged=flagged,
            fixed=count_changed(verdict, Change.FIXED),
            broken=count_changed(verdict, Change.BROKEN),
            cross_score=_total(test.weight for test in passed),
            cross_total=_total(test.weight for test in compared),
            group_share=group_share,
        ),
        cross_score=_total(
            test.weight * _credit(test, _outcome(test, number)) for test in counting
        ),
        cross_passed=len(passed),
        cross_compared=len(compared),
        peer_tests=_peer_tests(evidence.cross_tests, number),
        preferred=evidence.opinion is not None and evidence.opinion.preferred == number,
    )


def deciding_checks(verdict: Verdict) -> list[CheckChange]:
    """Return the checks that decide: tests and builds."""
    return [check for check in verdict.checks if check.kind in DECIDING_KINDS]


def count_changed(verdict: Verdict, change: Change) -> int:
    """Return how many tests changed in this way.

    A check counts as one where its exit code says what none of its tests does.
    """
    return count_changed_tests(verdict, change) + len(changed_checks(verdict, change))


def count_changed_tests(verdict: Verdict, change: Change) -> int:
    """Return how many tests changed in this way, of checks that tell them apart."""
    return sum(check.counts.get(change, 0) for check in deciding_checks(verdict))


def changed_checks(verdict: Verdict, change: Change) -> list[str]:
    """Return the checks that changed in this way by their exit codes."""
    return [
        check.check
        for check in deciding_checks(verdict)
        if check.change is change and _is_said_by_exit_code(check)
    ]


def _is_said_by_exit_code(check: CheckChange) -> bool:
    """Return whether the change of a check is one that none of its tests shows."""
    if not check.counts:
        return True
    if check.counts.get(check.change):
        return False
    if check.change is Change.FIXED:
        # Else the exit code would count for a test that does not pass.
        return not any(_failed_on_base(row) for row in check.tests)
    if check.change is Change.STILL_FAILING:
        return any(_is_new_failure(row) for row in check.tests)
    return check.change is Change.BROKEN


def _failed_on_base(row: TestChange) -> bool:
    return row.before in FAILING


def _is_new_failure(row: TestChange) -> bool:
    return row.change is Change.NEW and row.after in FAILING


def changed_tests(verdict: Verdict, change: Change) -> list[str]:
    """Return the tests that changed in this way, bounded as verdicts are.

    A check that changed by its exit code alone is named instead of its tests.
    """
    found: list[str] = []
    for check in deciding_checks(verdict):
        found += [row.test for row in check.tests if row.change is change]
    return found + changed_checks(verdict, change)


def _peer_tests(tests: Iterable[CrossTest], number: int) -> PeerTests:
    passed = compared = 0
    authors: set[int] = set()
    for test in tests:
        others = set(test.authors) - {number}
        outcome = _outcome(test, number)
        shows_new_behaviour = test.base is not CrossOutcome.PASS
        if not (others and is_trusted(test) and shows_new_behaviour):
            continue
        if outcome in RAN:
            compared += 1
        if outcome is CrossOutcome.PASS:
            passed += 1
            authors |= others
    return PeerTests(passed, compared, len(authors))


def _gate(verdict: Verdict, cleared: Collection[int]) -> tuple[str, bool]:
    """Return why it cannot be recommended, and whether a person may change that."""
    if verdict.unchanged:
        return wording.UNCHANGED, False
    if unbuilt := [c.check for c in deciding_checks(verdict) if _does_not_build(c)]:
        return wording.gate_of_builds(unbuilt), False
    if broken := count_changed(verdict, Change.BROKEN):
        names = changed_tests(verdict, Change.BROKEN)
        return wording.gate_of_tests(names, broken), False
    if verdict.barring_flags and verdict.variation_id not in cleared:
        return wording.gate_of_flags(verdict.barring_flags), True
    return "", False


def _does_not_build(check: CheckChange) -> bool:
    failing = check.change in {Change.BROKEN, Change.STILL_FAILING}
    return check.kind == "build" and failing


def _outcome(test: CrossTest, number: int) -> CrossOutcome:
    return test.outcomes.get(number, CrossOutcome.NOT_COMPARABLE)


def _credit(test: CrossTest, outcome: CrossOutcome) -> float:
    """Return 1 for a pass, 0 for a failure, else the share of the others that pass."""
    if outcome in RAN:
        return float(outcome is CrossOutcome.PASS)
    compared = [other for other in test.outcomes.values() if other in RAN]
    return compared.count(CrossOutcome.PASS) / len(compared)


def _total(weights: Iterable[float]) -> float:
    # Sorted and rounded, so that sums in different orders are the same.
    return round(sum(sorted(weights)), 6)
