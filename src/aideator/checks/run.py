"""Run the project's checks in a sandbox, read each test's outcome, rerun the doubtful.

A check that hangs, prints without end or takes its sandbox along is a result like any
other; the next one gets a new sandbox. Reruns are fresh processes in the same sandbox:
a test that passes only when it has run before shows itself (decision record 0038).
"""

import asyncio
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from aideator.checks import reports
from aideator.checks.coverage import COVERAGE_REPORTS, covered
from aideator.checks.diagnostics import count_findings
from aideator.checks.outcomes import needs_whole_run
from aideator.checks.printed import go, go_output
from aideator.checks.reports import Report
from aideator.checks.runners import PLACE, REPORTER, Plan, short_name
from aideator.checks.startup import NOT_BUILT, why_not_run
from aideator.domain.check import (
    FAILING,
    NOT_FOUND,
    NOT_FOUND_NOTE,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)
from aideator.domain.errors import DiskLimitExceeded, EngineLost, SandboxLost
from aideator.sandbox.base import WORKSPACE, ExecResult, Limits, Sandbox

BUILD_FAILED = f"{PLACE}/build-failed"
"""The output of a build that failed; where it exists, every check fails with it."""
OUTPUT_TAIL = 16_384
"""Bytes of a check's output that are kept with its result. The end tells the most."""
REPORT_BYTES = 16 * 2**20
"""Bytes of a report, or of an output that is read as one. What is larger is not read,
and the exit code decides."""
_READ_SECONDS = 60.0

SandboxFactory = Callable[[], AbstractAsyncContextManager[Sandbox]]
"""Opens a fresh sandbox over the tree to measure."""


@dataclass(frozen=True)
class RerunPolicy:
    """Which tests are rerun before they count, and whose coverage is read."""

    reruns: int = 2
    baseline: Mapping[str, Measurement] | None = None
    """The measurements on the base, by the check's label; None when the base itself is
    measured."""
    edited: Collection[str] = ()
    """Short names of tests whose own lines the change edits."""
    lines: Mapping[str, Collection[int]] = field(default_factory=dict)
    """The lines that the change added, by path, whose coverage is read."""


def limits_for_checks(limits: Limits) -> Limits:
    """Return limits for a sandbox that runs checks: reports may be longer."""
    return replace(limits, output_bytes=REPORT_BYTES)


async def measure(
    open_sandbox: SandboxFactory, plans: Sequence[Plan], policy: RerunPolicy
) -> AsyncGenerator[Measurement]:
    """Run checks one after another, like the steps of a CI job.

    Yields each measurement as it comes.

    Raises:
        AideatorError: If no sandbox can be opened, or the change does not apply in it.
    """
    pending = deque(plans)
    while pending:
        async with open_sandbox() as sandbox:
            alive = True
            while pending and alive:
                measurement, alive = await _measure(sandbox, pending.popleft(), policy)
                yield measurement


async def _measure(
    sandbox: Sandbox, plan: Plan, policy: RerunPolicy
) -> tuple[Measurement, bool]:
    """Measure one check; return also whether its sandbox is still alive."""
    begun = time.monotonic()
    again: list[CheckResult] = []
    whole: tuple[CheckResult, ...] = ()
    lines = None
    try:
        result = await run_check(sandbox, plan)
    except (SandboxLost, DiskLimitExceeded) as lost:
        return Measurement(result=_lost(plan, lost, time.monotonic() - begun)), False
    try:
        if policy.lines and plan.check.kind == "test":
            found = await _coverage(sandbox)
            lines = await asyncio.to_thread(covered, found, policy.lines)
        tests = tests_to_rerun(plan, result, policy)
        for _ in range(policy.reruns if tests is not None else 0):
            again.append(await run_check(sandbox, plan, only=tests))
        done = Measurement(result=result, again=tuple(again), covered=lines)
        if plan.command(tests) is not None:
            whole = await _whole_runs(sandbox, plan, done)
    except (SandboxLost, DiskLimitExceeded) as lost:
        again.append(_lost(plan, lost, 0.0))
        done = Measurement(result=result, again=tuple(again), covered=lines)
        return done, False
    return done.model_copy(update={"whole": whole}), True


async def _whole_runs(
    sandbox: Sandbox, plan: Plan, measured: Measurement
) -> tuple[CheckResult, ...]:
    """Run the whole check as often again as some of its tests, if they disagree."""
    if not needs_whole_run(measured):
        return ()
    return tuple([await run_check(sandbox, plan) for _ in measured.again])


async def _coverage(sandbox: Sandbox) -> list[bytes]:
    try:
        return await _reports(sandbox, f"{PLACE}/first", COVERAGE_REPORTS)
    except reports.Unreadable:
        return []


