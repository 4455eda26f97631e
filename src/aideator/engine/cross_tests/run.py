"""Examine the variations against each other: what each one wrote as tests is run on all others and on the base.

It happens after all variations have settled and before the verdict. It may be repeated
after a crash, and then finds what it has measured already. What goes wrong here costs
evidence, never the run.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field

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
from aideator.domain.run import SETTLED_RUN, SETTLED_VARIATION, Run, VariationStatus
from aideator.engine.baseline import Baseline
from aideator.engine.context import EventWriter, RunContext
from aideator.engine.cross_tests.plan import BASE, MAX_TESTS, Docket, entries
from aideator.engine.judge import seek_opinion
from aideator.engine.measure import (
    doubts_about,
    hashed,
    old_text,
    open_ground,
    plans,
    prove,
    recall,
    remember,
)
from aideator.engine.spending import judge_usage
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
from aideator.selection.rank import evaluate, finished_verdicts, rank
from aideator.store import runs

_REPEATS = 1
"""How often a foreign test is run again; it counts only if it says the same each
time."""
_NEWS_SECONDS = 1.0
"""The least time between two events of progress."""
_TAR_SECONDS = 60.0

Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Waits for a slot of the engine, so that no other run starves."""


async def examine(
    context: RunContext, run_id: str, baseline: Baseline, turn: Turn
) -> None:
    """Gather evidence about a run whose variations have all settled; nothing to do while one has not."""
    async with context.database.read() as session:
        run, variations = (
            await runs.get(session, run_id),
            await runs.variations(session, run_id),
        )
        finished = tuple(
            v.number for v in variations if v.status is VariationStatus.FINISHED
        )
        patches = {}
        for number in finished:
            with suppress(NotFound):
                if data := await runs.patch(session, run_id, number):
                    patches[number] = Patch(data)
    if run.status in SETTLED_RUN or any(
        v.status not in SETTLED_VARIATION for v in variations
    ):
        return
    evidence = Evidence()
    if run.spec.comparison.cross_tests and run.checks and patches:
        docket = await _open(context, run, baseline, finished, patches)
        await _Examination(context, run, baseline, turn, docket).carry_out()
        evidence = docket.evidence()
    await record(context, run, evidence)


async def record(context: RunContext, run: Run, evidence: Evidence) -> None:
    """Weigh, tell and store what has been found out; and ask a judge about what is left, where that is wanted."""
    async with context.database.read() as session:
        verdicts, cleared = finished_verdicts(await runs.variations(session, run.id))
    evidence = evaluate(evidence, verdicts).model_copy(
        update={"judge_usage": judge_usage(run)}
    )
    await _keep(context, run.id, evidence)
    ranking = rank(verdicts, evidence, cleared=cleared)
    if opinion := await seek_opinion(context, run, evidence, ranking, verdicts):
        told = {"opinion": opinion, "judge_usage": opinion.usage}
        await _keep(context, run.id, evidence.model_copy(update=told))


async def _keep(context: RunContext, run_id: str, evidence: Evidence) -> None:
    await EventWriter(context.log, run_id).write(EvidenceGathered(evidence=evidence))
    async with context.database.write() as session:
        await runs.note(session, run_id, evidence=evidence)


async def could_not(context: RunContext, run_id: str, error: Exception) -> None:
    """Record that the variations could not be examined against each other, and why."""
    async with context.database.read() as session:
        run = await runs.get(session, run_id)
    await record(
        context,
        run,
        Evidence(notes=(f"the variations were not run against each other: {error}",)),
    )


async def _open(
    context: RunContext,
    run: Run,
    baseline: Baseline,
    finished: tuple[int, ...],
    patches: dict[int, Patch],
) -> Docket:
    """Find out who wrote which tests.

    What the checks said on each variation is known, unless it was forgotten.
    """

    async def nobody(_: Measurement) -> None:
        """The judge has told these results already."""

    before, checkout = await baseline.results(), baseline.checkout
    measured, written, paths = {}, {}, {}
    for number, patch in patches.items():
        doubts = await asyncio.to_thread(doubts_about, run, patch, before, checkout)
        measured[number] = await prove(context, run, checkout, patch, doubts, nobody)
        files = await asyncio.to_thread(parse, patch.data)
        paths[number] = tuple(paths_to_copy(files))
        written[number] = await asyncio.to_thread(
            _written, files, before, measured[number], checkout
        )
    return Docket(finished, patches, measured, entries(written, measured), paths)


