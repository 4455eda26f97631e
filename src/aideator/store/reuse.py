"""A question that was decided before is answered with that winner, patch and all."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.run import Run, RunStatus, Variation, VariationStatus, now
from aideator.store import runs
from aideator.store.tables import PatchRow, VariationRow


async def adopt(session: AsyncSession, run_id: str, decided: Run) -> Run:
    """Decide a queued run as `decided` was: its winner becomes this run's, the other seats are not needed.

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
    seats = len(await runs.variations(session, run_id))
    number = min(winner.number, seats + 1)
    if number > seats:  # the winner had joined later: composed, or a further seat
        await runs.join(
            session, Variation(run_id=run_id, number=number, seat=winner.seat)
        )
    await session.execute(
        update(VariationRow)
        .where(mine, col(VariationRow.number) == number)
        .values(
            status=VariationStatus.FINISHED,
            seat=winner.seat,
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
