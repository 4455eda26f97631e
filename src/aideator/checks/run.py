"""Run the project's own checks in a sandbox, read what each test said, and run again what is in doubt.

A check that hangs, prints without end or takes its sandbox along is a result like any
other; the next one gets a new sandbox. Repeats are fresh processes in the same sandbox:
a test that passes only when it has run before shows itself.
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
from aideator.checks.printed import go, go_output
from aideator.checks.reports import Report
from aideator.checks.runners import PLACE, REPORTER, Plan, short_name
from aideator.domain.check import (
    NOT_FOUND,
    NOT_FOUND_NOTE,
    CheckResult,
    Measurement,
    TestOutcome,
    TestResult,
)
from aideator.domain.errors import DiskLimitExceeded, SandboxLost
from aideator.sandbox.base import ExecResult, Limits, Sandbox

OUTPUT_TAIL = 16_384
"""Bytes of a check's output that are kept with its result. The end tells the most."""
REPORT_BYTES = 16 * 2**20
"""Bytes of a report, or of an output that is read as one. What is larger is not read,
and the exit code decides."""
_READ_SECONDS = 60.0

BAD = frozenset({TestOutcome.FAILED, TestOutcome.ERROR})

Ground = Callable[[], AbstractAsyncContextManager[Sandbox]]
"""Opens a fresh sandbox over the tree that is to be measured."""


@dataclass(frozen=True)
class Doubts:
    """Which tests are run again before they count."""

    reruns: int = 2
    before: Mapping[str, Measurement] | None = None
    """What the same checks said on the base; None when it is the base that is
    measured."""
    edited: Collection[str] = ()
    """Names of tests whose own lines the change touches."""
    lines: Mapping[str, Collection[int]] = field(default_factory=dict)
    """The lines that the change added, by file, whose coverage is looked for."""


def for_checks(limits: Limits) -> Limits:
    """The limits of a sandbox that runs checks: it may report more than an agent may print."""
    return replace(limits, output_bytes=REPORT_BYTES)


async def measure(
    ground: Ground, plans: Sequence[Plan], doubts: Doubts
) -> AsyncGenerator[Measurement]:
    """Run checks one after another, like the steps of a CI job, and yield each measurement as it comes.

    Raises:
        AideatorError: if no sandbox can be had, or the change cannot be put into it.
    """
    pending = deque(plans)
    while pending:
        async with ground() as sandbox:
            alive = True
            while pending and alive:
                measurement, alive = await _measure(sandbox, pending.popleft(), doubts)
                yield measurement


async def _measure(
    sandbox: Sandbox, plan: Plan, doubts: Doubts
) -> tuple[Measurement, bool]:
    """One check, and whether its sandbox is still there."""
    begun = time.monotonic()
    again: list[CheckResult] = []
    lines = None
    try:
        result = await run_check(sandbox, plan)
    except (SandboxLost, DiskLimitExceeded) as lost:
        return Measurement(result=_lost(plan, lost, time.monotonic() - begun)), False
    try:
        if doubts.lines and plan.check.kind == "test":
            lines = await asyncio.to_thread(
                covered, await _coverage(sandbox), doubts.lines
            )
        tests = doubtful(plan, result, doubts)
        for _ in range(doubts.reruns if tests is not None else 0):
            again.append(await run_check(sandbox, plan, only=tests))
    except (SandboxLost, DiskLimitExceeded) as lost:
        again.append(_lost(plan, lost, 0.0))
        return Measurement(result=result, again=tuple(again), covered=lines), False
    return Measurement(result=result, again=tuple(again), covered=lines), True


async def _coverage(sandbox: Sandbox) -> list[bytes]:
    try:
        return await _reports(sandbox, f"{PLACE}/first", COVERAGE_REPORTS)
    except reports.Unreadable:
        return []


def _lost(plan: Plan, lost: Exception, seconds: float) -> CheckResult:
    return CheckResult(
        check=plan.check.label,
        exit_code=None,
        seconds=round(seconds, 3),
        note=str(lost),
    )


def doubtful(
    plan: Plan, result: CheckResult, doubts: Doubts
) -> tuple[TestResult, ...] | None:
    """The tests to run again, none of them for the whole check; None when nothing is in doubt.

    On the base what fails is in doubt; on base + patch also what is new, what has come
    to pass, and what was edited.
    """
    if plan.check.kind != "test" or result.exit_code is None:
        return None
    before = doubts.before.get(plan.check.label) if doubts.before is not None else None
    if not result.tests:
        return (
            () if not result.passed or (before and not before.result.passed) else None
        )
    known = {test.test: test.outcome for test in before.result.tests} if before else {}
    tests = tuple(
        test
        for test in result.tests
        if test.outcome in BAD
        or (known.get(test.test) in BAD and test.outcome is TestOutcome.PASSED)
        or (
            doubts.before is not None
            and test.test not in known
            and test.outcome is not TestOutcome.SKIPPED
        )
        or short_name(test.test) in doubts.edited
    )
    # A check that fails although none of its tests does is in doubt as a whole.
    blame = result.passed or any(test.outcome in BAD for test in tests)
    return (tests or None) if blame else ()


