"""The life of a run around its variations: begin, compare, conclude, fail.

Each step may be repeated after a crash and then goes on where it stood. Every engine
calls them; they know no engine.
"""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from aideator.agents.catalog import find
from aideator.domain.errors import AideatorError, CheckCannotRun, RepositoryError
from aideator.domain.events import (
    ErrorRaised,
    EvidenceGathered,
    RunStarted,
    SetupOutput,
    SetupRan,
    VerdictReached,
)
from aideator.domain.hosts import AllowedHost
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
from aideator.engine.base_checks import Baseline, measure_base
from aideator.engine.context import RunContext, Slot
from aideator.engine.cross_tests.run import run_cross_tests
from aideator.engine.events import EventWriter
from aideator.engine.failures import run_or_record_failure
from aideator.engine.judge import ask_judge
from aideator.engine.spending import judge_usage
from aideator.engine.variation import give_up
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.ignored_layer import IgnoredLayer, ignored_layer
from aideator.selection.rank import evaluate, finished_verdicts, rank
from aideator.setup.commands import SetupResult
from aideator.setup.environment import build_environment
from aideator.setup.project import find_project, read_project_file
from aideator.store import allowed_hosts, claims, reuse, runs


async def begin(
    context: RunContext, run: Run, ignored: IgnoredLayer | None = None
) -> Baseline:
    """Check the repository out, set it up, and run its checks on the base.

    No agent has started by then, so a run whose checks cannot run costs nothing. A run
    that asks what a decided run has answered is decided at once instead.

    Args:
        context: The services.
        run: The run, as it is stored.
        ignored: The user's ignored files that its sandboxes see.

    Raises:
        ModelUnavailable: if the model's server is not there or refuses the key.
        CheckCannotRun: if a check says nothing about the base, unless the run goes on
            without such checks.
        AideatorError: if the repository cannot be had or set up, or no sandbox can be
            opened.
    """
    commit = await _base_commit(context, run)
    checkout = (await context.cache.checkout(commit)).in_folder(run.spec.path)
    if run.commit is None:
        project = await asyncio.to_thread(
            partial(
                find_project,
                checkout,
                run.spec,
                can_install=context.network.is_open,
            )
        )
        notes = (*project.notes, *_notes_on_working_tree(run.spec))
        project = project.model_copy(update={"notes": notes})
        run = await _reuse_or_start(context, run, project)
        checkout = replace(checkout, notes=notes)
        await _try_model(context, run)
    if run.status is not RunStatus.RUNNING:
        return Baseline(run, checkout, {})
    checkout = await _build_environment(context, run, checkout)
    checkout = replace(checkout, ignored=ignored)
    return await measure_base(context, run, checkout)


async def _base_commit(context: RunContext, run: Run) -> Commit:
    spec = run.spec
    if run.commit is None and spec.include_uncommitted:
        return await context.cache.resolve_uncommitted(spec.repo_url)
    return await context.cache.resolve(spec.repo_url, run.commit or spec.ref)


def _notes_on_working_tree(spec: RunSpec) -> list[str]:
    """Return notes on what sandboxes see that is in no commit of the user's."""
    notes = []
    if spec.include_uncommitted:
        notes.append("the base has your uncommitted changes: it is no commit of yours")
    if spec.include_ignored:
        listed = ", ".join(spec.include_ignored)
        notes.append(f"sandboxes see ignored files of yours: {listed}")
    return notes


def open_ignored_layer(
    context: RunContext, run: Run
) -> AbstractAsyncContextManager[IgnoredLayer | None]:
    """Return a context that holds the user's ignored files for a run's sandboxes.

    Raises:
        RepositoryError: if one of them cannot be had.
    """
    root, files = Path(run.spec.repo_url), run.spec.include_ignored
    return ignored_layer(context.home, f"{run.id}-ignored", root, files)


