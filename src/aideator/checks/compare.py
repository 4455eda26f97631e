"""Say what a change did to each check and test: pure functions of the measurements on the base and on base + patch."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

from aideator.domain.check import (
    Check,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)
from aideator.domain.verdict import Change, CheckChange, Delta, TestChange

MAX_ROWS, MAX_BRIEF = 100, 50
"""Tests that are listed for each check in a verdict, and in an event; the counts know
of all."""
MAX_MESSAGE = 600
"""Characters of a message in a verdict or an event. The measurement keeps more."""

_BAD = frozenset({TestOutcome.FAILED, TestOutcome.ERROR})
_ORDER = (
    Change.BROKEN,
    Change.FIXED,
    Change.FLAKY,
    Change.NEW,
    Change.GONE,
    Change.STILL_FAILING,
)


class State(Enum):
    """What a check says about a tree after all its repeats."""

    PASSES = "passes"
    FAILS = "fails"
    FLAKY = "flaky"


def brief(result: CheckResult) -> CheckResult:
    """A result for the log: only what did not pass, and of that the first tests."""
    tests = [test for test in result.tests if test.outcome in _BAD][:MAX_BRIEF]
    return result.model_copy(update={"tests": tuple(_shorter(test) for test in tests)})


def _shorter(test: TestResult) -> TestResult:
    return test.model_copy(update={"message": test.message[:MAX_MESSAGE]})


def compare(
    checks: Iterable[Check],
    baseline: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
) -> tuple[CheckChange, ...]:
    """Say what became of each check that was measured, against the measurement of the same check on the base.

    A check without a baseline is compared with one that fails: a change must prove
    itself.
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
    told = sorted(
        (row for row in rows if row.change is not Change.STILL_PASSING), key=_telling
    )
    change = _change(
        State.FAILS if before is None else state(before), state(after), rows
    )
    return CheckChange(
        check=check.label,
        change=change,
        kind=check.kind,
        counts=dict(Counter(row.change for row in rows)),
        tests=tuple(told[:MAX_ROWS]),
    )


def _telling(row: TestChange) -> tuple[int, bool]:
    return _ORDER.index(row.change), row.after not in _BAD


def _rows(before: Measurement | None, after: Measurement) -> Iterable[TestChange]:
    """One row for each test that ran on either side, if the tests can be told apart on base + patch."""
    if not after.result.tests:
        return
    old = outcomes(before) if before is not None else {}
    new = outcomes(after)
    said = _messages(after)
    files = {
        test.test: test
        for test in [*(before.result.tests if before else ()), *after.result.tests]
    }
    for test in {**new, **old}:
        was, now = old.get(test, ()), new.get(test, ())
        if change := change_of(was, now):
            yield TestChange(
                test=test,
                change=change,
                before=was[0] if was else None,
                after=now[0] if now else None,
                file=files[test].file,
                message=said.get(test, "")
                if change is not Change.STILL_PASSING
                else "",
            )


def _messages(measurement: Measurement) -> dict[str, str]:
    """Why tests did not pass, from the first run that says so."""
    runs = [measurement.result, *measurement.again]
    return {
        t.test: t.message[:MAX_MESSAGE]
        for run in reversed(runs)
        for t in run.tests
        if t.message
    }


def outcomes(measurement: Measurement) -> dict[str, tuple[TestOutcome, ...]]:
    """What each test said, each time it was run."""
    found: dict[str, list[TestOutcome]] = {
        test.test: [test.outcome] for test in measurement.result.tests
    }
    for run in measurement.again:
        for test in run.tests:
            if test.test in found:
                found[test.test].append(test.outcome)
    return {test: tuple(said) for test, said in found.items()}


def is_flaky(said: Sequence[TestOutcome]) -> bool:
    """Whether a test has passed and failed on the same tree."""
    return TestOutcome.PASSED in said and any(outcome in _BAD for outcome in said)


def change_of(was: Sequence[TestOutcome], now: Sequence[TestOutcome]) -> Change | None:
    """What became of one test.

    Skipped is as good as not there; None if it ran on neither side.
    """
    if is_flaky(was) or is_flaky(now):
        return Change.FLAKY
    ran_before = bool(was) and was[0] is not TestOutcome.SKIPPED
    runs_now = bool(now) and now[0] is not TestOutcome.SKIPPED
    if not (ran_before and runs_now):
        return Change.NEW if runs_now else Change.GONE if ran_before else None
    if now[0] in _BAD:
        return Change.STILL_FAILING if was[0] in _BAD else Change.BROKEN
    return Change.FIXED if was[0] in _BAD else Change.STILL_PASSING


def state(measurement: Measurement) -> State:
    """What the check says: its exit code, unless repeats contradict it."""
    result = measurement.result
    said = outcomes(measurement)
    flaky = any(is_flaky(each) for each in said.values())
    if not result.tests and measurement.again:
        ended = {run.passed for run in measurement.again} | {result.passed}
        flaky = len(ended) > 1
        return State.FLAKY if flaky else State.PASSES if result.passed else State.FAILS
    if result.passed:
        return State.FLAKY if flaky else State.PASSES
    stable = any(each[0] in _BAD and not is_flaky(each) for each in said.values())
    return State.FLAKY if flaky and not stable else State.FAILS


def _change(before: State, after: State, rows: Sequence[TestChange]) -> Change:
    if after is State.FLAKY:
        return Change.FLAKY
    if after is State.PASSES:
        return {
            State.PASSES: Change.STILL_PASSING,
            State.FAILS: Change.FIXED,
            State.FLAKY: Change.FLAKY,
        }[before]
    if before is State.PASSES:
        return Change.BROKEN
    # The base fails as well, for other reasons perhaps: what has come to fail is this
    # change's doing.
    new = {row.after for row in rows if row.change is Change.NEW}
    lost = any(
        row.change is Change.GONE and row.before is TestOutcome.PASSED for row in rows
    )
    broken = any(row.change is Change.BROKEN for row in rows) or (
        TestOutcome.ERROR in new and lost
    )
    return (
        Change.BROKEN
        if broken or (before is State.FLAKY and new & _BAD)
        else Change.STILL_FAILING
    )


def deltas(
    checks: Iterable[Check],
    baseline: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
) -> tuple[Delta, ...]:
    """The figures that stand beside the evidence: findings of linters, coverage of changed lines."""
    found = []
    for check in checks:
        before, after = baseline.get(check.label), measured.get(check.label)
        if after is not None and after.result.findings is not None:
            was = before.result.findings if before else None
            found.append(
                Delta(
                    name=check.label,
                    before=was,
                    after=after.result.findings,
                    unit="findings",
                )
            )
        if after is not None and after.covered is not None:
            run, lines = after.covered
            found.append(
                Delta(
                    name="changed lines covered",
                    before=None,
                    after=round(100 * run / lines, 1),
                    unit="%",
                )
            )
    return tuple(found)
