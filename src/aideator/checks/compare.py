"""Compare a check's runs on base + patch with its baseline: checks and single tests.

Pure functions of the measurements on both trees.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from aideator.checks.outcomes import (
    Outcomes,
    blocks,
    fail_only_together,
    is_flaky,
    outcomes_by_test,
)
from aideator.domain.check import (
    FAILING,
    Check,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)
from aideator.domain.verdict import (
    MOST_TELLING_FIRST,
    Change,
    CheckChange,
    Delta,
    TestChange,
)

MAX_TESTS_IN_VERDICT, MAX_TESTS_IN_EVENT = 100, 50
"""Tests that are listed for each check; the counts cover all."""
MAX_MESSAGE = 600
"""Characters of a message in a verdict or an event. The measurement keeps more."""
MAX_OUTPUT = 2_000
"""Characters of a check's output in a verdict. Its event keeps more."""


class State(Enum):
    """The result of a check on a tree, after all its reruns."""

    PASSES = "passes"
    FAILS = "fails"
    FLAKY = "flaky"


def brief(result: CheckResult) -> CheckResult:
    """Return a result for the event log: only the first tests that did not pass."""
    failing = [
        test
        for test in result.tests
        if test.outcome in FAILING and not test.of_subtests
    ]
    shown = tuple(_shorter(test) for test in failing[:MAX_TESTS_IN_EVENT])
    return result.model_copy(update={"tests": shown})


def _shorter(test: TestResult) -> TestResult:
    return test.model_copy(update={"message": test.message[:MAX_MESSAGE]})


def compare(
    checks: Iterable[Check],
    baseline: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
) -> tuple[CheckChange, ...]:
    """Compare each check that was measured with the same check on the base.

    A check without a baseline is compared with one that fails: a change must prove
    itself.

    Args:
        checks: In the order of the result.
        baseline: Measurements on the base, by the check's label.
        measured: Measurements on base + patch.
    """
    return tuple(
        _compare(check, baseline.get(check.label), measured[check.label])
        for check in checks
        if check.label in measured
    )


def _compare(
    check: Check, before: Measurement | None, after: Measurement
) -> CheckChange:
    rows = tuple(_rows(before, after))
    listed = [row for row in rows if row.change is not Change.STILL_PASSING]
    listed.sort(key=_telling)
    state_before = State.FAILS if before is None else state_of(before)
    return CheckChange(
        check=check.label,
        change=Change.BROKEN
        if _runs_no_more(before, after)
        else _change_of_check(state_before, state_of(after), rows),
        kind=check.kind,
        counts=dict(Counter(row.change for row in rows)),
        tests=tuple(listed[:MAX_TESTS_IN_VERDICT]),
        could_not_run=after.result.could_not_run,
        output="" if after.result.passed else after.result.output[-MAX_OUTPUT:],
    )


def _runs_no_more(before: Measurement | None, after: Measurement) -> bool:
    """Return whether a check that ran on the base, whatever it said, cannot run now."""
    if before is None or before.result.could_not_run:
        return False
    return all(run.could_not_run for run in (after.result, *after.again))


def _telling(row: TestChange) -> tuple[int, bool]:
    if _lost_failing(row):
        return -1, False
    return MOST_TELLING_FIRST.index(row.change), row.after not in FAILING


def _rows(before: Measurement | None, after: Measurement) -> Iterator[TestChange]:
    """Yield one row for each test that ran on either side.

    No rows if the tests on base + patch cannot be told apart.
    """
    if not after.result.tests:
        return
    sides = _Sides.of(before, after)
    for test in {**sides.new, **sides.old}:
        row = sides.row(test)
        if row is not None:
            yield row


