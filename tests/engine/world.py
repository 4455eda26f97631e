"""An engine on real tables, with fakes for what is slow: git, sandboxes, agents, model.

All of it runs in one thread, on a `SteppingLoop`: the same choices lead to the same
story.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from aideator.agents.base import Task
from aideator.domain.errors import AgentCrashed, EngineLost, RepositoryError
from aideator.domain.events import AgentOutput
from aideator.domain.isolation import Isolation
from aideator.engine import base
from aideator.engine.context import RunContext
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.source import SourcePolicy, parse_source
from aideator.sandbox.base import ExecResult, Limits
from aideator.setup.network import NetworkPolicy
from aideator.store.session import Database, Threads, prepare
from tests.engine.stepping import SteppingLoop

OpenEngine = Callable[[RunContext], AbstractAsyncContextManager[base.Engine]]


@cache
def _engines() -> tuple[Engine, Engine]:
    """Return one writer and one reader for all databases, opened one after another.

    Made anew for each, they would compile every statement again.
    """
    return _engine("BEGIN IMMEDIATE"), _engine("BEGIN")


def _engine(begin: str) -> Engine:
    engine = create_engine("sqlite://", creator=_connect, poolclass=QueuePool)
    pragmas = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF")
    prepare(engine, pragmas, begin=begin)
    return engine


_present: list[Path] = []
"""The file of the database that is open now."""


def _connect() -> sqlite3.Connection:
    return sqlite3.connect(_present[-1], isolation_level=None)


class SteppedSession:
    """A session whose every statement is an operation of the loop."""

    def __init__(self, loop: SteppingLoop, session: Session) -> None:
        self._loop = loop
        self.sync = session
        self.add, self.add_all = session.add, session.add_all

    async def get(self, *args: Any, **named: Any) -> Any:
        return await self._loop.operation("get", lambda: self.sync.get(*args, **named))

    async def scalars(self, statement: Any, **named: Any) -> Any:
        return await self._loop.operation(
            "scalars", lambda: self.sync.scalars(statement, **named)
        )

    async def scalar(self, statement: Any) -> Any:
        return await self._loop.operation("scalar", lambda: self.sync.scalar(statement))

    async def execute(self, statement: Any) -> Any:
        return await self._loop.operation(
            "execute", lambda: self.sync.execute(statement)
        )

    async def merge(self, row: Any) -> Any:
        return await self._loop.operation("merge", lambda: self.sync.merge(row))

    async def flush(self) -> None:
        await self._loop.operation("flush", self.sync.flush)


class SteppedDatabase(Database):
    """The product's own tables and statements, without its threads."""

    def __init__(self, loop: SteppingLoop, file: Path) -> None:
        self._loop = loop
        _present[:] = [file]
        writing, reading = _engines()
        writing.dispose()
        reading.dispose()
        nowhere = cast("Any", None)  # the loop runs what it is given by itself
        self._threads = Threads(nowhere, writing, nowhere, reading)
        self._turn = asyncio.Lock()
        self._open: Session | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        async with self._turn:
            await self._loop.operation("begin", lambda: None)
            with Session(self._threads.writing, expire_on_commit=False) as session:
                self._open = session
                yield cast("AsyncSession", SteppedSession(self._loop, session))
                await self._loop.operation("commit", session.commit)
                self._open = None
            await self._loop.operation("committed", lambda: None)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        with Session(self._threads.reading, expire_on_commit=False) as session:
            yield cast("AsyncSession", SteppedSession(self._loop, session))

    def kill(self) -> None:
        """Lose what is not committed, and every connection."""
        if self._open is not None:
            self._open.rollback()
        for engine in _engines():
            engine.dispose()


@dataclass(frozen=True)
class Turn:
    """What a variation is asked to do: the run's prompt, or a follow-up's text."""

    run_id: str
    number: int
    text: str


class FakeCache:
    """One repository, which cannot always be had."""

    def __init__(self, loop: SteppingLoop, path: Path) -> None:
        self._loop = loop
        source = parse_source(str(path), SourcePolicy(frozenset(), allow_local=True))
        self._commit = Commit(source, "0" * 40)
        self._path = path

    async def resolve(self, url: str, ref: str | None) -> Commit:
        return await self._loop.operation(
            f"resolve {url} {ref}", lambda: self._commit, (RepositoryError,)
        )

    async def checkout(self, commit: Commit) -> Checkout:
        return await self._loop.operation(
            "checkout", lambda: Checkout(self._path, commit)
        )


