"""Measure a tree: run the checks on the base, or on base + patch, unless it is known already what they say there."""

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

_FORMAT = 1
"""Goes up when the same run would be read differently; then nothing that was remembered
holds."""


def plans(run: Run, checkout: Checkout) -> list[Plan]:
    """How each of the run's checks is carried out."""
    return [plan(check, checkout.path) for check in run.checks]


async def prove(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    patch: Patch | None,
    doubts: RerunPolicy,
    tell: Callable[[Measurement], Awaitable[None]],
) -> dict[str, Measurement]:
    """Run every check on the base, or with a patch on it, and return what each said, by its label.

    Args:
        context: What the steps act with.
        run: Whose checks.
        checkout: The base.
        patch: What is put on it; None for the base alone.
        doubts: What is run again.
        tell: Hears each measurement as it comes, also those that were known.

    Raises:
        AideatorError: if no sandbox can be had, or the patch does not apply.
    """
    todo = plans(run, checkout)
    keys = [
        _key(context, run, checkout, patch, doubts, todo[: place + 1])
        for place in range(len(todo))
    ]
    if known := await recall(context, run, keys):
        for measurement in known:
            await tell(measurement)
        return {measurement.result.check: measurement for measurement in known}
    found = []
    # Two variations may well have the same change at the same time, so its hash names
    # no fork.
    ground = open_ground(
        context, run, checkout, patch, f"{run.id}-proof-{secrets.token_hex(4)}"
    )
    async with aclosing(measure(ground, todo, doubts)) as measured:
        async for measurement in measured:
            await tell(measurement)
            found.append(measurement)
    await remember(context, run, dict(zip(keys, found, strict=True)))
    return {measurement.result.check: measurement for measurement in found}


def doubts_about(
    run: Run, patch: Patch, before: Mapping[str, Measurement], checkout: Checkout
) -> RerunPolicy:
    """What is run again on base + patch, and whose coverage is looked for."""
    files = parse(patch.data)
    return RerunPolicy(
        reruns=run.spec.comparison.reruns,
        baseline=before,
        edited=edited_tests(files, old_text(checkout)),
        lines=added_lines(files),
    )


def old_text(checkout: Checkout) -> Callable[[str], str]:
    """How to read a file of the base; what is no file there is empty."""
    return lambda path: read_regular_file(checkout.path / path).decode(
        errors="backslashreplace"
    )


def open_ground(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch | None, name: str
) -> Callable[[], AbstractAsyncContextManager[Sandbox]]:
    """How to open a fresh sandbox over the base, with a patch on it."""

    @asynccontextmanager
    async def ground() -> AsyncIterator[Sandbox]:
        backend = await context.backend_of(run)
        async with (
            fork(checkout, context.home, name) as clean,
            backend.open(clean.scratch, limits_for_checks(context.limits)) as sandbox,
        ):
            if patch is not None:
                await apply(sandbox, patch)
            yield sandbox

    return ground


def _key(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    patch: Patch | None,
    doubts: RerunPolicy,
    todo: Sequence[Plan],
) -> str:
    # A check runs where those before it have run, so they belong to its question.
    commands = [each.check.model_dump_json() for each in todo]
    return hashed(
        context,
        run,
        checkout,
        patch,
        [doubts.reruns, doubts.baseline is None, commands],
    )


def hashed(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch | None, rest: object
) -> str:
    """A hash of a tree, what can be seen beside it, and what is asked about it."""
    change = hashlib.sha256(patch.data).hexdigest() if patch else ""
    asked = [
        _FORMAT,
        context.environment,
        run.spec.sandbox,
        checkout.commit.sha,
        _layer(checkout),
        change,
        rest,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _layer(checkout: Checkout) -> list[object]:
    # Made anew from the same commands, an environment may hold other versions: when it
    # was made belongs to it.
    made = checkout.environment
    return [] if made is None else [made.name, made.stat().st_mtime_ns]


async def recall(
    context: RunContext, run: Run, keys: Sequence[str]
) -> list[Measurement]:
    """What is known of these questions; nothing unless all of it is known."""
    wanted = [name for key in keys for name in (key, f"{key}.{run.id}")]
    known = await context.database.look(
        lambda connection: measurements.find(connection, wanted)
    )
    found = [known.get(f"{key}.{run.id}") or known.get(key) for key in keys]
    return [each for each in found if each is not None] if None not in found else []


async def remember(
    context: RunContext, run: Run, found: dict[str, Measurement]
) -> None:
    """Keep measurements for later runs; one that may be the machine's fault only for this run.

    A check that failed before any test spoke may have missed a tool that is there the
    next time.
    """
    names = {
        key: key if _is_of_the_tree(each) else f"{key}.{run.id}"
        for key, each in found.items()
    }
    named = await asyncio.to_thread(
        lambda: {names[key]: measurements.pack(each) for key, each in found.items()}
    )
    await context.database.transact(
        lambda connection: measurements.keep(connection, named)
    )


def _is_of_the_tree(measurement: Measurement) -> bool:
    runs = (measurement.result, *measurement.again)
    return all(run.exit_code is not None and (run.passed or run.tests) for run in runs)
