"""Run the tests that each variation wrote on all other variations and on the base.

It happens after all variations have settled and before the verdict. It may be repeated
after a crash, and then finds what it has measured already.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from aideator.changes.diff import FileDiff, parse
from aideator.changes.patch import Patch
from aideator.checks.run import run_check
from aideator.checks.runners import Plan
from aideator.domain.check import Measurement
from aideator.domain.errors import (
    AideatorError,
    DiskLimitExceeded,
    NotFound,
    SandboxLost,
)
from aideator.domain.events import EvidenceGathered
from aideator.domain.ranking import Evidence
from aideator.domain.run import Variation, VariationStatus
from aideator.engine.base_checks import Baseline
from aideator.engine.context import RunContext, Slot
from aideator.engine.cross_tests.plan import (
    BASE,
    MAX_TESTS,
    CrossTestPlan,
    merge_tests,
)
from aideator.engine.events import EventWriter
from aideator.engine.known import recall, remember, tree_key
from aideator.engine.measure import (
    base_reader,
    checks_sandbox,
    measure_tree,
    plans,
    rerun_policy,
)
from aideator.repositories.checkout import Checkout
from aideator.sandbox.base import Sandbox
from aideator.selection.cross_tests import (
    Bundle,
    OwnTest,
    only_about,
    own_tests,
    pack,
    paths_to_copy,
)
from aideator.store import runs

_REPEATS = 1
"""How often a foreign test is run again; it counts only if the result is the same each
time."""
_PROGRESS_SECONDS = 1.0
"""The least time between two events of progress."""
_TAR_SECONDS = 60.0


async def run_cross_tests(
    context: RunContext, baseline: Baseline, variations: Sequence[Variation], slot: Slot
) -> Evidence:
    """Run the variations' own tests on each other, within the run's bounds.

    Args:
        context: The services.
        baseline: The begun run.
        variations: Its variations, all settled.
        slot: Held by each sandbox, so that other runs get their share.

    Returns:
        What was found out; nothing if the run wants no cross-tests, has no checks, or
        no variation changed anything.

    Raises:
        AideatorError: if the checks of a variation cannot be run.
    """
    run = baseline.run
    if not run.spec.comparison.cross_tests or not run.checks:
        return Evidence()
    finished = [v.number for v in variations if v.status is VariationStatus.FINISHED]
    patches = await _patches(context, run.id, finished)
    if not patches:
        return Evidence()
    plan = await _plan(context, baseline, finished, patches)
    await _CrossTests(context, baseline, slot, plan).run_all()
    return plan.evidence()


async def _patches(
    context: RunContext, run_id: str, numbers: Sequence[int]
) -> dict[int, Patch]:
    """Return the changes of these variations, without the empty ones."""
    patches = {}
    async with context.database.read() as session:
        for number in numbers:
            with suppress(NotFound):
                if data := await runs.patch(session, run_id, number):
                    patches[number] = Patch(data)
    return patches


async def _plan(
    context: RunContext,
    baseline: Baseline,
    finished: Sequence[int],
    patches: dict[int, Patch],
) -> CrossTestPlan:
    """Find out who wrote which tests.

    The checks run again only on a variation whose measurements were deleted.
    """

    async def ignore(_: Measurement) -> None:
        """Do nothing: these results were reported when the variation was checked."""

    run, checkout = baseline.run, baseline.checkout
    before = baseline.results
    measured, written, paths = {}, {}, {}
    for number, patch in patches.items():
        policy = await asyncio.to_thread(rerun_policy, run, patch, before, checkout)
        measured[number] = await measure_tree(
            context, run, checkout, patch, policy, ignore
        )
        files = await asyncio.to_thread(parse, patch.data)
        paths[number] = tuple(paths_to_copy(files))
        written[number] = await asyncio.to_thread(
            _written, files, before, measured[number], checkout
        )
    tests = merge_tests(written, measured)
    return CrossTestPlan(tuple(finished), patches, measured, tests, paths)


def _written(
    files: Sequence[FileDiff],
    before: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
    checkout: Checkout,
) -> list[OwnTest]:
    """Return the tests that a variation wrote or changed."""
    read_base = base_reader(checkout)
    tests: list[OwnTest] = []
    for label, measurement in measured.items():
        on_base = before[label].result
        tests += own_tests(label, files, measurement.result, on_base, read_base)
    return tests


class _CrossTests:
    """Runs a plan: one sandbox a job, as many at a time as the engine has slots for."""

    def __init__(
        self, context: RunContext, baseline: Baseline, slot: Slot, plan: CrossTestPlan
    ) -> None:
        self._context = context
        self._run = baseline.run
        self._checkout = baseline.checkout
        self._slot = slot
        self._plan = plan
        self._reported_at = time.monotonic()
        self._checks = [
            each
            for each in plans(self._run, self._checkout)
            if each.check.kind in {"test", "build"}
        ]
        self._packing = asyncio.Lock()
        self._archives: dict[int, bytes] = {}

    async def run_all(self) -> None:
        """Run every test on every tree, within the bounds.

        What does not fit is counted and noted.
        """
        bundles = self._plan.bundles.values()
        if any(len(bundle.tests) == MAX_TESTS for bundle in bundles):
            self._plan.note(
                f"of each variation's tests the first {MAX_TESTS} were run on the "
                "others"
            )
        async with asyncio.TaskGroup() as group:
            for tree, wanted in self._plan.jobs():
                unknown = [b for b in wanted if not await self._is_known(tree, b)]
                for batch in pack(unknown):
                    name = f"{self._run.id} cross-tests {tree}"
                    group.create_task(self._job(tree, batch), name=name)

    async def _is_known(self, tree: int, bundle: Bundle) -> bool:
        """Take the results of a bundle on a tree from the store, if they are there."""
        keys = self._keys(tree, bundle)
        found = await recall(self._context, self._run, list(keys.values()))
        if found:
            results = dict(zip(keys, found, strict=True))
            self._plan.results[tree, bundle.author] = results
            self._plan.spend(cached=len(bundle.tests))
        return bool(found)

    def _keys(self, tree: int, bundle: Bundle) -> dict[str, str]:
        """Return, by check, the key of a bundle's results on a tree."""
        author = hashlib.sha256(self._plan.patches[bundle.author].data).hexdigest()
        keys = {}
        for each in self._checks:
            label = each.check.label
            tests = sorted(t.result.test for t in bundle.tests if t.check == label)
            if tests:
                check = each.check.model_dump_json()
                keys[label] = tree_key(
                    self._context,
                    self._run,
                    self._checkout,
                    self._plan.patches.get(tree),
                    ["cross", _REPEATS, author, check, tests],
                )
        return keys

    async def _job(self, tree: int, batch: Sequence[Bundle]) -> None:
        async with self._slot():
            try:
                await self._in_one_sandbox(tree, batch)
            except (SandboxLost, DiskLimitExceeded) as lost:
                if len(batch) == 1:
                    self._note_failure(tree, batch, lost)
                else:
                    # One bundle took the sandbox with it: each gets one of its own.
                    for bundle in batch:
                        await self._alone(tree, bundle)
            except AideatorError as error:
                self._note_failure(tree, batch, error)
        await self._report_progress()

    async def _report_progress(self) -> None:
        if time.monotonic() - self._reported_at > _PROGRESS_SECONDS:
            self._reported_at = time.monotonic()
            progress = EvidenceGathered(evidence=self._plan.evidence())
            await EventWriter(self._context.log, self._run.id).write(progress)

    async def _alone(self, tree: int, bundle: Bundle) -> None:
        try:
            await self._in_one_sandbox(tree, [bundle])
        except AideatorError as error:
            self._note_failure(tree, [bundle], error)

    def _note_failure(
        self, tree: int, batch: Sequence[Bundle], error: AideatorError
    ) -> None:
        whose = " and ".join(f"variation {bundle.author}" for bundle in batch)
        where = f"variation {tree}" if tree != BASE else "the base"
        self._plan.note(f"the tests of {whose} could not be run on {where}: {error}")

    async def _in_one_sandbox(self, tree: int, batch: Sequence[Bundle]) -> None:
        """Run the tests of several authors on one tree."""
        archives = []
        if self._within_bounds():
            archives = [await self._archive(bundle) for bundle in batch]
        if not self._within_bounds():
            self._leave_out(batch)
            return
        tests: list[OwnTest] = []
        for bundle in batch:
            tests += bundle.tests
        patch = self._plan.patches.get(tree)
        name = f"{self._run.id}-cross-{tree}-{batch[0].author}"
        begun = time.monotonic()
        self._plan.spend(sandboxes=1)
        try:
            async with checks_sandbox(
                self._context, self._run, self._checkout, patch, name
            )() as sandbox:
                for archive in archives:
                    await _unpack(sandbox, archive)
                said = [await self._measure(sandbox, c, tests) for c in self._checks]
        finally:
            self._plan.spend(seconds=time.monotonic() - begun)
        measured = [each for each in said if each is not None]
        for bundle in batch:
            await self._store(tree, bundle, measured)

    def _within_bounds(self) -> bool:
        bound, spent = self._run.spec.comparison, self._plan.cost
        return spent.sandboxes < bound.sandboxes and spent.seconds < bound.seconds

    def _leave_out(self, batch: Sequence[Bundle]) -> None:
        self._plan.spend(left_out=sum(len(bundle.tests) for bundle in batch))
        self._plan.note(
            "not every test was run on every variation: the bound on sandboxes or "
            "seconds was reached"
        )

    async def _measure(
        self, sandbox: Sandbox, plan: Plan, tests: Sequence[OwnTest]
    ) -> Measurement | None:
        """Run one check's foreign tests, each time in a process of its own.

        A build runs first, because the tests depend on it.
        """
        only = [test.result for test in tests if test.check == plan.check.label]
        left = max(1.0, self._run.spec.comparison.seconds - self._plan.cost.seconds)
        if plan.check.kind == "build":
            await run_check(sandbox, plan, timeout=left)
        if not only:
            return None
        result = await run_check(sandbox, plan, only=only, timeout=left)
        again = [
            await run_check(sandbox, plan, only=only, timeout=left)
            for _ in range(_REPEATS)
        ]
        return Measurement(result=result, again=tuple(again))

    async def _store(
        self, tree: int, bundle: Bundle, measured: Sequence[Measurement]
    ) -> None:
        """Keep the part of the measurements that is about one bundle."""
        keys = self._keys(tree, bundle)
        own = {
            each.result.check: Measurement(
                result=only_about(each.result, bundle.tests),
                again=tuple(only_about(run, bundle.tests) for run in each.again),
            )
            for each in measured
            if each.result.check in keys
        }
        self._plan.results[tree, bundle.author] = own
        by_key = {keys[label]: measurement for label, measurement in own.items()}
        await remember(self._context, self._run, by_key)

    async def _archive(self, bundle: Bundle) -> bytes:
        """Return the author's test files as a tar archive.

        It is made in a sandbox where nothing of the author has run; the host never
        looks into it.
        """
        async with self._packing:
            if bundle.author not in self._archives:
                self._archives[bundle.author] = await self._pack(bundle)
            return self._archives[bundle.author]

    async def _pack(self, bundle: Bundle) -> bytes:
        patch = self._plan.patches[bundle.author]
        name = f"{self._run.id}-pack-{bundle.author}"
        self._plan.spend(sandboxes=1)
        async with checks_sandbox(
            self._context, self._run, self._checkout, patch, name
        )() as sandbox:
            done = await sandbox.exec(
                ["tar", "-cf", "-", "--", *bundle.paths], timeout=_TAR_SECONDS
            )
        if done.exit_code != 0 or done.truncated:
            raise SandboxLost(
                f"the test files of variation {bundle.author} cannot be packed, or are "
                "too large"
            )
        return done.stdout


async def _unpack(sandbox: Sandbox, archive: bytes) -> None:
    done = await sandbox.exec(["tar", "-xf", "-"], stdin=archive, timeout=_TAR_SECONDS)
    if done.exit_code != 0:
        raise SandboxLost("the foreign test files cannot be laid over this tree")