async def _reuse_or_start(context: RunContext, run: Run, project: Project) -> Run:
    names = ("commit", "checks", "setup", "protected")
    facts = {name: getattr(project, name) for name in names}
    key = question(run.spec, project)
    async with context.database.write() as session:
        decided = None if run.spec.fresh else await runs.find_decided(session, key)
        if run.status is not RunStatus.QUEUED:
            # It failed before the repository was at hand, and was continued.
            run = await runs.note(session, run.id, **facts, question=key)
        elif decided is not None:
            run = await reuse.adopt(session, run.id, decided)
        else:
            run = await runs.move(
                session, run.id, RunStatus.RUNNING, **facts, question=key
            )
    started = RunStarted.of(run).model_copy(
        update={"sources": project.sources, "notes": project.notes}
    )
    await EventWriter(context.log, run.id).write(started)
    return run


async def _try_model(context: RunContext, run: Run) -> None:
    """Try the model's server before set-up, unless no agent will call it.

    Raises:
        ModelUnavailable: if it cannot be used.
    """
    if run.status is not RunStatus.RUNNING:
        return
    if await context.upstream(run.spec) is None:
        models = {
            agent.model or find(agent.agent).models.default
            for agent in run.spec.agents()
        }
        await context.try_model(sorted(models))


async def _build_environment(
    context: RunContext, run: Run, checkout: Checkout
) -> Checkout:
    writer = EventWriter(context.log, run.id)
    reached: tuple[str, ...] = run.setup_hosts

    async def report(done: SetupResult) -> None:
        nonlocal reached
        reached = done.hosts
        await writer.write(
            SetupRan(
                result=done.result,
                cached=done.cached,
                hosts=done.hosts,
                refused=done.refused,
            )
        )

    async def report_line(command: str, line: str) -> None:
        await writer.write(SetupOutput(command=command, line=line))

    backend = await context.backend_of(run)
    if not run.setup:
        return checkout
    asker = context.host_questions.of_run(context.log, run.id)
    workshop = replace(
        context.workshop(backend),
        allowed=await _allowed_hosts(context, run),
        named=await asyncio.to_thread(_named_hosts, checkout),
        asker=asker if context.network.auto else None,
        on_line=report_line,
    )
    try:
        return await build_environment(workshop, checkout, run.setup, report)
    finally:
        asker.close()
        if reached != run.setup_hosts:
            async with context.database.write() as session:
                await runs.note(session, run.id, setup_hosts=reached)


async def _allowed_hosts(context: RunContext, run: Run) -> list[AllowedHost]:
    """Return the hosts that people have allowed to the run's set-up."""
    if not context.network.auto:
        return []
    async with context.database.read() as session:
        found = await allowed_hosts.of_repository(session, run.spec.repo_url)
    return [*found, *(AllowedHost(host=host) for host in run.spec.allowed_hosts)]


def _named_hosts(checkout: Checkout) -> tuple[str, ...]:
    """Return the hosts that the repository names; none if its file is not valid."""
    try:
        return read_project_file(checkout).allowed_hosts
    except RepositoryError:
        return ()


def question(spec: RunSpec, project: Project) -> str:
    """Return a hash of what a run asks: runs with the same one may share a winner.

    It covers commit, folder, prompt, lineup (in any order), checks, set-up and
    protected paths.
    """
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
    if spec.path:
        asked.append(spec.path)
    if spec.include_ignored:
        asked.append(sorted(spec.include_ignored))
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


async def load(context: RunContext, run_id: str) -> tuple[Run, list[Variation]]:
    """Return the run and its variations as they are stored now."""
    async with context.database.read() as session:
        run = await runs.get(session, run_id)
        return run, await runs.variations(session, run_id)


def pending(variations: Sequence[Variation]) -> list[int]:
    """Return the numbers of the variations that have not settled."""
    return [v.number for v in variations if v.status not in SETTLED_VARIATION]


async def gather_evidence(
    context: RunContext,
    baseline: Baseline,
    run: Run,
    variations: Sequence[Variation],
    slot: Slot,
) -> None:
    """Compare the variations of a run, all of which have settled.

    Runs the cross-tests, then asks a judge about what they leave open. A failure costs
    evidence, never the run.

    Args:
        context: The services.
        baseline: The run's base.
        run: The run as it is stored now.
        variations: Its variations.
        slot: Held by each sandbox of the cross-tests.
    """

    async def compare() -> None:
        evidence = await run_cross_tests(context, baseline, variations, slot)
        await _record_evidence(context, run, variations, evidence)

    async def do_without(error: Exception) -> None:
        note = f"the variations were not run against each other: {error}"
        evidence = Evidence(notes=(note,))
        await _record_evidence(context, run, variations, evidence)

    await run_or_record_failure(compare(), do_without)


