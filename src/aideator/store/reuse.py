"""Answer a run that asks what a decided run has answered with that run's winner.

The same question means the same commit, prompt, lineup in any order, checks, set-up and
protected paths; a run that says `fresh` is not answered this way. The commit is part of
the question, so a branch that has moved asks again. Only decided runs answer: a person
must have chosen.

The winner is copied (agent, verdict, isolation, patch, reason), because the new record
must be complete by itself, also when the old run is removed one day: `diff`, `select`
and `apply` work on it as on any other run. Usage is not copied, because this run has
spent nothing. `reused_from` names the old run.
"""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.run import Run, RunStatus, Variation, VariationStatus, now
from aideator.store import runs
from aideator.store.tables import PatchRow, VariationRow


async def adopt(session: AsyncSession, run_id: str, decided: Run) -> Run:
    """Decide a queued run as `decided` was: its winner becomes this run's.

    The variation with the winner's number is finished. The others are cancelled,
    because no agent worked on them.

    Raises:
        Conflict: if the run is not queued any more.
    """
    assert decided.winner is not None  # a decided run has one
    winner = await runs.variation(session, decided.id, decided.winner)
    patch = await runs.patch(session, decided.id, decided.winner)
    mine = col(VariationRow.run_id) == run_id
    await session.execute(
        update(VariationRow)
        .where(mine)
        .values(status=VariationStatus.CANCELLED, finished_at=now()),
    )
    agents = len(await runs.variations(session, run_id))
    number = min(winner.number, agents + 1)
    if number > agents:  # the winner had joined later: composed, or a further agent
        await runs.join(
            session, Variation(run_id=run_id, number=number, spec=winner.spec)
        )
    await session.execute(
        update(VariationRow)
        .where(mine, col(VariationRow.number) == number)
        .values(
            status=VariationStatus.FINISHED,
            spec=winner.spec,
            verdict=winner.verdict
            and winner.verdict.model_copy(update={"variation_id": number}),
            cleared=winner.cleared,
            isolation=winner.isolation,
        ),
    )
    session.add(PatchRow(run_id=run_id, number=number, attempt=0, data=patch))
    return await runs.move(
        session,
        run_id,
        RunStatus.DECIDED,
        commit=decided.commit or "",
        checks=decided.checks,
        setup=decided.setup,
        protected=decided.protected,
        winner=number,
        winner_reason=decided.winner_reason,
        reused_from=decided.id,
    )
