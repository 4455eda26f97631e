"""The course of a run around its variations: begin, reuse an earlier decision, conclude.

Like the steps, each of these may be repeated after a crash and then goes on where it
stood.
"""

import asyncio
import hashlib
import json
from dataclasses import replace

from aideator.domain.check import CheckResult
from aideator.domain.errors import AideatorError
from aideator.domain.events import (
    Complete,
    ErrorRaised,
    RunStarted,
    SetupRan,
    VerdictReached,
)
from aideator.domain.project import Project
from aideator.domain.ranking import Evidence
from aideator.domain.run import (
    SETTLED_RUN,
    SETTLED_VARIATION,
    Failure,
    Run,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.engine.baseline import Baseline
from aideator.engine.context import EventWriter, RunContext
from aideator.engine.variation import give_up
from aideator.repositories.checkout import Checkout
from aideator.selection.rank import finished_verdicts, rank
from aideator.setup.environment import build_environment
from aideator.setup.project import find_project
from aideator.store import reuse, runs


async def begin(context: RunContext, run_id: str) -> tuple[Run, Baseline]:
    """Have the repository at hand, set up, and say that the run has started; or answer with an earlier decision.

    Raises:
        AideatorError: if the repository cannot be had, or not be set up.
    """
    async with context.database.read() as session:
        run = await runs.get(session, run_id)
    commit = await context.cache.resolve(run.spec.repo_url, run.commit or run.spec.ref)
    checkout = await context.cache.checkout(commit)
    if run.commit is None:
        project = await asyncio.to_thread(
            find_project, checkout, context.egress, run.spec
        )
        run = await _answer_or_start(context, run, project)
        checkout = replace(checkout, notes=project.notes)
    if run.status is RunStatus.RUNNING:
        checkout = await _furnish(context, run, checkout)
    return run, Baseline(context, run, checkout)


async def _answer_or_start(context: RunContext, run: Run, project: Project) -> Run:
    found = {
        name: getattr(project, name)
        for name in ("commit", "checks", "setup", "protected")
    }
    async with context.database.write() as session:
        asked = question(run.spec, project)
        decided = None if run.spec.fresh else await runs.find_decided(session, asked)
        if decided is not None and run.status is RunStatus.QUEUED:
            run = await reuse.adopt(session, run.id, decided)
        elif run.status is RunStatus.QUEUED:
            run = await runs.move(
                session, run.id, RunStatus.RUNNING, **found, question=asked
            )
        else:  # it came to nothing before the repository was at hand, and somebody asks again
            run = await runs.note(session, run.id, **found, question=asked)
    started = RunStarted.of(run).model_copy(
        update={"sources": project.sources, "notes": project.notes}
    )
    await EventWriter(context.log, run.id).write(started)
    return run


async def _furnish(context: RunContext, run: Run, checkout: Checkout) -> Checkout:
    writer = EventWriter(context.log, run.id)

    async def tell(result: CheckResult, cached: bool) -> None:  # noqa: FBT001 - the callback's shape
        await writer.write(SetupRan(result=result, cached=cached))

    workshop = context.workshop(await context.backend_of(run))
    return await build_environment(workshop, checkout, run.setup, tell)


def question(spec: RunSpec, project: Project) -> str:
    """What makes two runs ask the same: commit, prompt, lineup (in any order), checks, set-up and protected paths."""
    agents = sorted(agent.model_dump_json() for agent in spec.agents())
    asked = [
        project.commit,
        spec.prompt,
        agents,
        [check.model_dump_json() for check in project.checks],
    ]
    # Left out when there is none, so that decisions of earlier versions still answer.
    if project.setup or project.protected:
        asked += [
            [command.model_dump_json() for command in project.setup],
            list(project.protected),
        ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


async def waiting(context: RunContext, run_id: str) -> list[int]:
    """The variations that are not settled."""
    async with context.database.read() as session:
        return [
            v.number
            for v in await runs.variations(session, run_id)
            if v.status not in SETTLED_VARIATION
        ]


async def conclude(context: RunContext, run_id: str) -> bool:
    """Compare, recommend, and say that the run is over.

    False if a variation is waiting after all.
    """
    async with context.database.read() as session:
        run, variations = (
            await runs.get(session, run_id),
            await runs.variations(session, run_id),
        )
    if any(v.status not in SETTLED_VARIATION for v in variations):
        return False
    if run.status not in SETTLED_RUN:
        verdicts, cleared = finished_verdicts(variations)
        ranking = rank(verdicts, run.evidence or Evidence(), cleared=cleared)
        await EventWriter(context.log, run_id).write(VerdictReached(ranking=ranking))
        async with context.database.write() as session:
            # Who has joined since the look above would be left behind: the run goes on
            # for them.
            if any(
                v.status not in SETTLED_VARIATION
                for v in await runs.variations(session, run_id)
            ):
                return False
            run = await runs.move(
                session, run_id, _outcome(variations), ranking=ranking
            )
    await _announce(context, run)
    return True


def _outcome(variations: list[Variation]) -> RunStatus:
    ends = {v.status for v in variations}
    if VariationStatus.FINISHED in ends:
        return RunStatus.FINISHED
    return RunStatus.FAILED if VariationStatus.FAILED in ends else RunStatus.CANCELLED


async def _announce(context: RunContext, run: Run) -> None:
    # Last of all: whoever sees `complete` finds the run settled.
    await EventWriter(context.log, run.id).write(Complete(status=run.status))


async def settle(context: RunContext, run_id: str, error: AideatorError) -> None:
    """Give up every variation that is not settled."""
    for number in await waiting(context, run_id):
        await give_up(context, run_id, number, error)


async def fail(context: RunContext, run_id: str, error: Exception) -> None:
    """Record that the run came to nothing, and why."""
    hint = error.hint if isinstance(error, AideatorError) else ""
    failure = Failure(
        reason=type(error).__name__, message=f"{error} ({hint})" if hint else str(error)
    )
    await EventWriter(context.log, run_id).write(ErrorRaised(**failure.model_dump()))
    for number in await waiting(context, run_id):
        await give_up(context, run_id, number, error)
    async with context.database.write() as session:
        run = await runs.move(session, run_id, RunStatus.FAILED, failure=failure)
    await _announce(context, run)
