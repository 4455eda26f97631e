"""Run the checks on the base or on base + patch, unless the result is known."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from aideator.changes.diff import parse
from aideator.changes.fork import fork
from aideator.changes.patch import Patch, apply
from aideator.checks.coverage import added_lines
from aideator.checks.outcomes import fail_only_together
from aideator.checks.run import RerunPolicy, limits_for_checks, measure, run_check
from aideator.checks.runners import Plan, plan
from aideator.domain.check import Measurement
from aideator.domain.run import Run
from aideator.engine.context import RunContext
from aideator.engine.known import recall, remember, tree_key
from aideator.engine.rebuild import rebuild
from aideator.repositories.checkout import Checkout
from aideator.repositories.untrusted_tree import read_regular_file
from aideator.sandbox.base import Sandbox
from aideator.selection.cross_tests import edited_tests

Report = Callable[[Measurement], Awaitable[None]]
"""Receives each measurement as it comes, also those that were known."""


def plans(run: Run, checkout: Checkout) -> list[Plan]:
    """Return how each of the run's checks is carried out."""
    return [plan(check, checkout.path, checkout.folder) for check in run.checks]


async def measure_tree(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    patch: Patch | None,
    policy: RerunPolicy,
    report: Report,
) -> dict[str, Measurement]:
    """Run every check on the base, or with a patch on it.

    Args:
        context: The services.
        run: Whose checks.
        checkout: The base.
        patch: What is applied to it; None for the base alone.
        policy: What is run again.
        report: Receives each measurement as it comes.

    Returns:
        The measurement of each check, by its label.

    Raises:
        AideatorError: if no sandbox can be opened, or the patch does not apply.
    """
    todo = plans(run, checkout)
    keys = [
        _measurement_key(context, run, checkout, patch, policy, todo[: place + 1])
        for place in range(len(todo))
    ]
    if known := await recall(context, run, keys):
        for measurement in known:
            await report(measurement)
        return _by_check(known)
    found = []
    # Two variations may have the same change at the same time, so a hash of the change
    # would not be unique as the fork's name.
    sandbox = checks_sandbox(
        context, run, checkout, patch, f"{run.id}-proof-{secrets.token_hex(4)}"
    )
    async with aclosing(measure(sandbox, todo, policy)) as measured:
        async for measurement in measured:
            await report(measurement)
            found.append(measurement)
    if _may_be_kept(patch, found):
        await remember(context, run, dict(zip(keys, found, strict=True)))
    return _by_check(found)


async def with_whole_runs(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    before: Mapping[str, Measurement],
    after: Mapping[str, Measurement],
) -> Mapping[str, Measurement]:
    """Return the base's measurements, with further runs of whole checks where needed.

    A test that a change makes fail only together with others has to pass together with
    them on the base, as often, or it is flaky.
    """
    asked = [
        label
        for label, measurement in after.items()
        if _is_asked_as_a_whole(before.get(label), measurement)
    ]
    if not asked:
        return before
    todo = plans(run, checkout)
    commands = [each.check.model_dump_json() for each in todo]
    facts = ["whole", run.spec.comparison.reruns, asked, commands]
    key = tree_key(context, run, checkout, None, facts)
    keys = [f"{key}.{place}" for place in range(len(asked))]
    known = await recall(context, run, keys)
    if not known:
        known = await _whole_runs(context, run, checkout, todo, asked)
        await remember(context, run, dict(zip(keys, known, strict=True)))
    more = {
        each.result.check: before[each.result.check].model_copy(
            update={"whole": (each.result, *each.again)}
        )
        for each in known
    }
    return {**before, **more}


def _is_asked_as_a_whole(before: Measurement | None, after: Measurement) -> bool:
    if before is None or before.whole:
        return False
    return bool(fail_only_together(after))


async def _whole_runs(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    todo: Sequence[Plan],
    asked: Sequence[str],
) -> list[Measurement]:
    """Run whole checks on the base, in one sandbox, after what builds it."""
    name = f"{run.id}-whole-{secrets.token_hex(4)}"
    found = []
    async with checks_sandbox(context, run, checkout, None, name)() as sandbox:
        for each in todo:
            if each.check.kind == "build":
                await run_check(sandbox, each)
            elif each.check.label in asked:
                times = range(max(1, run.spec.comparison.reruns))
                first, *again = [await run_check(sandbox, each) for _ in times]
                found.append(Measurement(result=first, again=tuple(again)))
    return found


def _by_check(measured: Sequence[Measurement]) -> dict[str, Measurement]:
    return {measurement.result.check: measurement for measurement in measured}


def _may_be_kept(patch: Patch | None, found: Sequence[Measurement]) -> bool:
    """Return whether measurements may be recalled.

    Once what a check of the base lacked is there, the base has to be measured again.
    """
    return patch is not None or not any(each.result.could_not_run for each in found)


def rerun_policy(
    run: Run, patch: Patch, before: Mapping[str, Measurement], checkout: Checkout
) -> RerunPolicy:
    """Choose the tests to repeat on base + patch, and the lines to read coverage of."""
    files = parse(patch.data)
    return RerunPolicy(
        reruns=run.spec.comparison.reruns,
        baseline=before,
        edited=edited_tests(files, base_reader(checkout)),
        lines=added_lines(files),
    )


def base_reader(checkout: Checkout) -> Callable[[str], str]:
    """Return a function that reads a file of the base; empty where there is none."""
    return lambda path: read_regular_file(checkout.path / path).decode(
        errors="backslashreplace"
    )


def checks_sandbox(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch | None, name: str
) -> Callable[[], AbstractAsyncContextManager[Sandbox]]:
    """Return a function that opens a fresh sandbox over the base, with a patch applied.

    What set-up has built from files of the patch is built again.

    Args:
        context: The services.
        run: Whose back end is used.
        checkout: The base.
        patch: What is applied to it, or None.
        name: Name of the fork, unique among those that live.
    """

    @asynccontextmanager
    async def open_sandbox() -> AsyncIterator[Sandbox]:
        backend = await context.backend_of(run)
        async with (
            fork(checkout, context.home, name) as clean,
            backend.open(clean.scratch, limits_for_checks(context.limits)) as sandbox,
        ):
            if patch is not None:
                await apply(sandbox, patch)
            await rebuild(context, run, checkout, patch, sandbox)
            yield sandbox

    return open_sandbox


def _measurement_key(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    patch: Patch | None,
    policy: RerunPolicy,
    todo: Sequence[Plan],
) -> str:
    # A check runs where those before it have run, so its result depends on them.
    commands = [each.check.model_dump_json() for each in todo]
    return tree_key(
        context,
        run,
        checkout,
        patch,
        [policy.reruns, policy.baseline is None, commands],
    )