class FakeSandbox:
    """A sandbox in which every command succeeds and prints nothing."""

    isolation = Isolation(backend="fake", network="none", limits={})

    async def exec(self, *_: object, **__: object) -> ExecResult:
        return ExecResult(0, b"", b"")


@dataclass(frozen=True)
class FakeBackend:
    """Opens fake sandboxes, unless its container engine goes away."""

    loop: SteppingLoop
    name: str = "fake"
    runtime: None = None

    @asynccontextmanager
    async def open(self, *_: object, **__: object) -> AsyncIterator[FakeSandbox]:
        await self.loop.operation("open sandbox", lambda: None, (EngineLost,))
        try:
            yield FakeSandbox()
        finally:
            await self.loop.operation("close sandbox", lambda: None)


@dataclass
class FakeLease:
    """A lease whose token tells the agent which variation it works on."""

    token: str
    base_url: str | None = None
    exhausted: bool = False
    last_error: str | None = None
    notices: tuple[str, ...] = ()


class FakeGateway:
    """Gives out leases."""

    socket = Path("/nonexistent")

    @asynccontextmanager
    async def lease(
        self, run_id: str, number: int, *_: object, **__: object
    ) -> AsyncIterator[FakeLease]:
        yield FakeLease(f"{run_id} {number}")


@dataclass(frozen=True)
class FakeAgent:
    """Works in two steps, and tells an observer of each."""

    loop: SteppingLoop
    working: Callable[[Turn], None]
    done: Callable[[Turn], None]
    binds: tuple[()] = ()

    async def run(self, task: Task, _: object, token: str) -> AsyncGenerator[Draft]:
        run_id, number = token.split()
        turn = Turn(run_id, int(number), task.follow_up or task.prompt)
        self.working(turn)
        yield Draft(AgentOutput(channel="message", text="I look."))
        await self.loop.operation(
            f"agent {number}",
            lambda: self.working(turn),
            (AgentCrashed, ZeroDivisionError),
        )
        self.done(turn)

    async def remember(self, _: object) -> bytes:
        await self.loop.operation("remember", lambda: None)
        return b""


@dataclass
class Process:
    """One process with an engine, from its start to its end, however it ends."""

    loop: SteppingLoop
    database: SteppedDatabase
    context: RunContext
    open_engine: OpenEngine
    engine: base.Engine | None = None
    end: asyncio.Event = field(default_factory=asyncio.Event)
    main: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.main = self.loop.create_task(self._serve())

    async def _serve(self) -> None:
        async with (
            open_event_log(self.database) as log,
            self.open_engine(self._with(log)) as self.engine,
        ):
            await self.end.wait()
        self.engine = None

    def _with(self, log: SqlEventLog) -> RunContext:
        object.__setattr__(self.context, "log", log)
        return self.context

    def kill(self) -> None:
        """End at once; only what is committed stays."""
        self.database.kill()
        self.loop.kill()
        self.end.set()
        assert self.main is not None
        while self.loop.step():
            pass
        assert self.main.done()


def open_process(
    home: Path,
    open_engine: OpenEngine,
    working: Callable[[Turn], None],
    done: Callable[[Turn], None],
) -> Process:
    """Start a process on the database in `home`.

    Args:
        home: The state directory.
        open_engine: The engine that is tested.
        working: Called whenever an agent does something.
        done: Called when an agent has done what it was asked.
    """
    loop = SteppingLoop()  # type: ignore[abstract]
    database = SteppedDatabase(loop, home / "aideator.db")

    async def choose_backend(_: str | None) -> Any:
        return FakeBackend(loop)

    context = RunContext(
        database=database,
        log=cast("Any", None),  # opened in the process
        cache=cast("Any", FakeCache(loop, home / "repo")),
        workshop=cast("Any", lambda _: None),  # no set-up, so no environment is made
        network=NetworkPolicy(),
        gateway=cast("Any", FakeGateway()),
        choose_backend=choose_backend,
        make_agent=cast("Any", lambda *_: FakeAgent(loop, working, done)),
        limits=Limits(),
        home=home,
        max_attempts=1000,
    )
    process = Process(loop, database, context, open_engine)
    process.start()
    return process