@dataclass(frozen=True)
class _Sides:
    """What is known of each test on the base and on base + patch."""

    old: Outcomes
    new: Outcomes
    old_results: Mapping[str, TestResult]
    new_results: Mapping[str, TestResult]
    old_errors: Sequence[TestResult]
    new_errors: Sequence[TestResult]
    messages: Mapping[str, str]
    renamed: frozenset[str]
    only_together: frozenset[str]

    @classmethod
    def of(cls, before: Measurement | None, after: Measurement) -> "_Sides":
        """Return both sides of a comparison."""
        old = outcomes_by_test(before) if before is not None else {}
        new = outcomes_by_test(after)
        known = before.result.tests if before is not None else ()
        return cls(
            old,
            new,
            {test.test: test for test in known},
            {test.test: test for test in after.result.tests},
            _errors(known),
            _errors(after.result.tests),
            _messages(after),
            _renamed(old, new),
            fail_only_together(after),
        )

    def row(self, test: str) -> TestChange | None:
        """Return the row of one test; None where it says nothing about the change."""
        was = self.old.get(test, ())
        now = self.new.get(test) or self._in_place_of(test)
        change = change_of(was, now)
        if change is None or test in self.renamed or self._follows_from_subtests(test):
            return None
        passes = change is Change.STILL_PASSING
        result = self.new_results.get(test) or self.old_results[test]
        return TestChange(
            test=test,
            change=change,
            before=next(iter(was), None),
            after=next(iter(now), None),
            file=result.file,
            message="" if passes else self._message(test),
        )

    def _follows_from_subtests(self, test: str) -> bool:
        """Return whether the rows of the tests within say all about this one."""
        found = (self.old_results.get(test), self.new_results.get(test))
        return all(result is None or result.of_subtests for result in found)

    def _in_place_of(self, test: str) -> tuple[TestOutcome, ...]:
        """Return the outcome that stands for a test of the base that no longer ran.

        A file that can be collected again passes if all its tests do. A test whose
        file cannot be collected any more has the file's error.
        """
        within: set[TestOutcome] = set()
        for error in self.old_errors:
            if error.test == test:
                within.update(
                    *(self.new[each] for each in self.new if blocks(error, each))
                )
        if within:
            fails = not FAILING.isdisjoint(within)
            return (TestOutcome.FAILED if fails else TestOutcome.PASSED,)
        error_now = (each.test for each in self.new_errors if blocks(each, test))
        return self.new.get(next(error_now, ""), ())

    def _message(self, test: str) -> str:
        message = self.messages.get(test, "")
        if test in self.only_together:
            return f"{_ONLY_TOGETHER}\n{message}".strip()
        return message


def _errors(tests: Iterable[TestResult]) -> Sequence[TestResult]:
    """Return the first tests that could not be run, such as files."""
    errors = (test for test in tests if test.outcome is TestOutcome.ERROR)
    return [*islice(errors, _MAX_ERRORS)]


_MAX_ERRORS = 200
"""Errors that are looked at for tests within; each is compared with all tests."""
_ONLY_TOGETHER = "Fails in each run together with other tests, and passes alone."


def _renamed(old: Outcomes, new: Outcomes) -> frozenset[str]:
    """Return the ids of passing tests that only have another name now.

    An id may hold a value of the code, or the time. Where as many tests of one function
    are gone as are new, and all of them pass, nothing is known to have changed.
    """
    gone, come = _by_function(old, new), _by_function(new, old)
    found: set[str] = set()
    for function, tests in gone.items():
        others = come.get(function, [])
        if len(tests) == len(others):
            found.update(tests, others)
    return frozenset(found)


def _by_function(these: Outcomes, those: Outcomes) -> dict[str, list[str]]:
    """Return the tests with parameters that only one side has, all passing there."""
    found: dict[str, list[str]] = {}
    failing: set[str] = set()
    for test, outcomes in these.items():
        function = _function_of(test)
        if test in those or function == test:
            continue
        found.setdefault(function, []).append(test)
        if set(outcomes) != {TestOutcome.PASSED}:
            failing.add(function)
    return {name: tests for name, tests in found.items() if name not in failing}


def _function_of(test: str) -> str:
    """Return an id without what follows the name of its function.

    That is pytest's parameters, JUnit's arguments, or a subtest of Go.
    """
    if subtest := re.search(r"\.(?:Test|Fuzz|Example)\w*/", test):
        return test[: subtest.end() - 1]
    return re.split(r"[\[(]", test, maxsplit=1)[0]


def _messages(measurement: Measurement) -> dict[str, str]:
    """Return why tests did not pass, each from the first run that says so."""
    found: dict[str, str] = {}
    for run in (measurement.result, *measurement.whole, *measurement.again):
        for test in run.tests:
            if test.message:
                found.setdefault(test.test, test.message[:MAX_MESSAGE])
    return found


