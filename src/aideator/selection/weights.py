"""How much each cross-test counts, and why some do not. Decision record 0041."""

from collections import Counter
from collections.abc import Collection, Sequence

from aideator.domain.ranking import CrossOutcome, CrossTest

VOTES_PER_AUTHOR = 10
"""The tests of one author that count in full. An author of more shares these votes
among them. Measured: `bench/selection.py`, decision record 0041."""

RAN = frozenset({CrossOutcome.PASS, CrossOutcome.FAIL})
"""The outcomes of a cross-test that could be run."""


def weigh_cross_tests(
    tests: Sequence[CrossTest], *, among: Collection[int] | None = None
) -> tuple[CrossTest, ...]:
    """Return the cross-tests, each with its weight or with why it does not count.

    The weight of a test is the number of variations that pass it, times the votes of
    those who wrote it: what several independent attempts satisfy is rarely wrong. A
    test that all or none pass separates nothing and counts 0. An author's vote for one
    of n tests that count is min(1, VOTES_PER_AUTHOR / n), so that writing many tests
    wins nothing. A test with the same text by several authors has all their votes.

    The count of passing solutions follows CodeT (Chen et al. 2022, arXiv 2207.10397),
    which multiplies tests passed by solutions that pass them; weighting by the
    difference between those who pass and fail did worse on the data of
    `bench/selection.py` (decision record 0041).

    Args:
        tests: All of them.
        among: The variations that are compared; null for all that a test ran on. A
            variation that changed nothing is no attempt and should be left out.
    """
    outcomes = [_compared(test, among) for test in tests]
    reasons = [
        _why_not(test, compared) for test, compared in zip(tests, outcomes, strict=True)
    ]
    written = Counter[int | None]()
    for test, reason in zip(tests, reasons, strict=True):
        if not reason:
            written.update(_authors(test))
    weighed = []
    for test, reason, compared in zip(tests, reasons, outcomes, strict=True):
        weight = 0.0 if reason else _weight(test, compared, written)
        weighed.append(test.model_copy(update={"why_not": reason, "weight": weight}))
    return tuple(weighed)


def is_trusted(test: CrossTest) -> bool:
    """Return whether a cross-test is stable and passes where it was written.

    A test that was run on none of its authors is trusted if it is stable.
    """
    if not test.stable:
        return False
    own = [test.outcomes[author] for author in test.authors if author in test.outcomes]
    return not own or CrossOutcome.PASS in own


def _compared(test: CrossTest, among: Collection[int] | None) -> list[CrossOutcome]:
    return [
        outcome
        for number, outcome in test.outcomes.items()
        if outcome in RAN and (among is None or number in among)
    ]


def _why_not(test: CrossTest, compared: Sequence[CrossOutcome]) -> str:
    if not test.stable:
        return "it said different things on the same tree"
    if not is_trusted(test):
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
    votes = sum(min(1, VOTES_PER_AUTHOR / written[author]) for author in _authors(test))
    # Rounded, so that sums in different orders are the same.
    return round(compared.count(CrossOutcome.PASS) * votes, 6)
