"""The life of one variation, in the order in which it happens.

Every engine calls it; it knows no engine.

A step may be repeated after a crash: the variation then begins anew as the next
attempt, and whatever the old one still writes is refused. Events are recorded before
the state that follows from them.
"""

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from functools import partial

from aideator.agents.base import Task
from aideator.changes.fork import Fork, fork
from aideator.changes.patch import Patch, apply, extract
from aideator.domain.errors import (
    BudgetExhausted,
    Cancelled,
    Conflict,
    EngineLost,
    Fenced,
    ModelFailed,
    NotFound,
)
from aideator.domain.events import (
    Checking,
    ErrorRaised,
    EventBody,
    SandboxOpened,
    UsageRecorded,
    VariationFailed,
    VariationFinished,
    VariationStarted,
)
from aideator.domain.isolation import Isolation
from aideator.domain.run import Failure, Run, Variation, VariationStatus
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict
from aideator.engine.active import VISITS
from aideator.engine.base_checks import Baseline
from aideator.engine.context import RunContext, Slot
from aideator.engine.events import EventWriter
from aideator.engine.failures import run_or_record_failure
from aideator.engine.spending import spending
from aideator.engine.stop import Stopped, StopReason, StopSwitch
from aideator.engine.verdict import check
from aideator.gateway.lease import Lease
from aideator.store import claims, runs

BUDGET_EXHAUSTED, MODEL_FAILED = "budget_exhausted", "model_failed"


async def run_variation(
    context: RunContext, baseline: Baseline, number: int, switch: StopSwitch, slot: Slot
) -> None:
    """Carry a variation out, attempt by attempt, until one comes to its end.

    The end is recorded whatever it is: finished, failed, cancelled when a person has
    stopped it, back in the queue when the process shuts down. Nothing is raised.

    Args:
        context: The services.
        baseline: The begun run.
        number: The variation.
        switch: Stops an attempt. The record of its end is not interrupted.
        slot: Held while an attempt works.
    """
    run_id = baseline.run.id
    await run_or_record_failure(
        _attempt_until_ended(context, baseline, number, switch, slot),
        partial(give_up, context, run_id, number),
    )


async def _attempt_until_ended(
    context: RunContext, baseline: Baseline, number: int, switch: StopSwitch, slot: Slot
) -> None:
    run_id = baseline.run.id
    while True:
        try:
            outcome = await switch.run(_attempt(context, baseline, number, slot))
            return await finish(context, run_id, number, outcome)
        except Fenced:
            return None  # a newer attempt records the end
        except Stopped:
            if switch.reason is StopReason.REQUEST:
                record = give_up(context, run_id, number, Cancelled())
            else:
                record = hand_back(context, run_id, number)
            return await run_or_record_failure(record)
        except EngineLost as error:
            # A container engine that went away is no failure of the variation: it is
            # taken up again, as after a crash.
            await _report_lost_engine(context, run_id, number, error)
            with suppress(Stopped):
                await switch.run(asyncio.sleep(context.engine_pause))


@dataclass(frozen=True)
class TurnOutcome:
    """What an attempt that came to its end has made; not recorded yet.

    Attributes:
        attempt: Its number.
        verdict: What the checks said about the change.
        isolation: What held the agent in.
        patch: The change.
        memory: What the agent keeps for its next turn.
    """

    attempt: int
    verdict: Verdict
    isolation: Isolation
    patch: bytes
    memory: bytes


