"""Continue a run: follow-ups, further agents, variations composed of others.

Each stores in one transaction what is added to the run, reopens a settled run, appends
the events, and has the engine start it.
"""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from aideator.agents.catalog import validate_agent
from aideator.changes.compose import compose
from aideator.domain.errors import Conflict, InvalidInput
from aideator.domain.events import EventBody, VariationAdded
from aideator.domain.run import (
    COMPOSED,
    ENDED_RUN,
    MAX_COMPOSED,
    SETTLED_RUN,
    SETTLED_VARIATION,
    AgentSpec,
    ComposedPart,
    Run,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.engine.base import Engine
from aideator.engine.events import report_reopened
from aideator.eventlog.base import Draft, EventLog
from aideator.store import claims, runs
from aideator.store.session import Database

Change = Callable[
    [AsyncSession, Run, Sequence[Variation]], Awaitable[list[tuple[int, EventBody]]]
]
"""Stores what is added to the run, and returns the events of it with their variation's
number."""


async def apply(
    database: Database, log: EventLog, engine: Engine, run_id: str, change: Change
) -> None:
    """Apply a change that gives the run something to do, and start the engine on it.

    Raises:
        NotFound: if there is no such run.
        Conflict: if the run came from a file, or was interrupted.
    """
    async with database.write() as session:
        run = await runs.get(session, run_id)
        refuse_imported(run)
        refuse_interrupted(run)
        added = await change(session, run, await runs.variations(session, run_id))
        reopened = run.status in SETTLED_RUN
        if reopened:
            run = await runs.move(session, run_id, RunStatus.RUNNING)
    if reopened:
        # After a crash before this, the next start of the engine reports it.
        await report_reopened(log, run)
    for number, body in added:
        await log.append(run_id, [Draft(body)], variation_id=number)
    await engine.start(run_id)


async def resume(
    database: Database, log: EventLog, engine: Engine, run_id: str
) -> None:
    """Take an interrupted run up again. One that is at work stays as it is.

    Raises:
        NotFound: if there is no such run.
        Conflict: if the run has ended.
    """
    async with database.write() as session:
        run = await runs.get(session, run_id)
        if run.status in ENDED_RUN:
            raise Conflict(
                f"the run is {run.status}; only an interrupted run can be resumed",
                hint="give it a follow-up prompt, or add an agent",
            )
        was_interrupted = run.status is RunStatus.INTERRUPTED
        if was_interrupted:
            run = await runs.move(session, run_id, RunStatus.RUNNING)
    if was_interrupted:
        await report_reopened(log, run)
    await engine.start(run_id)


def refuse_interrupted(run: Run) -> None:
    """Refuse to go on with a part of an interrupted run.

    Raises:
        Conflict: if the run was interrupted.
    """
    if run.status is RunStatus.INTERRUPTED:
        raise Conflict(
            "the run was interrupted, and nothing of it is at work",
            hint="resume it or cancel it as a whole first",
        )


def refuse_imported(run: Run) -> None:
    """Refuse to change an imported run: what it names may belong to somebody else.

    Raises:
        Conflict: if the run was imported.
    """
    if run.imported_at is not None:
        raise Conflict(
            "this run was imported from a file; it can only be looked at",
            hint="submit it anew",
        )


def follow_up(text: str, number: int | None) -> Change:
    """Return the change that gives one, or all settled variations, a further turn."""

    async def change(
        session: AsyncSession, run: Run, variations: Sequence[Variation]
    ) -> list[tuple[int, EventBody]]:
        if number is not None:
            await runs.variation(session, run.id, number)
        asked = [v for v in variations if number in (None, v.number)]
        if number is not None and asked[0].composed:
            raise Conflict(
                f"variation {number} was composed; no agent can continue it",
                hint="add an agent, or prompt the variations that it was composed from",
            )
        # A variation that is named is requeued whatever its state is: `requeue` refuses
        # one that is at work.
        able = [
            v.number
            for v in asked
            if not v.composed and (number or v.status in SETTLED_VARIATION)
        ]
        if not able:
            raise Conflict(
                "no variation has settled yet",
                hint="wait for the end of one, or cancel it first",
            )
        for each in able:
            await claims.requeue(session, run.id, each, text)
        return []

    return change


def add_agent(agent: AgentSpec, *, most: int) -> Change:
    """Return the change that adds one more agent, whatever the others are doing.

    Args:
        agent: The agent to add.
        most: Agents that a run may have.

    Raises:
        InvalidInput: if there cannot be such an agent.
    """
    if wrong := validate_agent(agent):
        raise InvalidInput(fields=wrong)

    async def change(
        session: AsyncSession, run: Run, variations: Sequence[Variation]
    ) -> list[tuple[int, EventBody]]:
        agents = sum(not v.composed for v in variations)
        if agents >= most:
            raise Conflict(
                f"the run has {agents} agents; {most} is the most (MAX_VARIATIONS)"
            )
        added = Variation(run_id=run.id, number=len(variations) + 1, spec=agent)
        await runs.join(session, added)
        return [(added.number, VariationAdded(spec=agent))]

    return change


def composition(parts: Sequence[ComposedPart]) -> Change:
    """Return the change that adds a variation combined from parts of others."""

    async def change(
        session: AsyncSession, run: Run, variations: Sequence[Variation]
    ) -> list[tuple[int, EventBody]]:
        if sum(bool(v.composed) for v in variations) >= MAX_COMPOSED:
            raise Conflict(f"the run has {MAX_COMPOSED} composed variations already")
        finished = {
            v.number for v in variations if v.status is VariationStatus.FINISHED
        }
        sources = {part.variation_id for part in parts}
        if sources - finished:
            numbers = ", ".join(map(str, sorted(sources - finished)))
            raise Conflict(f"these variations have no finished change: {numbers}")
        patch = compose(
            {
                number: await runs.patch(session, run.id, number)
                for number in sorted(sources)
            },
            parts,
        )
        agent = AgentSpec(agent=COMPOSED)
        made = Variation(
            run_id=run.id, number=len(variations) + 1, spec=agent, composed=tuple(parts)
        )
        await runs.join(session, made, patch)
        return [(made.number, VariationAdded(spec=agent, composed=made.composed))]

    return change
