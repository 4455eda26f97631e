"""Looks at every start whether a database has the newest revision.

`upgrade.py` migrates one that has not. It is imported only then: Alembic takes as long
to import as all that a short command does.
"""

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from aideator.store.migrations import HEAD

MIGRATIONS = "aideator.store:migrations"
"""Where our scripts are, as Alembic names a folder inside a package."""


async def migrate(engine: AsyncEngine, location: str = MIGRATIONS) -> None:
    """Migrate to the newest revision; nothing happens when the database has it.

    Raises:
        Unavailable: if the database was written by a newer version of AIdeator, or is
            damaged.
    """
    async with engine.connect() as connection:
        revision = await connection.run_sync(_revision)
    if (location, revision) == (MIGRATIONS, HEAD):
        return
    from aideator.store.upgrade import upgrade  # noqa: PLC0415 - see the docstring

    await upgrade(engine, revision, location)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)
