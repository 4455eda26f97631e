"""Build again what set-up has built, where a change touches its sources."""

import asyncio
import time
from collections.abc import Sequence

from aideator.changes.fork import fork
from aideator.changes.patch import Patch
from aideator.checks.run import BUILD_FAILED, limits_for_checks
from aideator.checks.test_files import is_test
from aideator.domain.check import CheckResult, Measurement
from aideator.domain.run import Run
from aideator.engine.context import RunContext
from aideator.engine.known import recall, remember, tree_key
from aideator.repositories.checkout import Checkout
from aideator.sandbox.base import Sandbox
from aideator.setup.rebuild import builds_for

_SECONDS = 900.0
_MARK_FAILURE = 'mkdir -p "${1%/*}"; cat > "$1"'


async def builds_needed(
    run: Run, checkout: Checkout, patch: Patch | None
) -> tuple[str, ...]:
    """Return the commands that build what a change touches; none for the base."""
    if patch is None or checkout.environment is None:
        return ()
    prefix = f"{checkout.folder}/" if checkout.folder else ""
    paths = [path.removeprefix(prefix) for path in patch.paths if not is_test(path)]
    return await asyncio.to_thread(builds_for, run.setup, checkout.project, paths)


async def rebuild(
    context: RunContext,
    run: Run,
    checkout: Checkout,
    patch: Patch | None,
    sandbox: Sandbox,
) -> None:
    """Build again, in a sandbox with the change in it, what the change touches.

    If that fails, each check in this sandbox fails with the output. Nothing is built
    where the same commands cannot build the base either.
    """
    builds = await builds_needed(run, checkout, patch)
    if not builds or not await _can_build(context, run, checkout, builds):
        return
    done = await _build(checkout, builds, sandbox)
    if not done.passed:
        await sandbox.exec(
            ["sh", "-c", _MARK_FAILURE, "sh", BUILD_FAILED], stdin=done.output.encode()
        )


async def note_on_builds(
    context: RunContext, run: Run, checkout: Checkout, patch: Patch
) -> tuple[str, ...]:
    """Return a note if the change touches what cannot be built again."""
    builds = await builds_needed(run, checkout, patch)
    if not builds or await _can_build(context, run, checkout, builds):
        return ()
    commands = " and ".join(f"`{command}`" for command in builds)
    return (
        "this change touches what set-up has built, and it cannot be built again"
        f" without a network ({commands} fails on the base): what the checks say about"
        " it is not known",
    )


async def _can_build(
    context: RunContext, run: Run, checkout: Checkout, builds: Sequence[str]
) -> bool:
    """Return whether commands can build the base, without a network."""
    key = tree_key(context, run, checkout, None, ["build", *builds])
    known = await recall(context, run, [key])
    if not known:
        backend = await context.backend_of(run)
        name = f"{run.id}-build-{time.monotonic_ns()}"
        async with (
            fork(checkout, context.home, name) as clean,
            backend.open(clean.scratch, limits_for_checks(context.limits)) as sandbox,
        ):
            known = [Measurement(result=await _build(checkout, builds, sandbox))]
        await remember(context, run, {key: known[0]})
    return known[0].result.passed


async def _build(
    checkout: Checkout, builds: Sequence[str], sandbox: Sandbox
) -> CheckResult:
    begun = time.monotonic()
    done = await sandbox.exec(
        ["sh", "-c", f"exec 2>&1; set -e; {'; '.join(builds)}"],
        cwd=checkout.working_directory,
        timeout=_SECONDS,
    )
    return CheckResult(
        check=" && ".join(builds),
        exit_code=done.exit_code,
        seconds=round(time.monotonic() - begun, 3),
        output=done.stdout[-16_384:].decode(errors="replace"),
    )