async def run_check(
    sandbox: Sandbox,
    plan: Plan,
    *,
    only: Sequence[TestResult] | None = None,
    timeout: float | None = None,
) -> CheckResult:
    """Run one check, or some of its tests where its runner can select them, else all.

    Raises:
        SandboxLost: if the sandbox ended before the check did.
    """
    command = (plan.command(only) if only else None) or plan.command()
    assert command is not None
    token = secrets.token_hex(4)
    place = f"{PLACE}/{token}"
    env = {
        name: value.replace("{report}", place)
        for name, value in plan.runner.env.items()
    }
    if any(REPORTER.name in value for value in env.values()):
        await sandbox.exec(
            ["sh", "-c", f"mkdir -p {PLACE}; cat > {PLACE}/{REPORTER.name}"],
            stdin=_reporter(),
        )
    # One stream, so that the kept tail shows errors where they happened.
    joined = "" if plan.runner.apart else "exec 2>&1; "
    marks = f"mkdir -p {PLACE}; [ -e {PLACE}/first.begun ] || : > {PLACE}/first.begun; : > {place}.begun"
    before = f"{plan.runner.before}; " if plan.runner.before else ""
    script = f"{marks}; {before}{joined}{command.replace('{report}', place)}"
    begun = time.monotonic()
    limit = plan.check.timeout if timeout is None else min(timeout, plan.check.timeout)
    done = await sandbox.exec(["sh", "-c", script], env=env, timeout=limit)
    seconds = round(time.monotonic() - begun, 3)
    if done.exit_code is None:
        return CheckResult(
            check=plan.check.label,
            exit_code=None,
            seconds=seconds,
            output=_tail(done),
            note=f"stopped after {limit:g} s",
        )
    report = await _report(sandbox, plan, done, place)
    tests = tuple(plan.seen_from_the_root(test) for test in report.tests)
    asked = {test.test for test in only} if only else None
    # What could not be collected stays: it may be why others are missing.
    tests = tuple(
        test
        for test in tests
        if asked is None or test.test in asked or test.outcome is TestOutcome.ERROR
    )
    return CheckResult(
        check=plan.check.label,
        exit_code=done.exit_code,
        seconds=seconds,
        output=_tail(done, readable=go_output if plan.runner.output is go else None),
        note=report.note
        or (NOT_FOUND_NOTE if done.exit_code == NOT_FOUND and not tests else ""),
        source=report.source if tests else "exit_code",
        counts=dict(Counter(test.outcome for test in tests)),
        tests=tests,
        findings=await asyncio.to_thread(count_findings, plan.check.kind, done),
    )


def _reporter() -> bytes:
    return REPORTER.read_bytes()


async def _report(sandbox: Sandbox, plan: Plan, done: ExecResult, place: str) -> Report:
    if plan.runner.output is not None and not plan.check.report:
        if done.truncated:
            return Report(
                note=f"the output is larger than {REPORT_BYTES // 2**20} MiB, so no tests are read from it"
            )
        said = (done.stderr if plan.runner.apart else done.stdout).decode(
            errors="replace"
        )
        printed = await asyncio.to_thread(plan.runner.output, said)
        if printed.tests or printed.note or not plan.reports:
            return printed
    if not plan.reports:
        return Report()
    try:
        files = await _reports(
            sandbox,
            place,
            [pattern.replace("{report}", place) for pattern in plan.reports],
        )
    except reports.Unreadable as error:
        return Report(note=str(error))
    return await asyncio.to_thread(
        lambda: reports.merge(reports.read(file) for file in files)
    )


_FIND = """
begun="$1"; shift
for pattern; do
  case "$pattern" in
    /*) [ -f "$pattern" ] && [ ! -L "$pattern" ] && cat -- "$pattern" && printf '\\0' ;;
    *) find . -name .git -prune -o -type f -newer "$begun" -path "./$pattern" -exec cat {} \\; -exec printf '\\0' \\; ;;
  esac
done
"""
"""Prints each report with a NUL behind it, which no report holds."""


async def _reports(
    sandbox: Sandbox, place: str, patterns: Sequence[str]
) -> list[bytes]:
    """The reports that this run has written; older ones are not its own."""
    # find's own * crosses folders, so `**/` is one.
    patterns = [
        pattern if pattern.startswith("/") else pattern.replace("**/", "*")
        for pattern in patterns
    ]
    done = await sandbox.exec(
        ["sh", "-c", _FIND, "sh", f"{place}.begun", *patterns], timeout=_READ_SECONDS
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
    return (
        text
        if len(output) <= OUTPUT_TAIL
        else f"[… {len(output) - OUTPUT_TAIL} bytes before this]\n{text}"
    )
