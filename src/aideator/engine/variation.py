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
from functools import partial

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
    Checking,
    CheckRun,
    ErrorRaised,
    EventBody,
    UsageRecorded,
    VariationFailed,
    VariationFinished,
    VariationStarted,
)
from aideator.domain.run import Failure, Isolation, Run, Variation, VariationStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Flag, Verdict
from aideator.engine.baseline import Baseline
from aideator.engine.context import VISITS, EventWriter, RunContext
from aideator.engine.measure import doubts_about, prove
from aideator.engine.spending import spending
from aideator.flags.tamper import find_flags
from aideator.gateway.lease import Lease
from aideator.store import claims, runs

BUDGET_EXHAUSTED, MODEL_FAILED = "budget_exhausted", "model_failed"


async def run_variation(
    context: RunContext, run: Run, number: int, baseline: Baseline
) -> None:
    """One agent's attempts, until one comes to an end of its own.

    Failures are recorded, never raised.

    An engine of containers that went away is nobody's failure: the variation is taken
    up again, as after a crash.

    Raises:
        Fenced: if a newer attempt has taken over; then there is nothing left to record.
    """
    while True:
        try:
            return await attempt(context, run, number, baseline)
        except EngineLost:
            await asyncio.sleep(context.engine_pause)


async def attempt(
    context: RunContext, run: Run, number: int, baseline: Baseline
) -> None:
    """Fork, confine, act, extract, judge.

    Raises:
        Fenced: as above.
        EngineLost: if the engine of containers went away; that is recorded.
    """
    try:
        variation = await take_up(context, run.id, number)
    except CrashLoop as error:
        return await give_up(context, run.id, number, error)
    writer = EventWriter(context.log, run.id, number, variation.attempt)
    try:
        await writer.write(
            VariationStarted(
                spec=variation.spec,
                attempt=variation.attempt,
                follow_up=variation.follow_up,
            ),
        )
        async with fork(
            baseline.checkout, context.home, f"{run.id}-{number}-{variation.attempt}"
        ) as workspace:
            done = await (put_together if variation.composed else act)(
                context, run, variation, workspace, writer
            )
            await writer.write(Checking())
            patch = await extract(
                workspace, await context.backend_of(run), limits=context.limits
            )
            patch = replace(patch, notes=(*patch.notes, *done.visits))
        await explain(patch, done.lease, writer)
        verdict = await judge(context, run, number, patch, baseline, writer)
    except Fenced:
        raise
    except EngineLost as error:
        await writer.write(
            VariationFailed(reason=type(error).__name__, message=str(error))
        )
        raise
    except AideatorError as error:
        return await give_up(context, run.id, number, error)
    await writer.write(VariationFinished(verdict=verdict, isolation=done.isolation))
    async with context.database.write() as session:
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


async def take_up(context: RunContext, run_id: str, number: int) -> Variation:
    """Claim the variation: from here on, writes of earlier attempts are refused."""
    async with context.database.write() as session:
        await claims.claim(session, run_id, number, max_attempts=context.max_attempts)
        return await runs.variation(session, run_id, number)


async def act(
    context: RunContext,
    run: Run,
    variation: Variation,
    workspace: Fork,
    writer: EventWriter,
) -> Done:
    """Let the agent work in its sandbox, and record what it does as it happens."""

    async def on_usage(usage: Usage, model: str | None) -> None:
        # `Fenced` passes on to the gateway, which closes the lease: a newer attempt
        # owns the variation.
        await writer.write(UsageRecorded(usage=usage, model=model))
        async with context.database.write() as session:
            await claims.record_usage(
                session, run.id, variation.number, variation.attempt, usage
            )

    backend = await context.backend_of(run)
    agent = context.make_agent(variation.spec, backend.runtime)
    async with (
        context.gateway.lease(
            run.id,
            variation.number,
            run.spec.budget,
            spending=partial(spending, context, run.id),
            on_usage=on_usage,
        ) as lease,
        backend.open(
            workspace.tree,
            context.limits,
            binds=agent.binds,
            gateway=context.gateway.socket,
        ) as sandbox,
    ):
        lease.base_url = await context.upstream(run.spec)
        task = Task(run.spec.prompt)
        if variation.follow_up is not None:
            await apply(
                sandbox, await previous_patch(context, run.id, variation.number)
            )
            task = await follow_up_task(
                context, run, variation.number, variation.follow_up
            )
        async with context.turns.take(
            run.id, variation.number, sandbox, visits_before(variation)
        ) as turn:
            async with aclosing(agent.run(task, sandbox, lease.token)) as drafts:
                async for draft in drafts:
                    if not _is_the_gateways_to_say(draft.body):
                        await writer.copy([draft])
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
    context: RunContext,
    run: Run,
    variation: Variation,
    workspace: Fork,
    writer: EventWriter,  # noqa: ARG001 - nobody acts, so there is nothing to tell; the shape is that of `act`
) -> Done:
    """Lay a composed change into the workspace; from there on it is judged like every other."""
    backend = await context.backend_of(run)
    async with backend.open(workspace.tree, context.limits) as sandbox:
        await apply(sandbox, await previous_patch(context, run.id, variation.number))
    return Done(sandbox.isolation)


