"""How well the evidence has to support a recommendation, and when there is none."""

from aideator.domain.ranking import Confidence
from aideator.domain.verdict import Change
from aideator.selection.rank import rank
from tests.selection.evidence import (
    BROKEN,
    FAILING,
    FIXED,
    PASSING,
    cross,
    verdict,
    weighed,
)


def test_a_partial_fix_is_recommended_with_medium_confidence() -> None:
    ranking = rank([verdict(1, FIXED, FAILING), verdict(2, FAILING, FAILING)])
    assert (ranking.recommended, ranking.confidence) == (1, Confidence.MEDIUM)


def test_two_that_each_fix_a_part_are_to_be_composed() -> None:
    ranking = rank([verdict(1, FIXED, FAILING), verdict(2, FAILING, FIXED)])
    assert ranking.recommended is None
    assert (
        ranking.reasons[-1]
        == "I cannot tell which is right: another one fixes what it leaves failing."
    )
    assert (
        ranking.settle
        == "Compose variations 1 and 2, or ask one of them to fix the rest too."
    )


def test_one_fix_that_few_others_share_has_medium_confidence() -> None:
    ranking = rank([verdict(1, FIXED), *(verdict(n, FAILING) for n in range(2, 6))])
    assert (ranking.recommended, ranking.confidence) == (1, Confidence.MEDIUM)


def test_without_a_separating_check_it_cannot_tell() -> None:
    for verdicts in (
        [verdict(1), verdict(2)],
        [verdict(1, PASSING), verdict(2, PASSING)],
        [verdict(1)],
    ):
        ranking = rank(verdicts)
        assert ranking.recommended is None
        assert ranking.confidence is Confidence.OPEN
        assert "I cannot tell" in ranking.reasons[-1]
        assert ranking.settle.startswith(
            "One more test that fails on the base and exercises `wrap.py`"
        )


def test_the_only_one_that_breaks_nothing_is_recommended_even_if_it_fixes_nothing() -> (
    None
):
    ranking = rank([verdict(1, BROKEN), verdict(2, PASSING)])
    assert (ranking.recommended, ranking.confidence) == (2, Confidence.MEDIUM)


def test_cross_tests_alone_are_not_enough_if_one_other_wrote_them() -> None:
    ranking = rank(
        [verdict(1, PASSING), verdict(2, PASSING)],
        weighed(cross("a", 1, "PF"), cross("b", 2, "PP")),
    )
    assert ranking.order == (1, 2)
    assert ranking.recommended is None
    assert (
        ranking.settle
        == "Say whether `a` (test_wrap.py) is right: variation 1 passes it, "
        "variation 2 fails it."
    )


def test_tests_of_the_base_that_were_not_run_any_more_lower_the_confidence() -> None:
    ranking = rank([verdict(1, tests={"test_a": FIXED, "test_b": Change.GONE})])
    assert ranking.confidence is Confidence.MEDIUM
    assert (
        "1 test of the base did not run with variation 1: `test_b`." in ranking.reasons
    )


def test_tests_of_two_others_stand_behind_a_variation_unless_they_are_flaky() -> None:
    verdicts = [verdict(n, PASSING) for n in (1, 2, 3)]
    for stable, confidence in ((True, Confidence.MEDIUM), (False, Confidence.OPEN)):
        tests = [cross(f"t{n}", n, "PPP", stable=stable) for n in (1, 2, 3)]
        assert rank(verdicts, weighed(*tests)).confidence is confidence
