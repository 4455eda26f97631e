"""Open an AIdeator: state directory, database, event log, and what carries runs out."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from aideator.app.background import open_background
from aideator.app.demo import Demo
from aideator.app.facade import Aideator, Working
from aideator.app.model_key import with_stored_key
from aideator.domain.errors import Unavailable
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.sandbox.base import sandbox_uid
from aideator.settings import Settings
from aideator.store.home import claim_home, make_home
from aideator.store.session import Database, open_database

_logger = structlog.get_logger(__name__)


@asynccontextmanager
async def open_app(
    settings: Settings, *, work: bool = True, url: str | None = None
) -> AsyncIterator[Aideator]:
    """Open everything that the settings name, and take up unfinished runs.

    Args:
        settings: Where things are and what is allowed.
        work: Whether runs are carried out here. This process then gets the umask 022.
            Without, nothing is started and nothing can be submitted.
        url: The address at which this process serves; other commands on this machine
            find it by that.

    Raises:
        Unavailable: if another process works in the same state directory, or something
            that runs need is missing.
    """
    home = make_home(settings.aideator_home, group=sandbox_uid())
    async with AsyncExitStack() as stack:
        if work:
            settings = await _with_key(settings)
            # Sandboxes, which may run as another user, read much of what is made here.
            # What they may not read is kept from them and others by its own mode.
            os.umask(0o022)
            stack.enter_context(claim_home(home, url=url))
        database = await stack.enter_async_context(
            open_database(settings.database, echo=settings.database_echo)
        )
        log = await stack.enter_async_context(open_event_log(database))
        demo = Demo(home, stack)
        working = (
            await _start_working(stack, settings, database, log, demo) if work else None
        )
        app = Aideator(settings, database, log, working, demo)
        try:
            yield app
        finally:
            app.close_resources()


async def _with_key(settings: Settings) -> Settings:
    """Return the settings with the stored key, if it can be read.

    A keyring that is locked keeps nobody from reading runs.
    """
    try:
        return await asyncio.to_thread(with_stored_key, settings)
    except Unavailable as error:
        _logger.warning("stored key not used", reason=str(error), hint=error.hint)
        return settings


async def _start_working(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    log: SqlEventLog,
    demo: Demo,
) -> Working:
    # Imported late: a second of imports that reading does not need.
    from aideator.app.wiring import start_engine  # noqa: PLC0415

    engine, context = await start_engine(stack, settings, database, log, demo)
    start = await stack.enter_async_context(open_background())
    return Working(engine, context, start)