def _is_the_gateways_to_say(body: EventBody) -> bool:
    # On money and on the model the gateway is believed, not the agent: see `explain`.
    return isinstance(body, ErrorRaised) and body.reason in {
        BUDGET_EXHAUSTED,
        MODEL_FAILED,
    }


async def explain(patch: Patch, lease: Lease | None, writer: EventWriter) -> None:
    """Record how the model let the agent down, if it did.

    The gateway remembers every refusal and failure, so an agent that was refused is
    never reported as one that changed nothing, whatever it says itself.

    Raises:
        BudgetExhausted: if the budget ended before the agent changed anything.
        ModelFailed: if a call was refused or failed, and the agent changed nothing.
    """
    if lease is None:
        return
    if lease.exhausted:
        if not patch.data:
            raise BudgetExhausted
        await writer.write(
            ErrorRaised(
                reason=BUDGET_EXHAUSTED,
                message="The budget was spent; judged as it stood.",
            )
        )
    elif lease.last_error is not None:
        if not patch.data:
            raise ModelFailed(lease.last_error)
        await writer.write(ErrorRaised(reason=MODEL_FAILED, message=lease.last_error))


async def judge(
    context: RunContext,
    run: Run,
    number: int,
    patch: Patch,
    baseline: Baseline,
    writer: EventWriter,
) -> Verdict:
    """Run the checks on base + patch in a fresh sandbox, and compare with the base alone."""
    before = await baseline.results()
    after: Mapping[str, Measurement] = {}
    if patch.data and run.checks:

        async def tell(measurement: Measurement) -> None:
            await writer.write(CheckRun(result=brief(measurement.result)))

        doubts = await asyncio.to_thread(
            doubts_about, run, patch, before, baseline.checkout
        )
        after = await prove(context, run, baseline.checkout, patch, doubts, tell)
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


async def give_up(
    context: RunContext, run_id: str, number: int, error: Exception
) -> None:
    """Record that the present attempt came to nothing, and why."""
    async with context.database.read() as session:
        variation = await runs.variation(session, run_id, number)
    failure = Failure(reason=type(error).__name__, message=str(error))
    await EventWriter(context.log, run_id, number, variation.attempt).write(
        VariationFailed(**failure.model_dump())
    )
    status = (
        VariationStatus.CANCELLED
        if isinstance(error, Cancelled)
        else VariationStatus.FAILED
    )
    async with context.database.write() as session:
        if variation.status is VariationStatus.QUEUED:
            await claims.cancel_queued(session, run_id, number)
        else:
            await claims.finish(
                session, run_id, number, variation.attempt, status, failure=failure
            )


async def hand_back(context: RunContext, run_id: str, number: int) -> None:
    """Put an unfinished variation back into the queue, in good order: it does not count as a crash."""
    async with context.database.write() as session:
        variation = await runs.variation(session, run_id, number)
        await claims.release(session, run_id, number, variation.attempt)


async def previous_patch(context: RunContext, run_id: str, number: int) -> Patch:
    """What the variation's last finished turn changed; nothing, if none has finished."""
    async with context.database.read() as session:
        with suppress(NotFound):
            return Patch(await runs.patch(session, run_id, number))
    return Patch(b"")


async def follow_up_task(context: RunContext, run: Run, number: int, then: str) -> Task:
    """A follow-up turn: the agent's own session goes on, or a new one is told what the tree holds."""
    async with context.database.read() as session:
        memory = await claims.memory(session, run.id, number)
    anew = (
        f"Earlier you were asked:\n\n{run.spec.prompt}\n\nYour changes for that are in the working tree already "
        f"(`git diff` shows them). Now you are asked:\n\n{then}"
    )
    return Task(anew, memory=memory, follow_up=then)