async def _attempt(
    context: RunContext, baseline: Baseline, number: int, slot: Slot
) -> TurnOutcome:
    """Claim, fork, confine, act, extract, check. May be cancelled at any point.

    Raises:
        Fenced: if a newer attempt has taken over, or the variation has settled.
        AideatorError: if the attempt failed.
    """
    async with slot():
        run = baseline.run
        variation = await claim(context, run.id, number)
        writer = EventWriter(context.log, run.id, number, variation.attempt)
        await writer.write(
            VariationStarted(
                spec=variation.spec,
                attempt=variation.attempt,
                follow_up=variation.follow_up,
            ),
        )
        name = f"{run.id}-{number}-{variation.attempt}"
        async with fork(baseline.checkout, context.home, name) as workspace:
            fill = apply_composition if variation.composed else act
            filled = await fill(context, run, variation, workspace, writer)
            await writer.write(Checking())
            patch = await extract(
                workspace, await context.backend_of(run), limits=context.limits
            )
        failure = await report_model_failure(patch, filled.lease, writer)
        patch = replace(patch, notes=(*patch.notes, *filled.notes, *failure))
        verdict = await check(context, baseline, number, patch, writer)
    return TurnOutcome(
        variation.attempt, verdict, filled.isolation, patch.data, filled.memory
    )


async def claim(context: RunContext, run_id: str, number: int) -> Variation:
    """Claim the variation: from here on, writes of earlier attempts are refused.

    Raises:
        Fenced: if the variation has settled meanwhile.
        CrashLoop: if `max_attempts` were lost.
    """
    async with context.database.write() as session:
        try:
            await claims.claim(
                session, run_id, number, max_attempts=context.max_attempts
            )
        except Conflict as settled:
            raise Fenced from settled
        return await runs.variation(session, run_id, number)


async def finish(
    context: RunContext, run_id: str, number: int, outcome: TurnOutcome
) -> None:
    """Record that an attempt has finished.

    Raises:
        Fenced: if a newer attempt has taken over.
    """
    await EventWriter(context.log, run_id, number, outcome.attempt).write(
        VariationFinished(verdict=outcome.verdict, isolation=outcome.isolation)
    )
    async with context.database.write() as session:
        await claims.finish(
            session,
            run_id,
            number,
            outcome.attempt,
            VariationStatus.FINISHED,
            verdict=outcome.verdict,
            isolation=outcome.isolation,
            patch=outcome.patch,
            memory=outcome.memory,
        )


async def give_up(
    context: RunContext, run_id: str, number: int, error: Exception
) -> None:
    """Record that the present attempt has failed or was cancelled, and why."""
    async with context.database.read() as session:
        variation = await runs.variation(session, run_id, number)
    failure = Failure(reason=type(error).__name__, message=str(error))
    await EventWriter(context.log, run_id, number, variation.attempt).write(
        VariationFailed(reason=failure.reason, message=failure.message)
    )
    cancelled = isinstance(error, Cancelled)
    status = VariationStatus.CANCELLED if cancelled else VariationStatus.FAILED
    async with context.database.write() as session:
        if variation.status is VariationStatus.QUEUED:
            await claims.cancel_queued(session, run_id, number)
        else:
            await claims.finish(
                session, run_id, number, variation.attempt, status, failure=failure
            )


async def hand_back(context: RunContext, run_id: str, number: int) -> None:
    """Put an unfinished variation back into the queue; it does not count as a crash."""
    async with context.database.write() as session:
        variation = await runs.variation(session, run_id, number)
        await claims.release(session, run_id, number, variation.attempt)


async def _report_lost_engine(
    context: RunContext, run_id: str, number: int, error: EngineLost
) -> None:
    async with context.database.read() as session:
        attempt = (await runs.variation(session, run_id, number)).attempt
    await EventWriter(context.log, run_id, number, attempt).write(
        VariationFailed(reason=type(error).__name__, message=str(error))
    )


