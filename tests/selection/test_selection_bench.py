"""The ranking keeps its measured accuracy on real candidates with hidden truth."""

from itertools import chain
from statistics import fmean

import pytest
from bench.selection import OURS, Tally, measure
from bench.selection_data import Column, load

from aideator.domain.ranking import Confidence


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    tasks = [task for task in load() if any(task.truth)][:40]
    columns = (
        Column("weak", "drawn"),
        Column("right", "0.9"),
        Column("existing", "0.9", existing=True),
        Column("own", "self", authored=True),
    )
    return {column.name: measure(tasks, column, 10, 6) for column in columns}


@pytest.mark.parametrize(
    ("column", "over_random", "over_own"),
    [("weak", 0.15, 0.02), ("right", 0.2, 0.02), ("own", 0.15, 0.06)],
)
def test_it_beats_a_random_pick_and_tests_that_grade_their_author(
    tallies: dict[str, Tally], column: str, over_random: float, over_own: float
) -> None:
    hits = tallies[column].hits
    assert fmean(hits[OURS]) >= fmean(hits["random"]) + over_random
    assert fmean(hits[OURS]) >= fmean(hits["own tests"]) + over_own


@pytest.mark.parametrize(
    "other",
    [
        "all tests, plain count",
        "CodeT",
        "identical-patch majority",
        "largest behaviour group",
    ],
)
def test_it_is_never_much_worse_than_another_rule(
    tallies: dict[str, Tally], other: str
) -> None:
    for tally in tallies.values():
        assert fmean(tally.hits[OURS]) >= fmean(tally.hits[other]) - 0.02


def test_confidence_means_something(tallies: dict[str, Tally]) -> None:
    hits = {
        tier: [*chain.from_iterable(tally.tiers[tier] for tally in tallies.values())]
        for tier in Confidence
    }
    high, medium, open_ = (fmean(hits[tier]) for tier in Confidence)
    assert high > 0.85
    assert high > medium + 0.1 > open_ + 0.2
