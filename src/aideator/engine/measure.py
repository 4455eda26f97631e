"""Run the checks on the base or on base + patch, unless the result is known."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from aideator.changes.diff import parse
from aideator.changes.fork import fork
from aideator.changes.patch import Patch, apply
from aideator.checks.coverage import added_lines
from aideator.checks.run import RerunPolicy, limits_for_checks, measure
from aideator.checks.runners import Plan, plan
from aideator.domain.check import Measurement
from aideator.domain.run import Run
from aideator.engine.context import RunContext
from aideator.repositories.checkout import Checkout
from aideator.repositories.untrusted_tree import read_regular_file
from aideator.sandbox.base import Sandbox
from aideator.selection.cross_tests import edited_tests
from aideator.store import measurements

_FORMAT = 2
"""Raised when the same output would be read differently: nothing stored before is used
again."""

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


def tree_key(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch | None, rest: object
) -> str:
    """Return a hash of a tree, what can be seen beside it, and what is run on it."""
    change = hashlib.sha256(patch.data).hexdigest() if patch else ""
    facts = [
        _FORMAT,
        context.environment,
        run.spec.sandbox,
        checkout.commit.sha,
        _environment(checkout),
        change,
        rest,
        *([checkout.folder] if checkout.folder else ()),
        *([checkout.ignored.digest] if checkout.ignored else ()),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _environment(checkout: Checkout) -> list[object]:
    # Made again from the same commands, an environment may hold other versions, so the
    # time when it was made is part of the key.
    made = checkout.environment
    return [] if made is None else [made.name, made.stat().st_mtime_ns]


async def recall(
    context: RunContext, run: Run, keys: Sequence[str]
) -> list[Measurement]:
    """Return the stored measurements of these keys; empty unless all are stored."""
    own_keys = [f"{key}.{run.id}" for key in keys]
    known = await context.database.look(
        lambda connection: measurements.find(connection, [*keys, *own_keys])
    )
    found = []
    for key, own_key in zip(keys, own_keys, strict=True):
        measurement = known.get(own_key) or known.get(key)
        if measurement is None:
            return []
        found.append(measurement)
    return found


async def remember(
    context: RunContext, run: Run, found: dict[str, Measurement]
) -> None:
    """Store measurements for later runs.

    One that may be the machine's fault is stored for this run only: a check that failed
    before any test reported may have missed a tool that is there the next time.
    """
    names = {
        key: key if _depends_on_tree_only(each) else f"{key}.{run.id}"
        for key, each in found.items()
    }
    named = await asyncio.to_thread(
        lambda: {names[key]: measurements.pack(each) for key, each in found.items()}
    )
    await context.database.transact(
        lambda connection: measurements.keep(connection, named)
    )


def _depends_on_tree_only(measurement: Measurement) -> bool:
    runs = (measurement.result, *measurement.again)
    return all(run.exit_code is not None and (run.passed or run.tests) for run in runs)
