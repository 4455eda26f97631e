"""Order the variations by what running them proved, and recommend one or say "I cannot tell".

A pure function of what is recorded: the same input gives the same answer, in whatever
order it comes. Gates stand first; then the tests that a variation fixes; then the
cross-tests that it passes, by weight; then, among those that pass about the same, how
many others behave alike. Size, cost and time of a change never decide. The constants
are measured: `bench/selection.py`, decision 0041.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Ranking,
    Standing,
)
from aideator.domain.run import Variation, VariationStatus
from aideator.domain.verdict import Change, Verdict
from aideator.selection import explain as words
from aideator.selection.groups import group
from aideator.selection.scores import (
    COUNTED,
    Case,
    make_case,
    names,
    tests_that,
    trusted,
)

NEAR = 0.05
"""Cross-scores that lack less than this part of all the weight to the best one count as
equal to it."""

VOTES = 10
"""For how many tests an author's vote counts in full."""

SHARED = 1 / 3
"""The share of all variations that has to behave like the first one."""

BACKERS, BACKED, BACKED_BY_MOST = 2, 0.8, 0.5
"""How many others must have written tests that it passes, and which part of their
tests; less if most behave alike."""


def judged(variations: Sequence[Variation]) -> tuple[list[Verdict], frozenset[int]]:
    """The verdicts of those that came to an end, and whose flags a person let pass: what a ranking is made of."""
    finished = [v for v in variations if v.status is VariationStatus.FINISHED]
    cleared = frozenset(v.number for v in finished if v.cleared is not None)
    return [v.verdict for v in finished if v.verdict], cleared


def appraise(evidence: Evidence, verdicts: Sequence[Verdict]) -> Evidence:
    """Weigh what has been measured, and find who behaves alike."""
    changed = frozenset(
        verdict.variation_id for verdict in verdicts if not verdict.unchanged
    )
    grouping = group(verdicts, evidence.cross_tests)
    tests = weigh(evidence.cross_tests, among=changed)
    return evidence.model_copy(update={"cross_tests": tests, **grouping._asdict()})


def weigh(
    tests: Sequence[CrossTest], *, among: Collection[int] | None = None
) -> tuple[CrossTest, ...]:
    """Say of each cross-test how much it counts, or why it does not.

    A test counts once for every variation that passes it: what several independent
    attempts satisfy is rarely wrong, and what all or none pass separates nothing. It
    has the votes of all who wrote it, word for word the same; an author has `VOTES` at
    most, which are shared if he wrote more tests that count, so that nobody wins by
    writing many.

    Args:
        tests: all of them.
        among: the variations that are compared; all that a test was run on, when null.
            What changed nothing is none.
    """
    compared = [
        [
            said
            for number, said in test.outcomes.items()
            if said in COUNTED and (among is None or number in among)
        ]
        for test in tests
    ]
    reasons = [_why_not(test, said) for test, said in zip(tests, compared, strict=True)]
    judged = list(zip(tests, reasons, compared, strict=True))
    written = Counter(
        author for test, reason, _ in judged if not reason for author in _authors(test)
    )
    return tuple(
        test.model_copy(
            update={
                "why_not": reason,
                "weight": 0.0 if reason else _weight(test, said, written),
            }
        )
        for test, reason, said in judged
    )


def _why_not(test: CrossTest, compared: Sequence[CrossOutcome]) -> str:
    if not test.stable:
        return "it said different things on the same tree"
    if not trusted(test):
        return "it does not pass on the variation that wrote it"
    if len(compared) < 2:
        return "it could be run on no other variation"
    if CrossOutcome.FAIL not in compared:
        return "all pass it"
    return "" if CrossOutcome.PASS in compared else "none passes it"


def _authors(test: CrossTest) -> tuple[int | None, ...]:
    return test.authors or (None,)


def _weight(
    test: CrossTest, compared: Sequence[CrossOutcome], written: Counter[int | None]
) -> float:
    return round(
        compared.count(CrossOutcome.PASS)
        * sum(min(1, VOTES / written[author]) for author in _authors(test)),
        6,
    )


