"""The story of one variation, in the order in which it happens.

Every engine calls it; it knows no engine.

A step may be repeated after a crash: the variation then begins anew as the next
attempt, and whatever the old one still writes is refused. Events are recorded before
the state that follows from them.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from aideator.agents.base import Task
from aideator.changes.diff import parse
from aideator.changes.fingerprint import fingerprint
from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, apply, extract
from aideator.checks.compare import brief, compare, deltas
from aideator.domain.check import Measurement
from aideator.domain.errors import (
    AideatorError,
    BudgetExhausted,
    Cancelled,
    CrashLoop,
    EngineLost,
    Fenced,
    ModelFailed,
    NotFound,
)
from aideator.domain.events import (
    Body,
    CheckRun,
    ErrorRaised,
    Judging,
    UsageRecorded,
    VariationFailed,
    VariationFinished,
    VariationStarted,
)
from aideator.domain.run import Failure, Isolation, Run, Variation, VariationStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Flag, Verdict
from aideator.engine.baseline import Baseline
from aideator.engine.context import VISITS, Scribe, Stage
from aideator.engine.measure import doubts_about, prove
from aideator.flags.tamper import find_flags
from aideator.gateway.budget import Lease
from aideator.store import claims, runs

BUDGET_EXHAUSTED, MODEL_FAILED = "budget_exhausted", "model_failed"


async def run_variation(
    stage: Stage, run: Run, number: int, baseline: Baseline
) -> None:
    """One seat's attempts, until one comes to an end of its own.

    Failures are recorded, never raised.

    An engine of containers that went away is nobody's failure: the variation is taken
    up again, as after a crash.

    Raises:
        Fenced: if a newer attempt has taken over; then there is nothing left to record.
    """
    while True:
        try:
            return await attempt(stage, run, number, baseline)
        except EngineLost:
            await asyncio.sleep(stage.engine_pause)


async def attempt(stage: Stage, run: Run, number: int, baseline: Baseline) -> None:
    """Fork, confine, act, extract, judge.

    Raises:
        Fenced: as above.
        EngineLost: if the engine of containers went away; that is recorded.
    """
    try:
        variation = await take_up(stage, run.id, number)
    except CrashLoop as error:
        return await give_up(stage, run.id, number, error)
    scribe = Scribe(stage.log, run.id, number, variation.attempt)
    try:
        await scribe.write(
            VariationStarted(
                seat=variation.seat,
                attempt=variation.attempt,
                follow_up=variation.follow_up,
            ),
        )
        async with fork(
            baseline.checkout, stage.home, f"{run.id}-{number}-{variation.attempt}"
        ) as workspace:
            done = await (put_together if variation.composed else act)(
                stage, run, variation, workspace, scribe
            )
            await scribe.write(Judging())
            patch = await extract(
                workspace, await stage.backend_of(run), limits=stage.limits
            )
            patch = replace(patch, notes=(*patch.notes, *done.visits))
        await explain(patch, done.lease, scribe)
        verdict = await judge(stage, run, number, patch, baseline, scribe)
    except Fenced:
        raise
    except EngineLost as error:
        await scribe.write(
            VariationFailed(reason=type(error).__name__, message=str(error))
        )
        raise
    except AideatorError as error:
        return await give_up(stage, run.id, number, error)
    await scribe.write(VariationFinished(verdict=verdict, isolation=done.isolation))
    async with stage.database.write() as session:
        await claims.finish(
            session,
            run.id,
            number,
            variation.attempt,
            VariationStatus.FINISHED,
            verdict=verdict,
            isolation=done.isolation,
            patch=patch.data,
            memory=done.memory,
        )
    return None


@dataclass(frozen=True)
class Done:
    """What has filled a workspace, and how."""

    isolation: Isolation
    lease: Lease | None = None
    """The agent's; none where no agent acted."""
    memory: bytes = b""
    """What the agent remembers of it."""
    visits: tuple[str, ...] = ()
    """What persons did meanwhile."""


async def take_up(stage: Stage, run_id: str, number: int) -> Variation:
    """Claim the variation: from here on, writes of earlier attempts are refused."""
    async with stage.database.write() as session:
        await claims.claim(session, run_id, number, max_attempts=stage.max_attempts)
        return await runs.variation(session, run_id, number)


async def act(
    stage: Stage,
    run: Run,
    variation: Variation,
    workspace: Fork,
    scribe: Scribe,
) -> Done:
    """Let the agent work in its sandbox, and record what it does as it happens."""

    async def on_usage(usage: Usage, model: str | None) -> None:
        with suppress(
            Fenced
        ):  # a stale attempt's last call is the new attempt's business no more
            await scribe.write(UsageRecorded(usage=usage, model=model))
            async with stage.database.write() as session:
                await claims.record_usage(
                    session, run.id, variation.number, variation.attempt, usage
                )

    backend = await stage.backend_of(run)
    agent = stage.make_agent(variation.seat, backend.runtime)
    async with (
        stage.gateway.lease(
            run.id,
            variation.number,
            run.spec.budget,
            spent=variation.usage,
            run_spent=await spent_by_others(stage, variation),
            on_usage=on_usage,
        ) as lease,
        backend.open(
            workspace.tree,
            stage.limits,
            binds=agent.binds,
            gateway=stage.gateway.socket,
        ) as sandbox,
    ):
        lease.base_url = await stage.upstream(run.spec)
        task = Task(run.spec.prompt)
        if variation.follow_up is not None:
            await apply(sandbox, await previous_patch(stage, run.id, variation.number))
            task = await follow_up_task(
                stage, run, variation.number, variation.follow_up
            )
        async with stage.turns.take(
            run.id, variation.number, sandbox, visits_before(variation)
        ) as turn:
            async with aclosing(agent.run(task, sandbox, lease.token)) as drafts:
                async for draft in drafts:
                    if not _is_the_gateways_to_say(draft.body):
                        await scribe.copy([draft])
            memory = await agent.remember(sandbox)
    return Done(sandbox.isolation, lease, memory, tuple(turn.visits))


