"""Hosts that people have allowed to set-ups."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import NotFound
from aideator.domain.hosts import AllowedHost
from aideator.store.tables import AllowedHostRow


async def allow(session: AsyncSession, allowed: AllowedHost) -> None:
    """Store a host, also in place of an earlier answer."""
    await session.merge(AllowedHostRow(**allowed.model_dump()))


async def of_repository(session: AsyncSession, repository: str) -> list[AllowedHost]:
    """Return the hosts that are allowed to set-ups of a repository."""
    return [
        each for each in await every(session) if each.repository in {"", repository}
    ]


async def every(session: AsyncSession) -> list[AllowedHost]:
    """Return all allowed hosts, sorted."""
    rows = await session.scalars(
        select(AllowedHostRow).order_by(
            col(AllowedHostRow.host), col(AllowedHostRow.repository)
        )
    )
    return [
        AllowedHost(host=row.host, repository=row.repository, private=row.private)
        for row in rows
    ]


async def forget(session: AsyncSession, host: str) -> list[AllowedHost]:
    """Allow a host no more, for any repository; return what was allowed.

    Raises:
        NotFound: if nobody has allowed it.
    """
    found = [each for each in await every(session) if each.host == host]
    if not found:
        raise NotFound(
            f"nobody has allowed {host}", hint="`aideator hosts` lists the hosts"
        )
    await session.execute(
        delete(AllowedHostRow).where(col(AllowedHostRow.host) == host)
    )
    return found
