"""What running its checks shows about one variation's change."""

import asyncio
from collections.abc import Mapping, Sequence

from aideator.changes.diff import parse
from aideator.changes.fingerprint import fingerprint
from aideator.changes.patch import Patch
from aideator.checks.compare import brief, compare, deltas
from aideator.checks.outcomes import (
    failing_names,
    tells_failures,
    test_files_of,
)
from aideator.domain.check import Measurement
from aideator.domain.events import CheckRun
from aideator.domain.run import Run
from aideator.domain.verdict import CheckChange, Flag, Verdict
from aideator.engine.base_checks import Baseline
from aideator.engine.context import RunContext
from aideator.engine.events import EventWriter
from aideator.engine.measure import (
    measure_tree,
    rerun_policy,
    with_whole_runs,
)
from aideator.engine.rebuild import note_on_builds
from aideator.flags.lost_tests import flag_lost_tests
from aideator.flags.tamper import find_flags


async def check(
    context: RunContext,
    baseline: Baseline,
    number: int,
    patch: Patch,
    writer: EventWriter,
) -> Verdict:
    """Run the checks on base + patch in a fresh sandbox, and compare with the base."""
    run, checkout = baseline.run, baseline.checkout
    before = baseline.results
    after: Mapping[str, Measurement] = {}
    if patch.data and run.checks:

        async def report(measurement: Measurement) -> None:
            await writer.write(CheckRun(result=brief(measurement.result)))

        policy = await asyncio.to_thread(rerun_policy, run, patch, before, checkout)
        after = await measure_tree(context, run, checkout, patch, policy, report)
        before = await with_whole_runs(context, run, checkout, before, after)
    unknown = await note_on_builds(context, run, checkout, patch)
    checks = await asyncio.to_thread(compare, run.checks, before, after)
    return Verdict(
        variation_id=number,
        patch=patch.stats,
        paths=patch.paths,
        fingerprint=await asyncio.to_thread(fingerprint, patch.data),
        checks=checks,
        flags=await asyncio.to_thread(flags_of, run, patch, before, checks),
        deltas=deltas(run.checks, before, after),
        seconds=round(sum(measurement.seconds for measurement in after.values()), 3),
        notes=(*checkout.notes, *patch.notes, *unknown),
    )


def flags_of(
    run: Run,
    patch: Patch,
    baseline: Mapping[str, Measurement],
    checks: Sequence[CheckChange],
) -> tuple[Flag, ...]:
    """Return what about the change needs a person's approval.

    Args:
        run: Whose checks and protected paths.
        patch: The change.
        baseline: The checks on the base, which name the files that hold tests.
        checks: What the change did to each check.
    """
    found = find_flags(
        parse(patch.data),
        checks=run.checks,
        protected=run.protected,
        test_files=test_files_of(baseline.values()),
        task=run.spec.prompt if all(map(tells_failures, baseline.values())) else "",
        failing=failing_names(baseline.values()),
    )
    return (*found, *flag_lost_tests(checks))
