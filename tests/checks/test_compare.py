"""Checks and tests are told as differences from the baseline."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.checks.compare import (
    MAX_TESTS_IN_EVENT,
    MAX_TESTS_IN_VERDICT,
    brief,
    compare,
)
from aideator.domain.check import (
    Check,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)
from aideator.domain.verdict import Change, CheckChange

TESTS = Check(command="tests")
PASSED, FAILED, ERROR, SKIPPED = TestOutcome
OTHER = {"other": PASSED}


def whole(*exit_codes: int | None) -> Measurement:
    """A check that is known only as a whole, and its repeats."""
    first, *again = (
        CheckResult(check="tests", exit_code=code, seconds=1) for code in exit_codes
    )
    return Measurement(result=first, again=tuple(again))


def told(exit_code: int, *runs: dict[str, TestOutcome]) -> Measurement:
    """A check that tells its tests apart, and its repeats."""
    results = [
        CheckResult(
            check="tests",
            exit_code=exit_code,
            seconds=1,
            source="junit",
            tests=tuple(
                TestResult(test=name, outcome=outcome) for name, outcome in run.items()
            ),
        )
        for run in runs
    ]
    return Measurement(result=results[0], again=tuple(results[1:]))


def compared(before: Measurement | None, after: Measurement) -> CheckChange:
    (row,) = compare([TESTS], {"tests": before} if before else {}, {"tests": after})
    return row


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([0], [0], Change.STILL_PASSING),
        ([0], [1, 1, 1], Change.BROKEN),
        ([0], [None], Change.BROKEN),
        ([1, 1, 1], [0], Change.FIXED),
        ([None], [0], Change.FIXED),
        ([1], [2], Change.STILL_FAILING),
        ([0], [1, 0, 0], Change.FLAKY),
        ([1, 1], [0, 1], Change.FLAKY),
        ([1, 0], [0], Change.FLAKY),
        ([1, 0], [1, 1], Change.STILL_FAILING),
    ],
)
def test_each_pair_of_ends_has_its_word(
    before: Sequence[int | None], after: Sequence[int | None], change: Change
) -> None:
    row = compared(whole(*before), whole(*after))
    assert (row.check, row.change, row.tests) == ("tests", change, ())


def test_a_check_without_a_baseline_must_prove_itself() -> None:
    assert compared(None, whole(0)).change is Change.FIXED
    assert compared(None, whole(1)).change is Change.STILL_FAILING


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([PASSED], [PASSED], Change.STILL_PASSING),
        ([PASSED], [FAILED, FAILED], Change.BROKEN),
        ([FAILED, FAILED], [PASSED, PASSED], Change.FIXED),
        ([FAILED], [ERROR], Change.STILL_FAILING),
        ([], [PASSED], Change.NEW),
        ([SKIPPED], [PASSED], Change.NEW),
        ([PASSED], [], Change.GONE),
        ([PASSED], [SKIPPED], Change.GONE),
        ([PASSED], [FAILED, PASSED], Change.FLAKY),
        ([FAILED, FAILED], [PASSED, FAILED], Change.FLAKY),
        ([FAILED, PASSED], [PASSED], Change.FLAKY),
    ],
)
def test_each_pair_of_outcomes_of_a_test_has_its_word(
    before: Sequence[TestOutcome], after: Sequence[TestOutcome], change: Change
) -> None:
    def measured(outcomes: Sequence[TestOutcome]) -> Measurement:
        return (
            told(0, *({"t": outcome, "other": PASSED} for outcome in outcomes))
            if outcomes
            else told(0, OTHER)
        )

    row = compared(measured(before), measured(after))
    assert row.counts[change] == (2 if change is Change.STILL_PASSING else 1)
    assert [test.test for test in row.tests] == (
        [] if change is Change.STILL_PASSING else ["t"]
    )


def test_a_test_that_is_skipped_on_both_sides_is_no_row() -> None:
    assert compared(
        told(0, OTHER | {"t": SKIPPED}), told(0, OTHER | {"t": SKIPPED})
    ).counts == {Change.STILL_PASSING: 1}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        # It fails for nothing but a flaky test.
        (told(0, {"t": PASSED}), told(1, {"t": FAILED}, {"t": PASSED}), Change.FLAKY),
        # It fails for a flaky test, and for one that fails each time.
        (
            told(0, {"t": PASSED, "u": PASSED}),
            told(1, {"t": FAILED, "u": FAILED}, {"t": PASSED, "u": FAILED}),
            Change.BROKEN,
        ),
        # It passes, but what it repairs does not pass each time.
        (
            told(1, {"t": FAILED}, {"t": FAILED}),
            told(0, {"t": PASSED}, {"t": FAILED}),
            Change.FLAKY,
        ),
        # The base fails for a flaky test; the change adds one that fails.
        (
            told(1, {"t": FAILED}, {"t": PASSED}),
            told(1, {"t": PASSED, "u": FAILED}, {"u": FAILED}),
            Change.BROKEN,
        ),
        # It repairs one and breaks another, so that the whole fails before and after.
        (
            told(1, {"t": FAILED, "u": PASSED}, {"t": FAILED}),
            told(1, {"t": PASSED, "u": FAILED}, {"t": PASSED, "u": FAILED}),
            Change.BROKEN,
        ),
        # The base fails; a file cannot be imported any more, and with it goes a test
        # that passed.
        (
            told(1, {"t": FAILED, "u": PASSED}, {"t": FAILED}),
            told(1, {"file": ERROR}, {"file": ERROR}),
            Change.BROKEN,
        ),
        (
            told(1, {"t": FAILED}, {"t": FAILED}),
            told(1, {"file": ERROR}, {"file": ERROR}),
            Change.STILL_FAILING,
        ),
        # The base fails, and a new test fails beside: nothing that worked is broken.
        (
            told(1, {"t": FAILED}, {"t": FAILED}),
            told(1, {"t": FAILED, "n": FAILED}, {"t": FAILED, "n": FAILED}),
            Change.STILL_FAILING,
        ),
        # All tests pass, and it fails all the same, such as for a bound on coverage.
        (told(0, {"t": PASSED}), told(2, {"t": PASSED}), Change.BROKEN),
        # Its exit code decides, whatever its report says.
        (
            told(0, {"t": PASSED}),
            told(0, {"t": FAILED}, {"t": FAILED}),
            Change.STILL_PASSING,
        ),
    ],
)
def test_the_whole_follows_from_its_tests(
    before: Measurement, after: Measurement, change: Change
) -> None:
    assert compared(before, after).change is change


def test_a_long_list_is_cut_where_it_tells_least_and_counted_in_full() -> None:
    before = {f"old{n}": PASSED for n in range(5000)} | {"sick": FAILED}
    after = {f"new{n}": PASSED for n in range(20_000)} | {
        "sick": PASSED,
        "old7": FAILED,
    }
    row = compared(told(1, before), told(1, after))
    assert row.counts == {
        Change.BROKEN: 1,
        Change.FIXED: 1,
        Change.NEW: 20_000,
        Change.GONE: 4999,
    }
    assert [test.test for test in row.tests[:2]] == ["old7", "sick"]
    assert len(row.tests) == MAX_TESTS_IN_VERDICT


OUTCOMES = st.sampled_from(TestOutcome)
RUNS = st.lists(
    st.dictionaries(st.sampled_from("abcde"), OUTCOMES), min_size=1, max_size=3
)


def flaky(runs: list[dict[str, TestOutcome]]) -> set[str]:
    """The tests of the first run that passed and failed."""
    said = {name: {run[name] for run in runs if name in run} for name in runs[0]}
    return {
        name
        for name, outcomes in said.items()
        if PASSED in outcomes and outcomes & {FAILED, ERROR}
    }


@given(st.integers(0, 2), RUNS, st.integers(0, 2), RUNS)
def test_whatever_is_measured_each_test_is_told_once_and_a_flaky_one_never_decides(
    code: int,
    before: list[dict[str, TestOutcome]],
    exit_code: int,
    after: list[dict[str, TestOutcome]],
) -> None:
    row = compared(told(code, *before), told(exit_code, *after))
    assert len({test.test for test in row.tests}) == len(row.tests)
    assert sum(row.counts.values()) <= len(before[0] | after[0])
    decided = {
        test.test for test in row.tests if test.change in {Change.FIXED, Change.BROKEN}
    }
    assert not decided.intersection(flaky(before) | flaky(after))


def test_an_event_tells_what_did_not_pass_and_only_the_first_of_it() -> None:
    result = told(1, {f"t{n}": FAILED if n % 2 else PASSED for n in range(400)}).result
    short = brief(result)
    assert len(short.tests) == MAX_TESTS_IN_EVENT
    assert {test.outcome for test in short.tests} == {FAILED}
