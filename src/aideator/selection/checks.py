"""Run the project's own checks in a sandbox, and say what a change did to them."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from aideator.domain.check import Check, CheckResult
from aideator.domain.verdict import Change, CheckChange
from aideator.sandbox.base import Sandbox

OUTPUT_TAIL = 16_384
"""Bytes of a check's output that are kept with its result. The end tells the most."""


async def run_checks(sandbox: Sandbox, checks: Iterable[Check]) -> AsyncIterator[CheckResult]:
    """Run checks one after another, like the steps of a CI job, and yield each result as it comes.

    Raises:
        SandboxLost: if the sandbox ended before the last check did.
    """
    for check in checks:
        begun = time.monotonic()
        # One stream, so that the kept tail shows errors where they happened.
        done = await sandbox.exec(["sh", "-c", f"exec 2>&1; {check.command}"], timeout=check.timeout)
        yield CheckResult(
            check=check.label,
            exit_code=done.exit_code,
            seconds=round(time.monotonic() - begun, 3),
            output=_tail(done.stdout),
            note=f"stopped after {check.timeout:g} s" if done.exit_code is None else "",
        )


def _tail(output: bytes) -> str:
    text = output[-OUTPUT_TAIL:].decode(errors="replace")
    return text if len(output) <= OUTPUT_TAIL else f"[… {len(output) - OUTPUT_TAIL} bytes before this]\n{text}"


def compare(baseline: Mapping[str, CheckResult], results: Sequence[CheckResult]) -> tuple[CheckChange, ...]:
    """Say what became of each check against the run of the same check on the base.

    A check without a baseline is compared with one that fails: a change must prove itself.
    """
    return tuple(
        CheckChange(check=after.check, change=_change(before=_passed(baseline.get(after.check)), after=after.passed))
        for after in results
    )


def _passed(result: CheckResult | None) -> bool:
    return result is not None and result.passed


def _change(*, before: bool, after: bool) -> Change:
    if before:
        return Change.STILL_PASSING if after else Change.BROKEN
    return Change.FIXED if after else Change.STILL_FAILING
