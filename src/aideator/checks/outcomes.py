"""What all runs of a check on one tree say together about each of its tests.

Pure functions of a measurement. A run of the whole check and a run of some of its tests
ask different questions: a test that fails beside others may pass alone.
"""

from collections.abc import Iterable, Mapping, Sequence

from aideator.checks.runners import short_name
from aideator.domain.check import (
    FAILING,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)

Outcomes = Mapping[str, tuple[TestOutcome, ...]]
"""By test, its outcomes in the runs that count, the first run's first."""


def outcomes_by_test(measurement: Measurement) -> Outcomes:
    """Return the outcomes of each test of the first run, in all runs that count.

    For a test that fails beside the others and passes without them, only runs of the
    whole check count. A test that no further whole run names again is left out: its id
    differs from run to run, so it cannot be compared.
    """
    alone, whole = _listed(measurement.again), _listed(_whole_runs(measurement))
    is_repeated = len(_whole_runs(measurement)) > 1
    found = {}
    for test in measurement.result.tests:
        together, without = whole[test.test], alone.get(test.test, [])
        if is_repeated and len(together) == 1:
            continue
        only_whole = is_repeated and _passes_alone(test, without)
        outcomes = together if only_whole else [*together, *without]
        found[test.test] = tuple(outcomes)
    return found


def _whole_runs(measurement: Measurement) -> list[CheckResult]:
    """Return the runs of the whole check that told tests apart, the first one first."""
    return [measurement.result, *(run for run in measurement.whole if run.tests)]


def _listed(runs: Iterable[CheckResult]) -> dict[str, list[TestOutcome]]:
    found: dict[str, list[TestOutcome]] = {}
    for run in runs:
        for test in run.tests:
            found.setdefault(test.test, []).append(test.outcome)
    return found


def _passes_alone(test: TestResult, alone: Sequence[TestOutcome]) -> bool:
    """Return whether a test failed beside all others and passes each time without them.

    Args:
        test: Its result in the first run of the whole check.
        alone: Its outcomes in runs of some tests.
    """
    passes = bool(alone) and set(alone) == {TestOutcome.PASSED}
    return test.outcome in FAILING and passes


def needs_whole_run(measurement: Measurement) -> tuple[str, ...]:
    """Return the failing tests about which runs of some tests say something else.

    They pass there each time, or are not found there.
    """
    if not measurement.again or any(run.exit_code is None for run in measurement.again):
        return ()
    alone = _listed(measurement.again)
    return tuple(
        test.test
        for test in measurement.result.tests
        if test.outcome in FAILING
        and set(alone.get(test.test, ())) <= {TestOutcome.PASSED}
    )


def fail_only_together(measurement: Measurement) -> frozenset[str]:
    """Return the tests that fail in each run of the whole check, and pass alone."""
    alone, whole = _listed(measurement.again), _listed(_whole_runs(measurement))
    return frozenset(
        test
        for test, outcomes in whole.items()
        if len(outcomes) > 1
        and set(alone.get(test, ())) == {TestOutcome.PASSED}
        and FAILING.issuperset(outcomes)
    )


def is_flaky(outcomes: Sequence[TestOutcome]) -> bool:
    """Return whether a test has passed and failed on the same tree."""
    return TestOutcome.PASSED in outcomes and not FAILING.isdisjoint(outcomes)


def blocks(error: TestResult, test: str) -> bool:
    """Return whether a test is missing because its file or module has an error."""
    if error.outcome is not TestOutcome.ERROR or error.test == test:
        return False
    return test.startswith(error.test) and not test[len(error.test)].isalnum()


def test_files_of(measurements: Iterable[Measurement]) -> frozenset[str]:
    """Return the files that hold tests, as far as the reports name them."""
    files: set[str] = set()
    for measurement in measurements:
        files.update(test.file for test in measurement.result.tests)
    return frozenset(files - {""})


def tells_failures(measurement: Measurement) -> bool:
    """Return whether it is known which tests fail, if any does."""
    result = measurement.result
    return result.passed or any(test.outcome in FAILING for test in result.tests)


def failing_names(measurements: Iterable[Measurement]) -> frozenset[str]:
    """Return what the failing tests are called where they are defined."""
    names: set[str] = set()
    for measurement in measurements:
        for test in measurement.result.tests:
            if test.outcome in FAILING:
                names.add(short_name(test.test))
    return frozenset(names)