def change_of(was: Sequence[TestOutcome], now: Sequence[TestOutcome]) -> Change | None:
    """Return the change of one test; None if it ran on neither side.

    A skipped test counts as one that does not exist.

    Args:
        was: Its outcomes in all runs on the base; empty where it does not exist.
        now: Its outcomes on base + patch.
    """
    if is_flaky(was) or is_flaky(now):
        return Change.FLAKY
    ran_before, runs_now = _ran(was), _ran(now)
    if ran_before and runs_now:
        return _change_of_both(was[0], now[0])
    if runs_now:
        return Change.NEW
    return Change.GONE if ran_before else None


def _ran(outcomes: Sequence[TestOutcome]) -> bool:
    return bool(outcomes) and outcomes[0] is not TestOutcome.SKIPPED


def _change_of_both(was: TestOutcome, now: TestOutcome) -> Change:
    if now in FAILING:
        return Change.STILL_FAILING if was in FAILING else Change.BROKEN
    return Change.FIXED if was in FAILING else Change.STILL_PASSING


def state_of(measurement: Measurement) -> State:
    """Return the state of a check: its exit code, unless reruns contradict it."""
    result = measurement.result
    exit_code_state = State.PASSES if result.passed else State.FAILS
    if not result.tests:
        contradicted = any(run.passed != result.passed for run in measurement.again)
        return State.FLAKY if contradicted else exit_code_state
    by_test = outcomes_by_test(measurement).values()
    any_flaky = any(is_flaky(outcomes) for outcomes in by_test)
    if not any_flaky or (not result.passed and any(map(_always_fails, by_test))):
        return exit_code_state
    return State.FLAKY


def _always_fails(outcomes: Sequence[TestOutcome]) -> bool:
    return outcomes[0] in FAILING and not is_flaky(outcomes)


def _change_of_check(before: State, after: State, rows: Sequence[TestChange]) -> Change:
    if after is State.PASSES:
        return _change_to_passing(before, rows)
    if after is State.FLAKY:
        return Change.FLAKY
    if before is State.PASSES or _broke_more(before, rows):
        return Change.BROKEN
    return Change.STILL_FAILING


def _change_to_passing(before: State, rows: Sequence[TestChange]) -> Change:
    if before is State.FLAKY:
        return Change.FLAKY
    if any(map(_lost_failing, rows)):
        return Change.GONE
    return Change.STILL_PASSING if before is State.PASSES else Change.FIXED


def _lost_failing(row: TestChange) -> bool:
    """Return whether a test that failed on the base no longer runs."""
    return row.change is Change.GONE and row.before in FAILING


def _broke_more(before: State, rows: Sequence[TestChange]) -> bool:
    """Return whether a check that fails now, and did not pass on the base, broke more.

    The base may fail for other reasons: tests that started to fail are this change's
    doing. A file that cannot be collected any more replaces its passing tests by one
    new error.
    """
    new = {row.after for row in rows if row.change is Change.NEW}
    lost_passing = any(
        row.change is Change.GONE and row.before is TestOutcome.PASSED for row in rows
    )
    if any(row.change is Change.BROKEN for row in rows):
        return True
    if TestOutcome.ERROR in new and lost_passing:
        return True
    return before is State.FLAKY and not FAILING.isdisjoint(new)


def deltas(
    checks: Iterable[Check],
    baseline: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
) -> tuple[Delta, ...]:
    """Return the figures beside the evidence: findings of linters, lines covered."""
    found: list[Delta] = []
    for check in checks:
        after = measured.get(check.label)
        if after is not None:
            found += _deltas(check, baseline.get(check.label), after)
    return tuple(found)


def _deltas(
    check: Check, before: Measurement | None, after: Measurement
) -> Iterator[Delta]:
    if after.result.findings is not None:
        yield Delta(
            name=check.label,
            before=before.result.findings if before else None,
            after=after.result.findings,
            unit="findings",
        )
    if after.covered is not None:
        run, executable = after.covered
        yield Delta(
            name="changed lines covered",
            before=None,
            after=round(100 * run / executable, 1),
            unit="%",
        )
