"""Migrates a database that is not of the newest revision: Alembic's scripts.

Before an existing file is changed it is checked (`PRAGMA quick_check`) and copied
(`VACUUM INTO`) beside itself as `<file>.<revision>.backup`, where the revision is the
one that the copy has.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from aideator.domain.errors import Unavailable
from aideator.store.home import make_private_file


async def upgrade(engine: AsyncEngine, revision: str | None, location: str) -> None:
    """Migrate to the newest revision, in one transaction.

    Args:
        engine: The database.
        revision: The one that it has; None if it is empty.
        location: Where the scripts are, as Alembic names a folder.

    Raises:
        Unavailable: if the database was written by a newer version of AIdeator, or is
            damaged.
    """
    config = Config()
    config.set_main_option("script_location", location)
    scripts = ScriptDirectory.from_config(config)
    if revision == scripts.get_current_head():
        return
    if revision is not None:
        _refuse_newer(revision, scripts)
        await _back_up(engine, revision)
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, config)


def _refuse_newer(revision: str, scripts: ScriptDirectory) -> None:
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise Unavailable(
            f"the database has revision {revision}, which this version of AIdeator "
            "does not know",
            hint="update AIdeator, or give it another DATABASE_URL",
        )


async def _back_up(engine: AsyncEngine, revision: str) -> None:
    file = Path(str(engine.url.database))
    copy = file.with_name(f"{file.name}.{revision}.backup")
    async with engine.connect() as connection:
        # Neither may run inside the transaction that SQLAlchemy has begun by itself.
        await connection.exec_driver_sql("COMMIT")
        verdict = (
            await connection.exec_driver_sql("PRAGMA quick_check(1)")
        ).scalar_one()
        if verdict != "ok":
            raise Unavailable(
                f"the database file is damaged: {verdict}",
                hint=(
                    "put a copy back in its place; older ones end in .backup beside "
                    f"{file.name}"
                ),
            )
        copy.unlink(missing_ok=True)
        make_private_file(copy)
        await connection.exec_driver_sql("VACUUM INTO ?", (str(copy),))


def _upgrade(connection: Connection, config: Config) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
