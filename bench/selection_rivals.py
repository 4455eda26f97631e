"""Other selectors for the same runs: each scores candidates; the best is picked."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

from bench.selection_data import Draw

Selector = Callable[[Draw], Sequence[float]]


def random_pick(draw: Draw) -> Sequence[float]:
    return [0.0] * len(draw.truth)


def existing_only(draw: Draw) -> Sequence[float]:
    return [float(sum(row)) for row in draw.existing]


def own_tests(draw: Draw) -> Sequence[float]:
    return [
        _share([row[t] for t, of in enumerate(draw.owners) if k in of])
        for k, row in enumerate(draw.matrix)
    ]


def others_tests(draw: Draw) -> Sequence[float]:
    return [
        _share([row[t] for t, of in enumerate(draw.owners) if of != (k,)])
        for k, row in enumerate(draw.matrix)
    ]


def plain_count(draw: Draw) -> Sequence[float]:
    return [float(sum(row)) for row in draw.matrix]


def identical_majority(draw: Draw) -> Sequence[float]:
    count = Counter(draw.identical)
    return [float(count[patch]) for patch in draw.identical]


def largest_group(draw: Draw) -> Sequence[float]:
    """The largest group of equal behaviour among those that pass anything."""
    sizes = _sizes(draw)
    return [
        size * float(any(row)) for size, row in zip(sizes, draw.matrix, strict=True)
    ]


def codet(draw: Draw) -> Sequence[float]:
    """√(size of the group) × tests passed (arXiv 2207.10397)."""
    return [
        math.sqrt(size) * sum(row)
        for size, row in zip(_sizes(draw), draw.matrix, strict=True)
    ]


def consensus(draw: Draw) -> Sequence[float]:
    """Weigh each test by the share of candidates that pass it; none or all count 0."""
    size = len(draw.matrix)
    passers = [sum(column) for column in zip(*draw.matrix, strict=True)]
    weights = [n / size * (n < size) for n in passers]
    return [
        sum(w for w, passed in zip(weights, row, strict=True) if passed)
        for row in draw.matrix
    ]


def agreement_and_weights(draw: Draw) -> Sequence[float]:
    """The share of the group times the weighted tests."""
    return [
        size * score for size, score in zip(_sizes(draw), consensus(draw), strict=True)
    ]


def _share(passed: Sequence[bool]) -> float:
    return sum(passed) / len(passed) if passed else 0.0


def _sizes(draw: Draw) -> list[int]:
    behaviour = [*zip(draw.existing, draw.matrix, strict=True)]
    count = Counter(behaviour)
    return [count[each] for each in behaviour]


SELECTORS: dict[str, Selector] = {
    "random": random_pick,
    "existing tests only": existing_only,
    "own tests": own_tests,
    "others' tests": others_tests,
    "all tests, plain count": plain_count,
    "identical-patch majority": identical_majority,
    "largest behaviour group": largest_group,
    "CodeT": codet,
    "consensus-weighted": consensus,
    "agreement × weighted": agreement_and_weights,
}
"""All but the first two look at the existing tests first, as ours does."""