def _written(
    files: Sequence[FileDiff],
    before: Mapping[str, Measurement],
    measured: Mapping[str, Measurement],
    checkout: Checkout,
) -> list[OwnTest]:
    return [
        test
        for label, said in measured.items()
        for test in own_tests(
            label, files, said.result, before[label].result, old_text(checkout)
        )
    ]


@dataclass
class _Examination:
    """The jobs of one cross-examination: one sandbox each, as many at a time as the engine has slots for."""

    context: RunContext
    run: Run
    baseline: Baseline
    turn: Turn
    docket: Docket
    told: float = field(default_factory=time.monotonic)
    """When progress was last told."""

    def __post_init__(self) -> None:
        self._plans = [
            each
            for each in plans(self.run, self.baseline.checkout)
            if each.check.kind in {"test", "build"}
        ]
        self._packing = asyncio.Lock()
        self._archives: dict[int, bytes] = {}

    async def carry_out(self) -> None:
        """Run every test on every tree, within the bounds; what does not fit is counted and said."""
        if any(
            len(bundle.tests) == MAX_TESTS for bundle in self.docket.bundles.values()
        ):
            self.docket.note(
                f"of each variation's tests the first {MAX_TESTS} were run on the others"
            )
        async with asyncio.TaskGroup() as group:
            for tree, bundles in self.docket.wanted():
                fresh = [
                    bundle
                    for bundle in bundles
                    if not await self._is_known(tree, bundle)
                ]
                for batch in pack(fresh):
                    group.create_task(
                        self._job(tree, batch), name=f"{self.run.id} examines {tree}"
                    )

    async def _is_known(self, tree: int, bundle: Bundle) -> bool:
        keys = self._keys(tree, bundle)
        if found := await recall(self.context, self.run, list(keys.values())):
            self.docket.answers[tree, bundle.author] = dict(
                zip(keys, found, strict=True)
            )
            self.docket.spend(cached=len(bundle.tests))
        return bool(found)

    def _keys(self, tree: int, bundle: Bundle) -> dict[str, str]:
        """By check, the question that a bundle asks of a tree."""
        author = hashlib.sha256(self.docket.patches[bundle.author].data).hexdigest()
        return {
            each.check.label: hashed(
                self.context,
                self.run,
                self.baseline.checkout,
                self.docket.patches.get(tree),
                [
                    "cross",
                    _REPEATS,
                    author,
                    each.check.model_dump_json(),
                    sorted(test.result.test for test in tests),
                ],
            )
            for each in self._plans
            if (
                tests := [
                    test for test in bundle.tests if test.check == each.check.label
                ]
            )
        }

    async def _job(self, tree: int, batch: Sequence[Bundle]) -> None:
        async with self.turn():
            try:
                await self._in_one_sandbox(tree, batch)
            except (SandboxLost, DiskLimitExceeded) as lost:
                if len(batch) == 1:
                    self._could_not(tree, batch, lost)
                # One of them took the sandbox along; the others need not suffer for it.
                for bundle in batch if len(batch) > 1 else ():
                    await self._alone(tree, bundle)
            except AideatorError as error:
                self._could_not(tree, batch, error)
        if time.monotonic() - self.told > _NEWS_SECONDS:
            self.told = time.monotonic()
            news = EvidenceGathered(evidence=self.docket.evidence())
            await EventWriter(self.context.log, self.run.id).write(news)

    async def _alone(self, tree: int, bundle: Bundle) -> None:
        try:
            await self._in_one_sandbox(tree, [bundle])
        except AideatorError as error:
            self._could_not(tree, [bundle], error)

    def _could_not(
        self, tree: int, batch: Sequence[Bundle], error: AideatorError
    ) -> None:
        whose = " and ".join(f"variation {bundle.author}" for bundle in batch)
        where = f"variation {tree}" if tree != BASE else "the base"
        self.docket.note(f"the tests of {whose} could not be run on {where}: {error}")

    async def _in_one_sandbox(self, tree: int, batch: Sequence[Bundle]) -> None:
        tests = [test for bundle in batch for test in bundle.tests]
        archives = (
            [await self._archive(bundle) for bundle in batch]
            if self._may_go_on()
            else []
        )
        if not self._may_go_on():
            self.docket.spend(left_out=len(tests))
            self.docket.note(
                "not every test was run on every variation: the bound on sandboxes or seconds was reached"
            )
            return
        begun = time.monotonic()
        self.docket.spend(sandboxes=1)
        name = f"{self.run.id}-cross-{tree}-{batch[0].author}"
        try:
            async with open_ground(
                self.context,
                self.run,
                self.baseline.checkout,
                self.docket.patches.get(tree),
                name,
            )() as sandbox:
                for archive in archives:
                    await _unpack(sandbox, archive)
                said = [await self._ask(sandbox, plan, tests) for plan in self._plans]
        finally:
            self.docket.spend(seconds=time.monotonic() - begun)
        for bundle in batch:
            await self._take_down(
                tree, bundle, [each for each in said if each is not None]
            )

    def _may_go_on(self) -> bool:
        bound, spent = self.run.spec.comparison, self.docket.cost
        return spent.sandboxes < bound.sandboxes and spent.seconds < bound.seconds

    async def _ask(
        self, sandbox: Sandbox, plan: Plan, tests: Sequence[OwnTest]
    ) -> Measurement | None:
        """Run one check's foreign tests, each time in a process of its own.

        What they build on is built first.
        """
        asked = [test.result for test in tests if test.check == plan.check.label]
        left = max(1.0, self.run.spec.comparison.seconds - self.docket.cost.seconds)
        if plan.check.kind == "build":
            await run_check(sandbox, plan, timeout=left)
        if not asked:
            return None
        result = await run_check(sandbox, plan, only=asked, timeout=left)
        again = [
            await run_check(sandbox, plan, only=asked, timeout=left)
            for _ in range(_REPEATS)
        ]
        return Measurement(result=result, again=tuple(again))

    async def _take_down(
        self, tree: int, bundle: Bundle, said: Sequence[Measurement]
    ) -> None:
        keys = self._keys(tree, bundle)
        own = {
            each.result.check: Measurement(
                result=only_about(each.result, bundle.tests),
                again=tuple(only_about(run, bundle.tests) for run in each.again),
            )
            for each in said
            if each.result.check in keys
        }
        self.docket.answers[tree, bundle.author] = own
        await remember(
            self.context,
            self.run,
            {keys[label]: measurement for label, measurement in own.items()},
        )

    async def _archive(self, bundle: Bundle) -> bytes:
        """The author's test files, as tar writes them where nothing of the author has run. The host never looks in."""
        async with self._packing:
            if bundle.author not in self._archives:
                patch, name = (
                    self.docket.patches[bundle.author],
                    f"{self.run.id}-pack-{bundle.author}",
                )
                self.docket.spend(sandboxes=1)
                async with open_ground(
                    self.context, self.run, self.baseline.checkout, patch, name
                )() as sandbox:
                    done = await sandbox.exec(
                        ["tar", "-cf", "-", "--", *bundle.paths], timeout=_TAR_SECONDS
                    )
                if done.exit_code != 0 or done.truncated:
                    raise SandboxLost(
                        f"the test files of variation {bundle.author} cannot be packed, or are too large"
                    )
                self._archives[bundle.author] = done.stdout
            return self._archives[bundle.author]


async def _unpack(sandbox: Sandbox, archive: bytes) -> None:
    done = await sandbox.exec(["tar", "-xf", "-"], stdin=archive, timeout=_TAR_SECONDS)
    if done.exit_code != 0:
        raise SandboxLost("the foreign test files cannot be laid over this tree")
