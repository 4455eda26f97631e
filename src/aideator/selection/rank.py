"""Order the variations by what running them proved; recommend one, or none.

A pure function of what is recorded: the same input gives the same answer, in whatever
order it comes. Gates decide first; then the tests that a variation fixes; then the
cross-tests that it passes, by weight; then, among those that pass about the same, how
many others behave alike. Size, cost and time of a change never decide. The constants
are measured: `bench/selection.py`, decision record 0041.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from aideator.domain.ranking import CrossTest, Evidence, Ranking, Standing
from aideator.domain.run import Variation, VariationStatus
from aideator.domain.verdict import Verdict
from aideator.selection.confidence import confidence_of
from aideator.selection.explain import explain, explain_no_variation
from aideator.selection.groups import group
from aideator.selection.scores import ScoredVariation, score
from aideator.selection.weights import weigh_cross_tests

NEAR_TIE = 0.05
"""Cross-test scores that are within this part of the total weight from the best one
count as equal to it."""


def finished_verdicts(
    variations: Sequence[Variation],
) -> tuple[list[Verdict], frozenset[int]]:
    """Return the verdicts of finished variations, and the ids of those cleared.

    A variation is cleared when a person has accepted its flags.
    """
    finished = [v for v in variations if v.status is VariationStatus.FINISHED]
    cleared = frozenset(v.number for v in finished if v.cleared is not None)
    return [v.verdict for v in finished if v.verdict], cleared


def evaluate(evidence: Evidence, verdicts: Sequence[Verdict]) -> Evidence:
    """Return the evidence with weights of its cross-tests and behaviour groups."""
    changed = frozenset(v.variation_id for v in verdicts if not v.unchanged)
    grouping = group(verdicts, evidence.cross_tests)
    tests = weigh_cross_tests(evidence.cross_tests, among=changed)
    return evidence.model_copy(update={"cross_tests": tests, **grouping._asdict()})


def rank(
    verdicts: Iterable[Verdict],
    evidence: Evidence = Evidence(),  # noqa: B008 - frozen
    *,
    cleared: Collection[int] = (),
) -> Ranking:
    """Order the variations and recommend the first one, if the evidence supports it.

    Args:
        verdicts: Of the variations that finished.
        evidence: The cross-tests with their weights, and a judge's opinion. Behaviour
            groups are found here, from the same facts; tests that only flagged
            variations wrote do not count.
        cleared: Ids of the variations whose flags a person has cleared.
    """
    known = sorted(verdicts, key=lambda verdict: verdict.variation_id)
    if not known:
        return explain_no_variation()
    flagged = {verdict.variation_id for verdict in known if verdict.barring_flags}
    tests = _without_suspects(evidence.cross_tests, flagged.difference(cleared))
    evidence = evidence.model_copy(update={"cross_tests": tests})
    shares: dict[int, float] = {}
    for ids in group(known, tests).groups:
        shares |= dict.fromkeys(ids, len(ids) / len(known))
    scored = [
        score(v, evidence, group_share=shares[v.variation_id], cleared=cleared)
        for v in known
    ]
    places = in_places(scored, near=NEAR_TIE * sum(test.weight for test in tests))
    return explain(places, evidence, confidence_of(places))


def _without_suspects(
    tests: Iterable[CrossTest], suspects: Collection[int]
) -> tuple[CrossTest, ...]:
    """Return the tests with an author whose flags, if any, are cleared.

    A change that bent one test may have bent another.
    """
    return tuple(
        test
        for test in tests
        if not test.authors or set(test.authors).difference(suspects)
    )


def tied_for_first(ranking: Ranking) -> tuple[int, ...]:
    """Return the ids of the first variation and those that nothing tells apart from it.

    Empty where a gate keeps the first one from being recommended.
    """
    if not ranking.standings or ranking.standings[0].gate:
        return ()
    first = _deciding_figures(ranking.standings[0])
    return tuple(
        standing.variation_id
        for standing in ranking.standings
        if _deciding_figures(standing) == first
    )


def _deciding_figures(standing: Standing) -> Standing:
    return standing.model_copy(update={"variation_id": 0, "cross_total": 0.0})


def in_places(
    scored: Sequence[ScoredVariation], *, near: float
) -> list[list[ScoredVariation]]:
    """Return the variations, best first; those that nothing tells apart share a place.

    Args:
        scored: The variations with their figures.
        near: How far a cross-test score may lie below the best one and still count as
            equal to it.
    """
    places: list[list[ScoredVariation]] = []
    by_merit = sorted(scored, key=lambda each: each.merit, reverse=True)
    for _, equals in groupby(by_merit, key=lambda each: each.merit):
        places += _by_cross_tests(list(equals), near)
    return places


def _by_cross_tests(
    scored: Sequence[ScoredVariation], near: float
) -> list[list[ScoredVariation]]:
    best = max(each.cross_score for each in scored)

    def key(each: ScoredVariation) -> tuple[float, float, float]:
        share = each.standing.group_share
        if each.cross_score >= best - near:
            return math.inf, share, each.cross_score
        return each.cross_score, share, 0.0

    ranked = sorted(scored, key=key, reverse=True)
    return [sorted(equals, key=_last_resort) for _, equals in groupby(ranked, key=key)]


def _last_resort(scored: ScoredVariation) -> tuple[bool, int]:
    """Order equals by a judge's preference, then by number."""
    return not scored.preferred, scored.number
