"""The words for evidence, shared by the ranking, the command line and the forges."""

import pytest

from aideator.domain import wording
from aideator.domain.check import CheckResult, TestOutcome
from aideator.domain.ranking import (
    Confidence,
    Cost,
    CrossOutcome,
    Opinion,
    Ranking,
)
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    TestChange,
)


def test_every_change_and_outcome_has_words() -> None:
    for words in (
        [wording.change_word(change) for change in Change],
        [wording.outcome_word(outcome) for outcome in TestOutcome],
        [wording.cross_outcome_word(outcome) for outcome in CrossOutcome],
        [wording.confidence_words(confidence) for confidence in Confidence],
    ):
        assert all(words)
        assert len(set(words)) == len(words)


def test_numbers_names_and_enumerations() -> None:
    assert wording.count(1, "test") == "1 test"
    assert wording.count(3, "test") == "3 tests"
    assert wording.joined([]) == ""
    assert wording.joined(["a"]) == "a"
    assert wording.joined(["a", "b", "c"]) == "a, b and c"
    assert wording.variations([2]) == "Variation 2"
    assert wording.variations([3, 1]) == "Variations 1 and 3"


@pytest.mark.parametrize(
    ("names", "total", "text"),
    [
        ([], 0, ""),
        ([], 5, ""),
        (["a"], 0, "`a`"),
        (["a", "b", "c", "d"], 0, "`a`, `b`, `c` and 1 more"),
        (["a", "b"], 9, "`a`, `b` and 7 more"),
    ],
)
def test_a_list_of_names_says_how_many_it_leaves_out(
    names: list[str], total: int, text: str
) -> None:
    assert wording.quoted(names, total) == text


def test_tests_are_counted_by_change_most_telling_first() -> None:
    counts = {Change.STILL_FAILING: 1, Change.FIXED: 2, Change.STILL_PASSING: 9}
    check = CheckChange(check="pytest", change=Change.FIXED, counts=counts)
    assert wording.change_counts(check) == "2 fixed, 1 still failing"
    assert (
        wording.change_counts(check, Change)
        == "2 fixed, 9 still passing, 1 still failing"
    )
    assert wording.change_counts(CheckChange(check="x", change=Change.FIXED)) == ""


def test_a_new_test_that_does_not_pass_is_told_apart() -> None:
    def word(change: Change, after: TestOutcome | None) -> str:
        row = TestChange(test="t", change=change, after=after)
        return wording.changed_test_word(row)

    assert word(Change.NEW, TestOutcome.PASSED) == "new"
    assert word(Change.NEW, TestOutcome.FAILED) == "new, fails"
    assert word(Change.NEW, None) == "new"
    assert word(Change.BROKEN, TestOutcome.FAILED) == "broken"


def test_cross_tests_are_counted_where_they_ran() -> None:
    marks = [CrossOutcome.PASS, CrossOutcome.FAIL, CrossOutcome.NOT_COMPARABLE, None]
    assert wording.cross_counts(marks) == ("1 of 2 pass", "1 not comparable")
    assert wording.cross_counts([]) == ("", "")


def test_a_check_tells_its_tests_or_else_its_note() -> None:
    result = CheckResult(check="pytest", exit_code=1, seconds=0.1)
    assert wording.check_outcome(result) == "check `pytest` fails"
    noted = result.model_copy(update={"note": "stopped after 5 s"})
    assert wording.check_outcome(noted) == "check `pytest` fails (stopped after 5 s)"
    counts = {TestOutcome.PASSED: 3, TestOutcome.FAILED: 1}
    told = noted.model_copy(update={"counts": counts, "exit_code": 0})
    assert wording.check_outcome(told) == "check `pytest` passes (3 of 4 tests)"
    failed = told.model_copy(update={"exit_code": 1})
    assert wording.check_outcome(failed) == "check `pytest` fails (3 of 4 tests pass)"


def test_a_recommendation_says_how_sure_it_is() -> None:
    none = Ranking(order=(1,), recommended=None, confidence=Confidence.OPEN, reasons=())
    some = none.model_copy(update={"recommended": 1, "confidence": Confidence.HIGH})
    assert wording.recommendation(None) == "No variation is recommended"
    assert wording.recommendation(none) == "No variation is recommended"
    assert (
        wording.recommendation(some) == "Variation 1 is recommended (high confidence)"
    )


def test_a_judge_gives_an_opinion_and_no_proof() -> None:
    said = Opinion(model="m", among=(1, 2, 4), preferred=2)
    assert wording.opinion(said) == (
        "The judge (m) prefers variation 2 among 1, 2 and 4, in both orders; "
        "that is an opinion, not a proof."
    )
    assert wording.opinion(said.model_copy(update={"preferred": None})) == (
        "The judge (m) has no preference among 1, 2 and 4 that holds in both orders."
    )


def test_flags_sizes_and_costs_are_told_in_a_line() -> None:
    flag = Flag(kind=FlagKind.SECRET, path="a.py", message="It adds a key.")
    assert wording.flag_line(flag) == "a.py: It adds a key."
    assert wording.patch_size(None) == "no change"
    assert wording.patch_size(PatchStats()) == "no change"
    stats = PatchStats(files=1, additions=3, deletions=1)
    assert wording.patch_size(stats) == "1 file +3 −1"
    cost = Cost(sandboxes=3, seconds=1.23, cached=2, left_out=1)
    assert (
        wording.evidence_cost(cost) == "3 sandboxes, 1.2 s, 2 known before, 1 left out"
    )


def test_a_gate_reads_as_what_follows_the_variations_name() -> None:
    flags = [
        Flag(kind=FlagKind.SECRET, path=path, message="m") for path in ("b", "a", "b")
    ]
    assert wording.gate_of_builds(["make"]) == "does not build (`make`)"
    assert (
        wording.gate_of_tests(["t"], 2)
        == "breaks `t` and 1 more, which passed on the base"
    )
    assert (
        wording.gate_of_flags(flags)
        == "touches what proves it (`b`, `a`), which needs your word"
    )
