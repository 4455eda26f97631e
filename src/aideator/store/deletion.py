"""Delete a run with all that belongs to it alone.

What others may use stays: the repository's cache, measurements of trees, and runs that
were answered by its winner, which have a copy of it.
"""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import Conflict, NotFound
from aideator.domain.run import SETTLED_RUN
from aideator.store.tables import (
    EventRow,
    IdempotencyRow,
    PatchRow,
    RunRow,
    SessionRow,
    VariationRow,
)

_BELONGINGS = (PatchRow, SessionRow, IdempotencyRow, EventRow, VariationRow)


async def delete_run(session: AsyncSession, run_id: str) -> None:
    """Delete a run that has ended: its events, patches, sessions and rows.

    Raises:
        NotFound: if there is no such run.
        Conflict: if it has not ended.
    """
    mine = col(RunRow.id) == run_id
    found = await session.execute(
        select(col(RunRow.status), col(RunRow.announced)).where(mine)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    status, is_announced = row
    # Its last event is written after it has settled.
    if status not in SETTLED_RUN or not is_announced:
        raise Conflict(
            f"run {run_id[-8:]} is {status}, and only a run that has ended is deleted",
            hint=f"`aideator cancel {run_id[-8:]}` ends it",
        )
    for table in _BELONGINGS:
        await session.execute(delete(table).where(col(table.run_id) == run_id))
    await session.execute(delete(RunRow).where(mine))
