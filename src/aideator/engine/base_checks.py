"""Run the checks on the base before any agent starts, and refuse those that cannot run.

A check that says nothing about the base would say nothing about a change either: the
agents would be paid for work that nothing proves.
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from aideator.checks.compare import brief
from aideator.checks.fixes import way_out
from aideator.checks.run import RerunPolicy
from aideator.checks.startup import NO_TESTS
from aideator.checks.test_files import is_test
from aideator.domain.check import CheckResult, Measurement
from aideator.domain.errors import CheckCannotRun, EngineLost
from aideator.domain.events import CheckRun, Event
from aideator.domain.run import Run
from aideator.engine.context import RunContext
from aideator.engine.events import EventWriter
from aideator.engine.measure import measure_tree
from aideator.repositories.checkout import Checkout


@dataclass(frozen=True)
class Baseline:
    """The base of one run: its files, and what its checks say about them.

    Attributes:
        run: The run, begun. Its checks are those that can run on the base.
        checkout: The base commit's files with their environment.
        results: The measurement of each of these checks on the base, by its label.
    """

    run: Run
    checkout: Checkout
    results: Mapping[str, Measurement]


async def measure_base(context: RunContext, run: Run, checkout: Checkout) -> Baseline:
    """Run the checks on the base, or recall their earlier results.

    A container engine that goes away meanwhile is waited for, as variations do.

    Raises:
        CheckCannotRun: if a check cannot run, unless the run keeps going.
        AideatorError: if no sandbox can be opened.
    """
    for attempt in range(1, context.max_attempts + 1):
        try:
            results = await _measure(context, run, checkout)
            break
        except EngineLost:
            if attempt == context.max_attempts:
                raise
            await asyncio.sleep(context.engine_pause)
    return await _without_those_that_cannot_run(context, run, checkout, results)


async def _without_those_that_cannot_run(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    results: Mapping[str, Measurement],
) -> Baseline:
    cannot_run = {
        label: measurement.result
        for label, measurement in results.items()
        if await _says_nothing(measurement.result, checkout)
    }
    if cannot_run and not run.spec.keep_going:
        raise _refusal(context, run, checkout, next(iter(cannot_run.values())))
    checks = tuple(check for check in run.checks if check.label not in cannot_run)
    return Baseline(
        run.model_copy(update={"checks": checks}),
        replace(checkout, notes=(*checkout.notes, *map(_note, cannot_run.values()))),
        {check.label: results[check.label] for check in checks},
    )


def _refusal(
    context: RunContext, run: Run, checkout: Checkout, result: CheckResult
) -> CheckCannotRun:
    (check, *_) = (check for check in run.checks if check.label == result.check)
    return CheckCannotRun(
        f"the check `{result.check}` cannot run on the base commit:"
        f" {result.could_not_run}",
        output=result.output,
        hint=way_out(check, result, run, checkout, can_install=context.network.is_open),
    )


def _note(result: CheckResult) -> str:
    return (
        f"the check `{result.check}` is no evidence, because it cannot run on the base"
        f" commit: {result.could_not_run}"
    )


async def _says_nothing(result: CheckResult, checkout: Checkout) -> bool:
    """Return whether a check cannot run on the base.

    Where the base holds no tests, that none are found is no fault: agents may write
    the first ones.
    """
    if result.could_not_run != NO_TESTS:
        return bool(result.could_not_run)
    return await asyncio.to_thread(lambda: any(_test_files(checkout.project)))


def _test_files(root: Path) -> Iterator[bool]:
    """Yield for each file of a tree whether it holds tests."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            holds_tests = is_test(relative) and name not in _NO_TESTS_INSIDE
            yield holds_tests and not path.is_symlink() and path.stat().st_size > 0


_NO_TESTS_INSIDE = {"__init__.py", "conftest.py"}


async def _measure(
    context: RunContext, run: Run, checkout: Checkout
) -> Mapping[str, Measurement]:
    if not run.checks:
        return {}
    reported = await _reported(context, run)
    writer = EventWriter(context.log, run.id)

    async def report(measurement: Measurement) -> None:
        result = measurement.result
        if reported.get(result.check) != result.could_not_run:
            await writer.write(CheckRun(result=brief(result)))

    policy = RerunPolicy(reruns=run.spec.comparison.reruns)
    return await measure_tree(context, run, checkout, None, policy, report)


async def _reported(context: RunContext, run: Run) -> dict[str, str]:
    """Return why checks could not run, of those whose result is in the log already.

    An earlier attempt, or the turn before a follow-up, may have reported them. The
    reason is empty for a check that ran.
    """
    reported: dict[str, str] = {}
    after = 0
    while len(reported) < len(run.checks):
        entries = await context.log.read(run.id, after=after)
        if not entries:
            break
        after = entries[-1].seq
        for entry in entries:
            if entry.kind == "check":
                event = Event.model_validate_json(entry.data)
                if event.variation_id is None and isinstance(event.body, CheckRun):
                    result = event.body.result
                    reported[result.check] = result.could_not_run
    return reported
