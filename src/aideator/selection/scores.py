"""What decides one variation's place: gates, tests fixed and broken, cross-tests passed, how many behave alike."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence, Standing
from aideator.domain.verdict import Change, CheckChange, Verdict
from aideator.selection.groups import DECIDING

COUNTED = frozenset({CrossOutcome.PASS, CrossOutcome.FAIL})
"""Where a test could be run."""


class Backing(NamedTuple):
    """How a variation does on the tests that others wrote for what the base cannot do."""

    passed: int
    compared: int
    authors: int
    """How many others wrote one that it passes."""


@dataclass(frozen=True)
class Case:
    """A variation with all that decides its place."""

    verdict: Verdict
    standing: Standing
    score: float
    """The weight of the cross-tests that it passes; one that cannot be run on it counts
    as it does on average."""
    passed: int
    """How many cross-tests that count it passes."""
    compared: int
    """How many of them could be run on it."""
    backing: Backing
    preferred: bool
    """Whether a judge preferred it, in both orders."""

    @property
    def number(self) -> int:
        """The variation's id."""
        return self.standing.variation_id

    @property
    def failing(self) -> int:
        """How many tests fail as they did on the base."""
        return tests_that(self.verdict, Change.STILL_FAILING)

    @property
    def merit(self) -> tuple[bool, bool, bool, int, int]:
        """What comes before cross-tests: no gate, or one that a person may open; changes, breaks least, fixes most."""
        standing = self.standing
        return (
            not standing.gate,
            standing.flagged,
            not self.verdict.unchanged,
            -standing.broken,
            standing.fixed,
        )


def make_case(
    verdict: Verdict, evidence: Evidence, share: float, cleared: Collection[int]
) -> Case:
    """Gather what decides the place of one variation, of which this share of all behave alike."""
    number = verdict.variation_id
    counting = [
        (test, _outcome(test, number))
        for test in evidence.cross_tests
        if test.weight > 0
    ]
    compared = [test for test, outcome in counting if outcome in COUNTED]
    passed = [test for test, outcome in counting if outcome is CrossOutcome.PASS]
    gate, flagged = _gate(verdict, cleared)
    standing = Standing(
        variation_id=number,
        gate=gate,
        flagged=flagged,
        fixed=tests_that(verdict, Change.FIXED),
        broken=tests_that(verdict, Change.BROKEN),
        cross_score=_total(test.weight for test in passed),
        cross_total=_total(test.weight for test in compared),
        group_share=share,
    )
    score = _total(test.weight * _credit(test, outcome) for test, outcome in counting)
    preferred = evidence.opinion is not None and evidence.opinion.preferred == number
    backing = _backing(evidence.cross_tests, number)
    return Case(
        verdict, standing, score, len(passed), len(compared), backing, preferred
    )


def trusted(test: CrossTest) -> bool:
    """Whether a cross-test says the same each time, and passes where it was written, as far as it was run there."""
    own = [test.outcomes[author] for author in test.authors if author in test.outcomes]
    return test.stable and (not own or CrossOutcome.PASS in own)


def _backing(tests: Iterable[CrossTest], number: int) -> Backing:
    others = [
        (
            _outcome(test, number),
            {author for author in test.authors if author != number},
        )
        for test in tests
        if trusted(test) and test.base is not CrossOutcome.PASS
    ]
    compared = [
        (outcome, authors)
        for outcome, authors in others
        if authors and outcome in COUNTED
    ]
    passed = [authors for outcome, authors in compared if outcome is CrossOutcome.PASS]
    return Backing(len(passed), len(compared), len(frozenset().union(*passed)))


def names(verdict: Verdict, change: Change) -> list[str]:
    """The tests that changed in this way, or the checks where tests are not told apart; bounded, as verdicts are."""
    found = []
    for check in deciding(verdict):
        rows = [row.test for row in check.tests if row.change is change]
        found += rows or ([check.check] if check.change is change else [])
    return found


def deciding(verdict: Verdict) -> list[CheckChange]:
    """The checks that decide."""
    return [check for check in verdict.checks if check.kind in DECIDING]


def tests_that(verdict: Verdict, change: Change) -> int:
    """How many tests changed in this way; a check whose tests are not told apart counts as one.

    A check that changed by its exit code alone, while none of its tests did, counts as
    one too.
    """
    return sum(
        check.counts.get(change, 0) or int(check.change is change)
        for check in deciding(verdict)
    )


def _gate(verdict: Verdict, cleared: Collection[int]) -> tuple[str, bool]:
    """Why the variation cannot be recommended, and whether a person may change that."""
    if verdict.unchanged:
        return "changed nothing", False
    checks = deciding(verdict)
    broken = [
        check.check for check in checks if check.kind == "build" and not _builds(check)
    ]
    if broken:
        return f"does not build ({quoted(broken)})", False
    if broken_tests := tests_that(verdict, Change.BROKEN):
        return (
            f"breaks {quoted(names(verdict, Change.BROKEN), broken_tests)}, which passed on the base",
            False,
        )
    if verdict.flags and verdict.variation_id not in cleared:
        places = list(dict.fromkeys(flag.path for flag in verdict.flags))
        return f"touches what proves it ({quoted(places)}), which needs your word", True
    return "", False


def _builds(check: CheckChange) -> bool:
    return check.change not in {Change.BROKEN, Change.STILL_FAILING}


def quoted(names: Sequence[str], total: int = 0, *, shown: int = 3) -> str:
    """The first names, and how many more there are."""
    more = max(total, len(names)) - len(names[:shown])
    listed = ", ".join(f"`{name}`" for name in names[:shown])
    return f"{listed} and {more} more" if more and listed else listed


def _outcome(test: CrossTest, number: int) -> CrossOutcome:
    return test.outcomes.get(number, CrossOutcome.NOT_COMPARABLE)


def _credit(test: CrossTest, outcome: CrossOutcome) -> float:
    """1 for a pass, 0 for a failure; where it could not be run, the share of the others that pass."""
    if outcome in COUNTED:
        return float(outcome is CrossOutcome.PASS)
    compared = [other for other in test.outcomes.values() if other in COUNTED]
    return sum(other is CrossOutcome.PASS for other in compared) / len(compared)


def _total(weights: Iterable[float]) -> float:
    # Rounded, so that sums in different orders are the same.
    return round(sum(sorted(weights)), 6)
