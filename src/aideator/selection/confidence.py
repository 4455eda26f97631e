"""How well the evidence supports recommending the first variation.

`RULE` says to people what `confidence_of` decides; change both together. The constants
were measured: `bench/selection.py`, decision record 0041. There, a pick was right in
90 % at high confidence, in 52 % at medium and in 21 % at open.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from aideator.domain.ranking import Confidence
from aideator.domain.verdict import Change
from aideator.selection.scores import ScoredVariation, changed_tests, count_changed

COMMON_SHARE = 1 / 3
"""The share of all variations that has to behave like the first one."""

MIN_PEER_AUTHORS = 2
"""How many other variations must have written a test that the first one passes."""

PEER_PASS_RATE = 4 / 5
"""The part of other variations' tests that the first one has to pass."""

PEER_PASS_RATE_OF_MAJORITY = 1 / 2
"""The same part where more than half of the variations behave like the first one."""

RULE = (
    "High: it fixes every test that failed on the base, breaks none, and at least a "
    "third of the variations behave as it does. Medium: it fixes some of them (or all, "
    "and fewer behave alike) and none that it leaves is fixed by another; or it passes "
    "four fifths of the tests that two or more others wrote and a third behave alike, "
    "or half of them and more than half behave alike; or all others break something. "
    "Open: anything less."
)
"""The rule as it is printed beside a ranking."""

Places = Sequence[Sequence[ScoredVariation]]
"""The variations, best first; those that nothing tells apart share a place."""


def confidence_of(places: Places) -> Confidence:
    """Return how well the evidence supports the first variation."""
    first = places[0][0]
    everyone = [*chain.from_iterable(places)]
    if first.standing.gate:
        return Confidence.OPEN
    if first.standing.fixed and not first.still_failing:
        lost = count_changed(first.verdict, Change.GONE)
        if _is_common(first) and not lost:
            return Confidence.HIGH
        return Confidence.MEDIUM
    is_supported = (
        _is_best_fix(first, everyone)
        or (_is_common(first) and _passes_peer_tests(first))
        or _is_only_harmless_one(first, everyone)
    )
    return Confidence.MEDIUM if is_supported else Confidence.OPEN


def _is_common(scored: ScoredVariation) -> bool:
    return scored.standing.group_share >= COMMON_SHARE


def _is_best_fix(first: ScoredVariation, everyone: Iterable[ScoredVariation]) -> bool:
    """Return whether it fixes something, and no other fixes what it leaves failing."""
    if not first.standing.fixed:
        return False
    left = set(changed_tests(first.verdict, Change.STILL_FAILING))
    return not any(
        left.intersection(changed_tests(scored.verdict, Change.FIXED))
        for scored in everyone
        if not scored.standing.gate
    )


def _passes_peer_tests(scored: ScoredVariation) -> bool:
    majority = scored.standing.group_share > 1 / 2
    rate = PEER_PASS_RATE_OF_MAJORITY if majority else PEER_PASS_RATE
    tests = scored.peer_tests
    return tests.authors >= MIN_PEER_AUTHORS and tests.passed >= rate * tests.compared


def _is_only_harmless_one(
    first: ScoredVariation, everyone: Sequence[ScoredVariation]
) -> bool:
    """Return whether it was checked, and every other variation breaks something."""
    others = [scored for scored in everyone if scored is not first]
    all_harm = bool(others) and all(scored.standing.broken for scored in others)
    return all_harm and bool(first.verdict.checks)