def _lost(plan: Plan, lost: Exception, seconds: float) -> CheckResult:
    if isinstance(lost, EngineLost):
        raise lost  # nothing of the tree's doing: whoever measures tries again
    return CheckResult(
        check=plan.check.label,
        exit_code=None,
        seconds=round(seconds, 3),
        note=str(lost),
        could_not_run=str(lost),
    )


WHOLE_CHECK: tuple[TestResult, ...] = ()
"""Stands for all tests of a check where single ones cannot be named."""


def tests_to_rerun(
    plan: Plan, result: CheckResult, policy: RerunPolicy
) -> tuple[TestResult, ...] | None:
    """Return the tests to rerun, or `WHOLE_CHECK`; None where nothing may be flaky."""
    if plan.check.kind != "test" or _is_final(result, policy):
        return None
    before = (policy.baseline or {}).get(plan.check.label)
    if not result.tests:
        return None if result.passed and not _failed(before) else WHOLE_CHECK
    known = _outcomes(before)
    tests = tuple(
        test for test in result.tests if needs_rerun(test, known.get(test.test), policy)
    )
    if not result.passed and not _any_failed(tests):
        return WHOLE_CHECK  # it fails although none of its tests does
    return tests or None


def _is_final(result: CheckResult, policy: RerunPolicy) -> bool:
    on_base = policy.baseline is None
    return result.exit_code is None or (on_base and bool(result.could_not_run))


def _any_failed(tests: Sequence[TestResult]) -> bool:
    return any(test.outcome in FAILING for test in tests)


def _failed(before: Measurement | None) -> bool:
    return before is not None and not before.result.passed


def _outcomes(before: Measurement | None) -> dict[str, TestOutcome]:
    if before is None:
        return {}
    return {test.test: test.outcome for test in before.result.tests}


def needs_rerun(
    test: TestResult, before: TestOutcome | None, policy: RerunPolicy
) -> bool:
    """Return whether a test has to have the same outcome more than once to count.

    Args:
        test: Its result in the first run.
        before: Its outcome on the base; None where the base has no such test.
        policy: Whether the base is measured, and which tests the change edits.
    """
    if test.outcome in FAILING:  # it may be flaky
        return True
    if short_name(test.test) in policy.edited:  # the change rewrote the test itself
        return True
    if before is None:  # a new test has to pass more than once; the base has no new one
        on_patch = policy.baseline is not None
        return on_patch and test.outcome is not TestOutcome.SKIPPED
    # A fix has to hold.
    return before in FAILING and test.outcome is TestOutcome.PASSED


async def run_check(
    sandbox: Sandbox,
    plan: Plan,
    *,
    only: Sequence[TestResult] | None = None,
    timeout: float | None = None,
) -> CheckResult:
    """Run one check, or some of its tests where its runner can select them.

    Args:
        sandbox: Holds the tree to measure.
        plan: The check, and how it is run.
        only: The tests to run; all where there are none, or they cannot be selected.
        timeout: Seconds after which it is stopped, if that is less than the check's
            own time-out.

    Raises:
        SandboxLost: If the sandbox ended before the check did.
    """
    place = f"{PLACE}/{secrets.token_hex(4)}"
    env = {
        name: value.replace("{report}", place)
        for name, value in plan.runner.env.items()
    }
    await _install_reporter(sandbox, env)
    script = ["sh", "-c", _script(plan, only, place)]
    limit = plan.check.timeout if timeout is None else min(timeout, plan.check.timeout)
    begun = time.monotonic()
    cwd = f"{WORKSPACE}/{plan.start}"
    done = await sandbox.exec(script, env=env, cwd=cwd, timeout=limit)
    seconds = round(time.monotonic() - begun, 3)
    if done.exit_code is None:
        return CheckResult(
            check=plan.check.label,
            exit_code=None,
            seconds=seconds,
            output=_tail(done),
            note=f"stopped after {limit:g} s",
            could_not_run=f"stopped after {limit:g} s",
        )
    report = await _report(sandbox, plan, done, place)
    tests = _selected([plan.from_root(test) for test in report.tests], only)
    missing_program = done.exit_code == NOT_FOUND and not tests
    result = CheckResult(
        check=plan.check.label,
        exit_code=done.exit_code,
        seconds=seconds,
        output=_tail(done, readable=go_output if plan.runner.output is go else None),
        note=report.note or (NOT_FOUND_NOTE if missing_program else ""),
        source=report.source if tests else "exit_code",
        counts=dict(Counter(test.outcome for test in tests if not test.of_subtests)),
        tests=tests,
        findings=await asyncio.to_thread(count_findings, plan.check.kind, done),
    )
    reason = await asyncio.to_thread(
        why_not_run, plan.runner.name, result, plan.dependencies
    )
    return result.model_copy(update={"could_not_run": reason})


