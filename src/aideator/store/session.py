"""Access to the database: one writer at a time, any number of readers.

Writers take turns behind one lock and `BEGIN IMMEDIATE`: batches stay large, no writer
of this process waits on a busy database, and the WAL-reset bug of SQLite below 3.51.3
(two connections writing or checkpointing in the same instant) is out of reach.
https://www.sqlite.org/releaselog/3_53_0.html

There are two ways to write, and two to read. `write` and `read` give an async session,
for the few changes of a run. `transact` and `look` run a function in a thread of their
own: an async session costs some fifteen hops between threads a transaction, this one a
single hop. Events come by the thousand, and each request looks before all else.

`synchronous` is NORMAL for everything: a power cut may take the last commits, never
consistency. FULL for decisions alone would cost a pragma before and after each of them;
a decision that a power cut took is asked again.
"""

import asyncio
import glob
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from aideator.domain.errors import Unavailable
from aideator.store.home import make_private_file
from aideator.store.migrate import MIGRATIONS, migrate

T = TypeVar("T")

_PRAGMAS = (
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


_HINTS = {
    "locked": (
        "another process is writing to the database: stop it, or give this one its own "
        "DATABASE_URL"
    ),
    "disk is full": (
        "free some space on the disk that holds the database (`aideator gc` helps), "
        "then try again"
    ),
    "disk i/o error": "check the disk that holds the database, then try again",
    "readonly": "make the database file and its folder writable for this user",
    "not a database": (
        "DATABASE_URL names a file that is something else: give it another name, or "
        "move that file away"
    ),
    "malformed": (
        "the file is damaged: put a copy back in its place; migrations leave some "
        "beside it (.backup)"
    ),
    "unable to open": (
        "the folder of the database must exist and be writable for this user"
    ),
}
"""Part of SQLite's error message → what to do about it."""


@dataclass(frozen=True)
class Threads:
    """Threads for whole transactions, and the connections that they use."""

    writer: Executor
    writing: Engine
    readers: Executor
    reading: Engine


class Database:
    """An open database. Made by `open_database`."""

    def __init__(
        self, writer: AsyncEngine, readers: AsyncEngine, threads: Threads
    ) -> None:
        self._writing = async_sessionmaker(writer, expire_on_commit=False)
        self._readers = readers
        self._threads = threads
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a writing transaction.

        It is committed at the end of the block, and rolled back when the block raises.
        Writers take turns, so nothing slow may happen inside.

        Raises:
            Unavailable: if the database is locked by another process, the disk is full,
                and the like.
        """
        with translate_database_errors():
            # Not `session.begin()`: a cancellation in the middle of its commit breaks
            # the connection.
            async with self._turn, self._writing.begin() as session:
                yield session

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Run a writing transaction in the writer's thread, with the rules of `write`.

        A caller that is cancelled, however often, waits for the end of the transaction:
        the turn must not pass on before.
        """
        with translate_database_errors():
            async with self._turn:
                transaction = asyncio.get_running_loop().run_in_executor(
                    self._threads.writer, self._transaction, work
                )
                return await _wait_out(transaction)

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with self._threads.writing.begin() as connection:
            return work(connection)

    async def look(self, work: Callable[[Connection], T]) -> T:
        """Run a reading transaction in a reader's thread, with the rules of `read`."""
        with translate_database_errors():
            return await asyncio.get_running_loop().run_in_executor(
                self._threads.readers, self._reading, work
            )

    def _reading(self, work: Callable[[Connection], T]) -> T:
        with self._threads.reading.connect() as connection:
            return work(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a reading transaction: all of the block sees the same moment."""
        with translate_database_errors():
            async with AsyncSession(self._readers, expire_on_commit=False) as session:
                yield session


@asynccontextmanager
async def open_database(
    url: str = "sqlite+aiosqlite:///aideator.db",
    *,
    echo: bool = False,
    busy_timeout: float = 5.0,
    migrations: str = MIGRATIONS,
) -> AsyncIterator[Database]:
    """Open the database, migrating it first.

    Args:
        url: SQLAlchemy's URL of a database file. A database in memory cannot be shared
            by writer and readers.
        echo: whether every statement is logged.
        busy_timeout: seconds to wait for a lock that another process holds.
        migrations: where Alembic's scripts are.

    Raises:
        Unavailable: if the file cannot be opened, is damaged, or was written by a newer
            version.
    """
    # isolation_level None keeps the driver from beginning transactions by itself.
    common: dict[str, Any] = {
        "echo": echo,
        "max_overflow": 0,
        "connect_args": {"isolation_level": None, "timeout": busy_timeout},
    }
    writer = create_async_engine(url, pool_size=1, **common)
    readers = create_async_engine(url, pool_size=_READERS, **common)
    plain = make_url(url).set(drivername="sqlite")
    writing, reading = (
        create_engine(plain, pool_size=1, **common),
        create_engine(plain, pool_size=_READERS, **common),
    )
    for engine in (writer.sync_engine, writing):
        prepare(engine, _PRAGMAS, begin="BEGIN IMMEDIATE")
    for engine in (readers.sync_engine, reading):
        prepare(engine, (*_PRAGMAS, *_READER_PRAGMAS), begin="BEGIN")
    try:
        with translate_database_errors():
            await asyncio.to_thread(_make_private, writing)
            # First without aiosqlite, which leaves a thread behind when it cannot open
            # a file.
            await asyncio.to_thread(_touch, writing)
            await migrate(writer, migrations)
        with (
            ThreadPoolExecutor(1, thread_name_prefix="aideator-events") as one,
            ThreadPoolExecutor(
                _READERS, thread_name_prefix="aideator-looks"
            ) as several,
        ):
            yield Database(writer, readers, Threads(one, writing, several, reading))
    finally:
        await readers.dispose()
        for engine in (writing, reading):
            engine.dispose()
        await writer.dispose()


def _make_private(engine: Engine) -> None:
    """Keep the database from other users, with SQLite's own files and the backups.

    SQLite gives its files beside the database the permissions of the database.
    """
    if not engine.url.database or engine.url.database == ":memory:":
        return
    file = Path(engine.url.database)
    with suppress(OSError):  # SQLite tells what is wrong with it, see `_HINTS`
        for path in (file, *file.parent.glob(f"{glob.escape(file.name)}[-.]*")):
            make_private_file(path)


def _touch(engine: Engine) -> None:
    engine.connect().close()


def prepare(engine: Engine, pragmas: tuple[str, ...], *, begin: str) -> None:
    """Have an engine's connections begin transactions and set pragmas as we want.

    Args:
        engine: A SQLite engine whose driver begins no transactions by itself.
        pragmas: Run once on each connection.
        begin: The statement that begins a transaction.
    """

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "invalidate")
    def give_the_lock_back(connection: DBAPIConnection, *_: object) -> None:
        # A cancellation breaks a connection in the middle of a statement. Closing it is
        # not enough: with a cursor that still has rows to give, SQLite keeps it, and
        # its write lock, until that cursor is collected.
        connection.rollback()

    @event.listens_for(engine, "begin")
    def begin_explicitly(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


async def _wait_out(work: asyncio.Future[T]) -> T:
    """Return what `work` returns, and raise a cancellation only when it is done."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return work.result()
    work.exception()  # marks it as seen: the caller is gone
    raise cancelled


@contextmanager
def translate_database_errors() -> Iterator[None]:
    """Raise `Unavailable` with a hint for errors of SQLite that a person can mend.

    Others are raised as they are: they are bugs.
    """
    try:
        yield
    except DatabaseError as error:
        message = str(error.orig)
        for words, hint in _HINTS.items():
            if words in message.lower():
                raise Unavailable(
                    f"the database cannot be used: {message}", hint=hint
                ) from error
        raise
