"""A question that was decided before is answered with that winner, patch and all."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.run import Run, RunStatus, VariationStatus, now
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
        update(VariationRow).where(mine).values(status=VariationStatus.CANCELLED, finished_at=now()),
    )
    await session.execute(
        update(VariationRow)
        .where(mine, col(VariationRow.number) == winner.number)
        .values(
            status=VariationStatus.FINISHED,
            seat=winner.seat,
            verdict=winner.verdict,
            isolation=winner.isolation,
        ),
    )
    session.add(PatchRow(run_id=run_id, number=winner.number, attempt=0, data=patch))
    return await runs.move(
        session,
        run_id,
        RunStatus.DECIDED,
        commit=decided.commit or "",
        checks=decided.checks,
        setup=decided.setup,
        protected=decided.protected,
        winner=winner.number,
        winner_reason=decided.winner_reason,
        reused_from=decided.id,
    )
