"""What people write on runs: a name, and that they are put away."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import NotFound
from aideator.domain.run import now
from aideator.store.tables import RunRow


async def label(
    session: AsyncSession, run_id: str, *, title: str | None, archived: bool | None
) -> None:
    """Name a run, or put it into the archive or back; None leaves that as it is.

    Raises:
        NotFound: if there is no such run.
    """
    values: dict[str, object] = {"id": run_id}
    if title is not None:
        values["title"] = title.strip()
    if archived is not None:
        values["archived_at"] = now() if archived else None
    changed = update(RunRow).where(col(RunRow.id) == run_id).values(**values)
    found = await session.execute(changed.returning(col(RunRow.id)))
    if found.one_or_none() is None:
        raise NotFound(f"there is no run {run_id}")