async def _record_evidence(
    context: RunContext, run: Run, variations: Sequence[Variation], found: Evidence
) -> None:
    """Weigh, report and store evidence; ask a judge if the run wants one."""
    verdicts, cleared = finished_verdicts(variations)
    # A judge of an earlier turn was paid for as well.
    evidence = evaluate(found, verdicts).model_copy(
        update={"judge_usage": judge_usage(run)}
    )
    await _store_evidence(context, run.id, evidence)
    ranking = rank(verdicts, evidence, cleared=cleared)
    if opinion := await ask_judge(context, run, evidence, ranking, verdicts):
        told = {"opinion": opinion, "judge_usage": opinion.usage}
        with_opinion = evidence.model_copy(update=told)
        await _store_evidence(context, run.id, with_opinion)


async def _store_evidence(context: RunContext, run_id: str, evidence: Evidence) -> None:
    await EventWriter(context.log, run_id).write(EvidenceGathered(evidence=evidence))
    async with context.database.write() as session:
        await runs.note(session, run_id, evidence=evidence)


async def conclude(context: RunContext, run_id: str) -> bool:
    """Rank the variations, settle the run, and write its `complete` event.

    Returns:
        Whether the run has ended: False if a variation is pending after all.
    """
    run, variations = await load(context, run_id)
    if pending(variations):
        return False
    if run.status not in SETTLED_RUN:
        verdicts, cleared = finished_verdicts(variations)
        ranking = rank(verdicts, run.evidence or Evidence(), cleared=cleared)
        await EventWriter(context.log, run_id).write(VerdictReached(ranking=ranking))
        async with context.database.write() as session:
            # A variation may have joined since: the run goes on for it.
            if pending(await runs.variations(session, run_id)):
                return False
            run = await runs.move(
                session, run_id, _outcome(variations), ranking=ranking
            )
    # Last of all: a reader of `complete` finds the run settled.
    await context.log.complete(run_id, run.status)
    return True


async def interrupt(context: RunContext, run_id: str) -> None:
    """Settle a run that an earlier process left unfinished, until somebody resumes it.

    What it had at work goes back into its queue.
    """
    async with context.database.write() as session:
        await claims.interrupt(session, run_id)
        await runs.move(session, run_id, RunStatus.INTERRUPTED)
    await context.log.complete(run_id, RunStatus.INTERRUPTED)


def _outcome(variations: Sequence[Variation]) -> RunStatus:
    ends = {v.status for v in variations}
    if VariationStatus.FINISHED in ends:
        return RunStatus.FINISHED
    return RunStatus.FAILED if VariationStatus.FAILED in ends else RunStatus.CANCELLED


async def give_up_pending(context: RunContext, run_id: str, error: Exception) -> None:
    """Give up every variation that has not settled."""
    _, variations = await load(context, run_id)
    for number in pending(variations):
        await give_up(context, run_id, number, error)


async def fail(context: RunContext, run_id: str, error: Exception) -> None:
    """Record that the run has failed, and why; its pending variations fail with it."""
    hint = error.hint if isinstance(error, AideatorError) else ""
    failure = Failure(
        reason=type(error).__name__,
        message=f"{error} ({hint})" if hint else str(error),
        output=error.output if isinstance(error, CheckCannotRun) else "",
    )
    await EventWriter(context.log, run_id).write(
        ErrorRaised(reason=failure.reason, message=failure.message)
    )
    while True:
        await give_up_pending(context, run_id, error)
        async with context.database.write() as session:
            # A variation that joined meanwhile fails as well.
            if not pending(await runs.variations(session, run_id)):
                await runs.move(session, run_id, RunStatus.FAILED, failure=failure)
                break
    await context.log.complete(run_id, RunStatus.FAILED)
