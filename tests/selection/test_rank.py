"""The recommendation: what it needs, when it abstains, and that it is a pure function of the verdicts."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from aideator.domain.ranking import Confidence
from aideator.domain.verdict import Change, CheckChange, PatchStats, Verdict
from aideator.selection.rank import rank

FIXED, BROKEN, PASSING, FAILING = Change.FIXED, Change.BROKEN, Change.STILL_PASSING, Change.STILL_FAILING


def verdict(number: int, *changes: Change, files: int = 1) -> Verdict:
    rows = tuple(CheckChange(check=f"check {index}", change=change) for index, change in enumerate(changes))
    return Verdict(variation_id=number, patch=PatchStats(files=files), checks=rows)


def test_the_one_that_fixes_and_breaks_nothing_is_recommended_with_high_confidence() -> None:
    ranking = rank([verdict(1, FIXED, BROKEN), verdict(2, FIXED, PASSING), verdict(3, FAILING, PASSING)])
    assert ranking.recommended == 2
    assert ranking.order == (2, 3, 1)
    assert ranking.confidence is Confidence.HIGH
    assert ranking.reasons[0] == (
        "Variation 2 fixes 1 check that failed on the base, keeps 1 check passing and breaks none."
    )
    assert any("breaks `check 1`" in reason for reason in ranking.reasons)


def test_what_breaks_a_check_is_never_recommended_however_much_it_fixes() -> None:
    ranking = rank([verdict(1, FIXED, FIXED, FIXED, BROKEN)])
    assert ranking.recommended is None
    assert ranking.reasons[-1] == "None is good enough to recommend."


def test_a_partial_fix_is_recommended_with_medium_confidence() -> None:
    ranking = rank([verdict(1, FIXED, FAILING), verdict(2, FAILING, FAILING)])
    assert (ranking.recommended, ranking.confidence) == (1, Confidence.MEDIUM)


def test_equals_that_fix_are_said_to_be_equal_and_the_first_is_offered() -> None:
    ranking = rank([verdict(3, FIXED), verdict(2, FIXED), verdict(1, BROKEN)])
    assert ranking.recommended == 2
    assert "Variations 2 and 3 prove the same; nothing that was run tells them apart." in ranking.reasons


def test_without_a_separating_check_it_cannot_tell() -> None:
    for verdicts in ([verdict(1), verdict(2)], [verdict(1, PASSING), verdict(2, PASSING)], [verdict(1)]):
        ranking = rank(verdicts)
        assert ranking.recommended is None
        assert ranking.confidence is Confidence.OPEN
        assert "I cannot tell" in ranking.reasons[-1]


def test_the_only_one_that_breaks_nothing_is_recommended_even_if_it_fixes_nothing() -> None:
    ranking = rank([verdict(1, BROKEN), verdict(2, PASSING)])
    assert (ranking.recommended, ranking.confidence) == (2, Confidence.MEDIUM)


def test_a_variation_that_changed_nothing_is_not_recommended() -> None:
    ranking = rank([verdict(1, files=0)])
    assert ranking.recommended is None
    assert "Variation 1 changed nothing." in ranking.reasons


def test_no_variations_means_nothing_to_recommend() -> None:
    assert rank([]).recommended is None


@st.composite
def lineups(draw: st.DrawFn) -> list[Verdict]:
    checks = draw(st.integers(0, 3))
    changes = st.lists(st.sampled_from(Change), min_size=checks, max_size=checks)
    count = draw(st.integers(1, 5))
    return [verdict(n, *draw(changes), files=draw(st.integers(0, 2))) for n in range(1, count + 1)]


@given(lineups())
def test_the_order_of_the_verdicts_does_not_matter(verdicts: list[Verdict]) -> None:
    answers = {rank(order).model_dump_json() for order in list(permutations(verdicts))[:24]}
    assert len(answers) == 1


@given(lineups())
def test_a_recommendation_changes_something_breaks_nothing_and_no_other_candidate_fixes_more(
    verdicts: list[Verdict],
) -> None:
    ranking = rank(verdicts)
    assert sorted(ranking.order) == [v.variation_id for v in verdicts]
    if ranking.recommended is None:
        return
    chosen = next(v for v in verdicts if v.variation_id == ranking.recommended)
    harmless = [v for v in verdicts if not v.unchanged and not v.count(BROKEN)]
    assert chosen in harmless
    assert chosen.count(FIXED) == max(v.count(FIXED) for v in harmless)


@given(lineups(), st.integers(1, 1000))
def test_the_size_of_a_change_never_decides(verdicts: list[Verdict], size: int) -> None:
    grown = [
        v.model_copy(update={"patch": PatchStats(files=v.patch.files, additions=size * v.variation_id)})
        for v in verdicts
    ]
    assert rank(grown) == rank(verdicts)