def visits_before(variation: Variation) -> list[str]:
    """What the verdict on the change that a follow-up grows from says of persons."""
    verdict = variation.verdict if variation.follow_up is not None else None
    return [
        note
        for note in VISITS.values()
        if verdict is not None and note in verdict.notes
    ]


async def put_together(
    stage: Stage,
    run: Run,
    variation: Variation,
    workspace: Fork,
    scribe: Scribe,  # noqa: ARG001 - nobody acts, so there is nothing to tell; the shape is that of `act`
) -> Done:
    """Lay a composed change into the workspace; from there on it is judged like every other."""
    backend = await stage.backend_of(run)
    async with backend.open(workspace.tree, stage.limits) as sandbox:
        await apply(sandbox, await previous_patch(stage, run.id, variation.number))
    return Done(sandbox.isolation)


def _is_the_gateways_to_say(body: Body) -> bool:
    # On money and on the model the gateway is believed, not the agent: see `explain`.
    return isinstance(body, ErrorRaised) and body.reason in {
        BUDGET_EXHAUSTED,
        MODEL_FAILED,
    }


async def spent_by_others(stage: Stage, variation: Variation) -> Usage:
    """What the run's other variations have spent until now."""
    async with stage.database.read() as session:
        everyone = await runs.variations(session, variation.run_id)
    return sum(
        (other.usage for other in everyone if other.number != variation.number), Usage()
    )


async def explain(patch: Patch, lease: Lease | None, scribe: Scribe) -> None:
    """Say how the model let the agent down, if it did.

    Raises:
        BudgetExhausted: if the budget ended before the agent changed anything.
        ModelFailed: if the model's failure did.
    """
    if lease is None:
        return
    if lease.exhausted:
        if not patch.data:
            raise BudgetExhausted
        await scribe.write(
            ErrorRaised(
                reason=BUDGET_EXHAUSTED,
                message="The budget was spent; judged as it stood.",
            )
        )
    elif lease.last_error is not None:
        if not patch.data:
            raise ModelFailed(lease.last_error)
        await scribe.write(ErrorRaised(reason=MODEL_FAILED, message=lease.last_error))


async def judge(
    stage: Stage,
    run: Run,
    number: int,
    patch: Patch,
    baseline: Baseline,
    scribe: Scribe,
) -> Verdict:
    """Run the checks on base + patch in a fresh sandbox, and compare with the base alone."""
    before = await baseline.results()
    after: Mapping[str, Measurement] = {}
    if patch.data and run.checks:

        async def tell(measurement: Measurement) -> None:
            await scribe.write(CheckRun(result=brief(measurement.result)))

        doubts = await asyncio.to_thread(
            doubts_about, run, patch, before, baseline.checkout
        )
        after = await prove(stage, run, baseline.checkout, patch, doubts, tell)
    return Verdict(
        variation_id=number,
        patch=patch.stats,
        paths=patch.paths,
        fingerprint=await asyncio.to_thread(fingerprint, patch.data),
        checks=await asyncio.to_thread(compare, run.checks, before, after),
        flags=await asyncio.to_thread(flags_of, run, patch),
        deltas=deltas(run.checks, before, after),
        seconds=round(sum(measurement.seconds for measurement in after.values()), 3),
        notes=(*baseline.checkout.notes, *patch.notes),
    )


def flags_of(run: Run, patch: Patch) -> tuple[Flag, ...]:
    """What about the change needs a person's word."""
    return find_flags(parse(patch.data), checks=run.checks, protected=run.protected)


async def give_up(stage: Stage, run_id: str, number: int, error: Exception) -> None:
    """Record that the present attempt came to nothing, and why."""
    async with stage.database.read() as session:
        variation = await runs.variation(session, run_id, number)
    failure = Failure(reason=type(error).__name__, message=str(error))
    await Scribe(stage.log, run_id, number, variation.attempt).write(
        VariationFailed(**failure.model_dump())
    )
    status = (
        VariationStatus.CANCELLED
        if isinstance(error, Cancelled)
        else VariationStatus.FAILED
    )
    async with stage.database.write() as session:
        if variation.status is VariationStatus.QUEUED:
            await claims.cancel_queued(session, run_id, number)
        else:
            await claims.finish(
                session, run_id, number, variation.attempt, status, failure=failure
            )


async def hand_back(stage: Stage, run_id: str, number: int) -> None:
    """Put an unfinished variation back into the queue, in good order: it does not count as a crash."""
    async with stage.database.write() as session:
        variation = await runs.variation(session, run_id, number)
        await claims.release(session, run_id, number, variation.attempt)


async def previous_patch(stage: Stage, run_id: str, number: int) -> Patch:
    """What the variation's last finished turn changed; nothing, if none has finished."""
    async with stage.database.read() as session:
        with suppress(NotFound):
            return Patch(await runs.patch(session, run_id, number))
    return Patch(b"")


async def follow_up_task(stage: Stage, run: Run, number: int, then: str) -> Task:
    """A follow-up turn: the agent's own session goes on, or a new one is told what the tree holds."""
    async with stage.database.read() as session:
        memory = await claims.memory(session, run.id, number)
    anew = (
        f"Earlier you were asked:\n\n{run.spec.prompt}\n\nYour changes for that are in the working tree already "
        f"(`git diff` shows them). Now you are asked:\n\n{then}"
    )
    return Task(anew, memory=memory, follow_up=then)
