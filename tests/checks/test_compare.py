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


def changes(before: Measurement, after: Measurement) -> dict[str, Change]:
    """The row of each test that does not pass as before."""
    return {row.test: row.change for row in compared(before, after).tests}


def with_whole(found: Measurement, *more: Measurement) -> Measurement:
    """A measurement with further runs of the whole check."""
    return found.model_copy(update={"whole": tuple(each.result for each in more)})


def test_what_fails_in_each_whole_run_and_passes_alone_is_broken() -> None:
    leaks = told(1, {"t": FAILED, "u": PASSED}, {"t": PASSED}, {"t": PASSED})
    again = told(1, {"t": FAILED, "u": PASSED})
    base = told(0, {"t": PASSED, "u": PASSED})
    row = compared(with_whole(base, base, base), with_whole(leaks, again, again))
    assert (row.change, row.tests[0].change) == (Change.BROKEN, Change.BROKEN)
    assert "only together" not in row.output
    assert row.tests[0].message.startswith("Fails in each run together with other")
    # It differs between equal runs, of the change or of the base.
    sometimes = told(0, {"t": PASSED, "u": PASSED})
    assert changes(base, with_whole(leaks, again, sometimes)) == {"t": Change.FLAKY}
    flaky_base = with_whole(base, told(1, {"t": FAILED, "u": PASSED}))
    assert changes(flaky_base, with_whole(leaks, again)) == {"t": Change.FLAKY}
    # The other way round: a change repairs what only fails together.
    assert changes(with_whole(leaks, again), base) == {"t": Change.FIXED}


def test_a_failing_test_that_no_longer_runs_is_gone_and_its_check_not_fixed() -> None:
    before = told(1, {"t": FAILED, "u": PASSED}, {"t": FAILED})
    for after in (told(0, {"u": PASSED}), told(0, {"u": PASSED, "t": SKIPPED})):
        row = compared(before, after)
        assert (row.change, row.tests[0].change) == (Change.GONE, Change.GONE)
    many = {f"new{n}": PASSED for n in range(300)}
    assert compared(before, told(0, {"u": PASSED} | many)).tests[0].test == "t"


def test_a_file_stands_for_its_tests_while_it_cannot_be_collected() -> None:
    fine = told(0, {"a.py::t": PASSED, "a.py::u": PASSED, "b.py::v": PASSED})
    error = told(1, {"a.py": ERROR, "b.py::v": PASSED}, {"a.py": ERROR})
    assert changes(fine, error) == {
        "a.py::t": Change.BROKEN,
        "a.py::u": Change.BROKEN,
        "a.py": Change.NEW,
    }
    assert changes(error, fine)["a.py"] is Change.FIXED
    fails = told(1, {"a.py::t": FAILED, "b.py::v": PASSED}, {"a.py::t": FAILED})
    assert changes(error, fails)["a.py"] is Change.STILL_FAILING
    assert changes(error, told(0, {"b.py::v": PASSED}))["a.py"] is Change.GONE


def test_an_id_with_a_value_in_it_is_no_evidence() -> None:
    before = told(0, {"a.py::t[13:54:28]": PASSED, "a.py::u": PASSED})
    after = told(0, {"a.py::t[13:54:30]": PASSED, "a.py::u": PASSED})
    assert changes(before, after) == {}
    go_before = told(0, {"x.org/m.TestA/ten_is_10": PASSED, "x.org/m.TestB": PASSED})
    go_after = told(0, {"x.org/m.TestA/ten_is_11": PASSED, "x.org/m.TestB": PASSED})
    assert changes(go_before, go_after) == {}
    # What fails is never taken for a mere renaming.
    failing = told(1, {"a.py::t[1]": FAILED}, {"a.py::t[1]": FAILED})
    assert changes(failing, after)["a.py::t[1]"] is Change.GONE
    # But one whose id no second run of the base names can be no evidence.
    unstable = with_whole(
        told(1, {"a.py::t[1]": FAILED, "a.py::u": PASSED}, {}),
        told(1, {"a.py::t[2]": FAILED, "a.py::u": PASSED}),
    )
    assert "a.py::t[1]" not in changes(unstable, told(0, {"a.py::u": PASSED}))


def test_the_parent_of_subtests_is_a_row_only_where_it_fails_by_itself() -> None:
    def tests(**parent: object) -> Measurement:
        found = (
            TestResult(test="m.TestA/x", outcome=PASSED),
            TestResult.model_validate({"test": "m.TestA", **parent}),
        )
        return Measurement(
            result=CheckResult(check="tests", exit_code=0, seconds=1, tests=found)
        )

    quiet = tests(outcome=PASSED, of_subtests=True)
    assert compared(quiet, quiet).counts == {Change.STILL_PASSING: 1}
    assert changes(quiet, tests(outcome=FAILED, of_subtests=True)) == {}
    assert changes(quiet, tests(outcome=FAILED)) == {"m.TestA": Change.BROKEN}
    assert changes(tests(outcome=FAILED), quiet) == {"m.TestA": Change.FIXED}


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
