"""One connection writes, others read.

A single connection writes and checkpoints, behind one lock and `BEGIN IMMEDIATE`: batches stay large, nobody waits on a
busy database in this process, and the WAL-reset bug of SQLite below 3.51.3 (two connections writing or checkpointing in
the same instant) is out of reach. https://www.sqlite.org/releaselog/3_53_0.html

`synchronous` is NORMAL for everything: a power cut may take the last commits, never consistency. FULL for decisions
alone would cost a pragma before and after each of them; a decision that a power cut took is asked again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from aideator.domain.errors import Unavailable
from aideator.store.migrate import migrate

_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16384",
    "PRAGMA mmap_size = 268435456",
    "PRAGMA journal_size_limit = 67108864",
)
_READER_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")
_READERS = 4

_TROUBLE = {
    "locked": "another process is writing to the database: stop it, or give this one its own DATABASE_URL",
    "disk is full": "free some space on the disk that holds the database (`aideator gc` helps), then try again",
    "disk i/o error": "check the disk that holds the database, then try again",
    "readonly": "make the database file and its folder writable for this user",
    "unable to open": "the folder of the database must exist and be writable for this user",
}
"""SQLite's words, as they stand in its messages → what to do about it."""


class Database:
    """The rows, opened. Made by `open_database`."""

    def __init__(self, writer: AsyncEngine, readers: AsyncEngine) -> None:
        self._writer = writer
        self._readers = readers
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One writing transaction: committed at the end of the block, rolled back when the block raises.

        Writers take turns, so nothing slow may happen inside.

        Raises:
            Unavailable: if the database is locked by another process, the disk is full, and the like.
        """
        with _in_plain_words():
            async with self._turn, AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
                yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """One reading transaction: everything in the block sees the same moment."""
        with _in_plain_words():
            async with AsyncSession(self._readers, expire_on_commit=False) as session:
                yield session


@asynccontextmanager
async def open_database(
    url: str = "sqlite+aiosqlite:///aideator.db",
    *,
    echo: bool = False,
) -> AsyncIterator[Database]:
    """Open the database, migrating it first.

    Args:
        url: SQLAlchemy's URL of a database file. A database in memory cannot be shared by writer and readers.
        echo: whether every statement is logged.

    Raises:
        Unavailable: if the file cannot be opened, is damaged, or was written by a newer version.
    """
    writer = _engine(url, pragmas=_PRAGMAS, begin="BEGIN IMMEDIATE", size=1, echo=echo)
    readers = _engine(url, pragmas=(*_PRAGMAS, *_READER_PRAGMAS), begin="BEGIN", size=_READERS, echo=echo)
    try:
        with _in_plain_words():
            await migrate(writer)
        yield Database(writer, readers)
    finally:
        await readers.dispose()
        await writer.dispose()


def _engine(url: str, *, pragmas: tuple[str, ...], begin: str, size: int, echo: bool) -> AsyncEngine:
    # isolation_level None keeps the driver from beginning transactions behind our back.
    engine = create_async_engine(
        url,
        echo=echo,
        pool_size=size,
        max_overflow=0,
        connect_args={"isolation_level": None},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _in_plain_words() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        message = str(error.orig)
        for words, hint in _TROUBLE.items():
            if words in message.lower():
                raise Unavailable(f"the database cannot be used: {message}", hint=hint) from error
        raise