@dataclass(frozen=True)
class Filled:
    """How a workspace was filled with a change.

    Attributes:
        isolation: What held the processes in.
        lease: The agent's; None where no agent acted.
        memory: What the agent keeps of its turn.
        visits: Notes on what persons did meanwhile.
        stops: Why the agent ended its turn early, in its words.
    """

    isolation: Isolation
    lease: Lease | None = None
    memory: bytes = b""
    visits: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the verdict says of how the change came about."""
        notices = self.lease.notices if self.lease else ()
        return (*self.visits, *notices, *self.stops)


async def act(
    context: RunContext,
    run: Run,
    variation: Variation,
    workspace: Fork,
    writer: EventWriter,
) -> Filled:
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
        await writer.write(SandboxOpened())
        lease.base_url = await context.upstream(run.spec)
        cwd = workspace.checkout.working_directory
        task = Task(run.spec.prompt, cwd=cwd)
        stops: list[str] = []
        if variation.follow_up is not None:
            await apply(
                sandbox, await previous_patch(context, run.id, variation.number)
            )
            task = await follow_up_task(
                context, run, variation.number, variation.follow_up
            )
            task = replace(task, cwd=cwd)
        async with context.active_agents.register(
            run.id, variation.number, sandbox, earlier_visits(variation)
        ) as active:
            async with aclosing(agent.run(task, sandbox, lease.token)) as drafts:
                async for draft in drafts:
                    if _is_reported_by_gateway(draft.body):
                        continue
                    await writer.copy([draft])
                    if isinstance(draft.body, ErrorRaised):
                        stops.append(draft.body.message)
            memory = await agent.remember(sandbox)
    return Filled(sandbox.isolation, lease, memory, tuple(active.visits), tuple(stops))


def earlier_visits(variation: Variation) -> list[str]:
    """Return the notes on persons in the verdict that a follow-up grows from."""
    verdict = variation.verdict if variation.follow_up is not None else None
    return [
        note
        for note in VISITS.values()
        if verdict is not None and note in verdict.notes
    ]


async def apply_composition(
    context: RunContext,
    run: Run,
    variation: Variation,
    workspace: Fork,
    writer: EventWriter,  # noqa: ARG001 - no agent, no events; the shape is `act`'s
) -> Filled:
    """Apply a composed patch to the fork.

    No agent runs; it is checked like any other variation.
    """
    backend = await context.backend_of(run)
    async with backend.open(workspace.tree, context.limits) as sandbox:
        await apply(sandbox, await previous_patch(context, run.id, variation.number))
    return Filled(sandbox.isolation)


def _is_reported_by_gateway(body: EventBody) -> bool:
    # On money and on the model the gateway is believed, not the agent: see
    # `report_model_failure`.
    return isinstance(body, ErrorRaised) and body.reason in {
        BUDGET_EXHAUSTED,
        MODEL_FAILED,
    }


async def report_model_failure(
    patch: Patch, lease: Lease | None, writer: EventWriter
) -> tuple[str, ...]:
    """Record how the model failed the agent, if it did, and return it as notes.

    The gateway remembers every refusal and failure, so an agent that was refused is
    never reported as one that changed nothing, whatever it says itself.

    Raises:
        BudgetExhausted: if the budget ended before the agent changed anything.
        ModelFailed: if a call was refused or failed, and the agent changed nothing.
    """
    if lease is None or not (lease.exhausted or lease.last_error):
        return ()
    if lease.exhausted:
        if not patch.data:
            raise BudgetExhausted
        reason, message = BUDGET_EXHAUSTED, "The budget was spent; judged as it stood."
    else:
        message = lease.last_error or ""
        if not patch.data:
            raise ModelFailed(message)
        reason = MODEL_FAILED
    await writer.write(ErrorRaised(reason=reason, message=message))
    return (message,)


async def previous_patch(context: RunContext, run_id: str, number: int) -> Patch:
    """Return the change of the last finished turn; empty if none has finished."""
    async with context.database.read() as session:
        with suppress(NotFound):
            return Patch(await runs.patch(session, run_id, number))
    return Patch(b"")


async def follow_up_task(context: RunContext, run: Run, number: int, then: str) -> Task:
    """Return the task of a follow-up turn.

    The agent's own session goes on, or a new one is told what the tree holds.
    """
    async with context.database.read() as session:
        memory = await claims.memory(session, run.id, number)
    anew = (
        f"Earlier you were asked:\n\n{run.spec.prompt}\n\nYour changes for that are "
        "in the working tree already (`git diff` shows them). Now you are asked:\n\n"
        f"{then}"
    )
    return Task(anew, memory=memory, follow_up=then)