def rank(
    verdicts: Iterable[Verdict],
    evidence: Evidence = Evidence(),  # noqa: B008 - frozen
    *,
    cleared: Collection[int] = (),
) -> Ranking:
    """Order the variations and recommend the first one, if the evidence carries.

    Args:
        verdicts: of the variations that came to an end.
        evidence: the cross-tests with their weights, and a judge's word. Groups are
            found here, from the same facts; the tests of a variation that is flagged do
            not count.
        cleared: the variations whose flags a person let pass.
    """
    known = sorted(verdicts, key=lambda verdict: verdict.variation_id)
    if not known:
        return words.nothing_to_rank()
    suspects = {verdict.variation_id for verdict in known if verdict.flags}.difference(
        cleared
    )
    evidence = evidence.model_copy(
        update={"cross_tests": _unsuspected(evidence.cross_tests, suspects)}
    )
    groups = group(known, evidence.cross_tests).groups
    shares = {number: len(ids) / len(known) for ids in groups for number in ids}
    cases = [
        make_case(verdict, evidence, shares[verdict.variation_id], cleared)
        for verdict in known
    ]
    places = order(cases, near=NEAR * sum(test.weight for test in evidence.cross_tests))
    return words.tell(places, evidence, _confidence(places))


def _unsuspected(
    tests: Iterable[CrossTest], suspects: Collection[int]
) -> tuple[CrossTest, ...]:
    """The tests that somebody wrote whose change needs no person's word: who bent one test may have bent another."""
    return tuple(
        test
        for test in tests
        if not test.authors or set(test.authors).difference(suspects)
    )


def equals(ranking: Ranking) -> tuple[int, ...]:
    """The first variation and those that nothing tells apart from it; none where a gate stands before the first."""
    if not ranking.standings or ranking.standings[0].gate:
        return ()
    first = _place(ranking.standings[0])
    return tuple(
        standing.variation_id
        for standing in ranking.standings
        if _place(standing) == first
    )


def _place(standing: Standing) -> Standing:
    return standing.model_copy(update={"variation_id": 0, "cross_total": 0.0})


def order(cases: Sequence[Case], *, near: float) -> list[list[Case]]:
    """Best first; those that nothing tells apart share a place."""
    by_merit = sorted(cases, key=lambda case: case.merit, reverse=True)
    return [
        place
        for _, equals in groupby(by_merit, key=lambda case: case.merit)
        for place in _by_cross_tests(list(equals), near)
    ]


def _by_cross_tests(cases: Sequence[Case], near: float) -> list[list[Case]]:
    best = max(case.score for case in cases)

    def key(case: Case) -> tuple[float, float, float]:
        standing = case.standing
        if case.score >= best - near:
            return math.inf, standing.group_share, case.score
        return case.score, standing.group_share, 0.0

    ranked = sorted(cases, key=key, reverse=True)
    return [sorted(equals, key=_last_resort) for _, equals in groupby(ranked, key=key)]


def _last_resort(case: Case) -> tuple[bool, int]:
    return not case.preferred, case.number


def _confidence(places: Sequence[Sequence[Case]]) -> Confidence:
    """How far the evidence for the first one carries; `words.RULE` says the same to people."""
    first = places[0][0]
    everyone = [case for place in places for case in place]
    if first.standing.gate:
        return Confidence.OPEN
    shared = first.standing.group_share >= SHARED
    if first.standing.fixed and not first.failing:
        lost = tests_that(first.verdict, Change.GONE)
        return Confidence.HIGH if shared and not lost else Confidence.MEDIUM
    if first.standing.fixed and not _fixed_elsewhere(first, everyone):
        return Confidence.MEDIUM
    if shared and _is_backed(first):
        return Confidence.MEDIUM
    alone = len(everyone) > 1 and all(
        case.standing.broken for case in everyone if case is not first
    )
    return Confidence.MEDIUM if alone and first.verdict.checks else Confidence.OPEN


def _is_backed(case: Case) -> bool:
    part = BACKED_BY_MOST if case.standing.group_share > 1 / 2 else BACKED
    return (
        case.backing.authors >= BACKERS
        and case.backing.passed >= part * case.backing.compared
    )


def _fixed_elsewhere(first: Case, everyone: Iterable[Case]) -> bool:
    """Whether another one fixes what this one leaves failing."""
    left = set(names(first.verdict, Change.STILL_FAILING))
    return any(
        left.intersection(names(case.verdict, Change.FIXED))
        for case in everyone
        if not case.standing.gate
    )