async def _install_reporter(sandbox: Sandbox, env: Mapping[str, str]) -> None:
    """Write our reporter for `node --test`, if the environment names it."""
    if any(REPORTER.name in value for value in env.values()):
        write = f"mkdir -p {PLACE}; cat > {PLACE}/{REPORTER.name}"
        reporter = await asyncio.to_thread(REPORTER.read_bytes)
        await sandbox.exec(["sh", "-c", write], stdin=reporter)


def _script(plan: Plan, only: Sequence[TestResult] | None, place: str) -> str:
    """Return the shell script of a run that leaves reports at `place` + an ending."""
    command = (plan.command(only) if only else None) or plan.command()
    assert command is not None
    steps = [
        f"if [ -e {BUILD_FAILED} ]; then echo '{NOT_BUILT}'",
        f"cat {BUILD_FAILED}; exit 1; fi",
        f"mkdir -p {PLACE}",
        # Files that tell reports of the first run, and of this one, from older ones.
        f"[ -e {PLACE}/first.begun ] || : > {PLACE}/first.begun",
        f": > {place}.begun",
    ]
    if plan.runner.before:
        steps.append(plan.runner.before)
    if not plan.runner.separate_stderr:
        # One stream, so that the kept tail shows errors where they happened.
        steps.append("exec 2>&1")
    return "; ".join([*steps, command.replace("{report}", place)])


def _selected(
    tests: Sequence[TestResult], only: Sequence[TestResult] | None
) -> tuple[TestResult, ...]:
    """Return the results of the tests that were asked for."""
    if not only:
        return tuple(tests)
    asked = {test.test for test in only}
    # What could not be collected stays: it may be why others are missing.
    return tuple(
        test
        for test in tests
        if test.test in asked or test.outcome is TestOutcome.ERROR
    )


async def _report(sandbox: Sandbox, plan: Plan, done: ExecResult, place: str) -> Report:
    """Read the report from the output, or else from the files of this run."""
    runner = plan.runner
    if runner.output is not None and not plan.check.report:
        if done.truncated:
            return Report(note=_OUTPUT_TOO_LARGE)
        stream = done.stderr if runner.separate_stderr else done.stdout
        text = stream.decode(errors="replace")
        printed = await asyncio.to_thread(runner.output, text)
        if printed.tests or printed.note or not plan.reports:
            return printed
    if not plan.reports:
        return Report()
    patterns = [pattern.replace("{report}", place) for pattern in plan.reports]
    try:
        files = await _reports(sandbox, place, patterns, plan.start)
    except reports.Unreadable as error:
        return Report(note=str(error))
    return await asyncio.to_thread(
        lambda: reports.merge(reports.read(file) for file in files)
    )


_OUTPUT_TOO_LARGE = (
    f"the output is larger than {REPORT_BYTES // 2**20} MiB, "
    "so no tests are read from it"
)


_FIND = """
begun="$1"; shift
for pattern; do
  case "$pattern" in
    /*) [ -f "$pattern" ] && [ ! -L "$pattern" ] && cat -- "$pattern" && printf '\\0' ;;
    *) find . -name .git -prune -o -type f -newer "$begun" -path "./$pattern" \\
         -exec cat {} \\; -exec printf '\\0' \\; ;;
  esac
done
"""
"""Prints each report with a NUL behind it, which no report holds."""


async def _reports(
    sandbox: Sandbox, place: str, patterns: Sequence[str], folder: str = ""
) -> list[bytes]:
    """Return the reports that this run has written; older ones are not its own."""
    # find's own * crosses folders, so `**/` is one.
    patterns = [
        pattern if pattern.startswith("/") else pattern.replace("**/", "*")
        for pattern in patterns
    ]
    done = await sandbox.exec(
        ["sh", "-c", _FIND, "sh", f"{place}.begun", *patterns],
        cwd=f"{WORKSPACE}/{folder}",
        timeout=_READ_SECONDS,
    )
    if done.truncated or done.exit_code is None:
        raise reports.Unreadable(
            f"the report is larger than {REPORT_BYTES // 2**20} MiB"
        )
    return [file for file in done.stdout.split(b"\0") if file]


def _tail(done: ExecResult, *, readable: Callable[[str], str] | None = None) -> str:
    output = done.stdout + done.stderr
    if readable is not None:
        output = readable(output.decode(errors="replace")).encode()
    text = output[-OUTPUT_TAIL:].decode(errors="replace")
    if len(output) <= OUTPUT_TAIL:
        return text
    return f"[… {len(output) - OUTPUT_TAIL} bytes before this]\n{text}"
