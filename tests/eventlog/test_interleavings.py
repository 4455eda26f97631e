"""Whatever writers, followers, disconnects and ends come together: what is heard is the log, each event once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from uuid_utils import uuid7

from aideator.domain.events import AgentOutput, Event
from aideator.eventlog.base import Entry
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.store.session import Database, open_database
from tests.eventlog.conftest import COMPLETE, say, start

PAUSES = st.integers(0, 3)
WRITERS = st.lists(
    st.lists(st.tuples(PAUSES, st.integers(1, 12)), max_size=6), min_size=1, max_size=4
)
"""For each writer its appends: turns of the loop to wait before, and how many
events."""
FOLLOWERS = st.lists(
    st.lists(st.tuples(PAUSES, st.integers(1, 4)), max_size=5), min_size=1, max_size=4
)
"""For each follower its visits: turns of the loop to wait before, and how many batches
it takes before it leaves."""


async def pause(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def write(
    log: SqlEventLog, run_id: str, number: int, appends: list[tuple[int, int]]
) -> None:
    for place, (turns, count) in enumerate(appends):
        await pause(turns)
        words = [f"{number}.{place}.{n}" for n in range(count)]
        await log.append(run_id, say(*words), variation_id=number, attempt=1)


async def listen(
    log: SqlEventLog, run_id: str, visits: list[tuple[int, int]]
) -> list[Entry]:
    """Come and go as a browser does, each time with the last id that was heard; stay to the end at the last visit."""
    entries: list[Entry] = []
    for turns, batches in [*visits, (0, -1)]:
        await pause(turns)
        async with aclosing(
            log.follow(run_id, after=entries[-1].seq if entries else 0)
        ) as stream:
            async for batch in stream:
                entries += batch
                batches -= 1
                if batches == 0:
                    break
    return entries


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(writers=WRITERS, followers=FOLLOWERS)
async def test_every_follower_hears_the_log_exactly_once(
    db: Database,
    log: SqlEventLog,
    writers: list[list[tuple[int, int]]],
    followers: list[list[tuple[int, int]]],
) -> None:
    run_id = str(uuid7())
    await start(db, run_id, agents=len(writers))
    async with asyncio.TaskGroup() as listening:
        heard = [
            listening.create_task(listen(log, run_id, visits)) for visits in followers
        ]
        async with asyncio.TaskGroup() as writing:
            for number, appends in enumerate(writers, start=1):
                writing.create_task(write(log, run_id, number, appends))
        last = await log.append(run_id, [COMPLETE])
    stored = await log.read(run_id, limit=10_000)
    assert [entry.seq for entry in stored] == list(range(1, last + 1))
    for task in heard:
        assert [(entry.seq, entry.data) for entry in task.result()] == [
            (entry.seq, entry.data) for entry in stored
        ]
    said: dict[str, list[str]] = {}
    for entry in stored[:-1]:
        body = Event.model_validate_json(entry.data).body
        assert isinstance(body, AgentOutput)
        said.setdefault(body.text.partition(".")[0], []).append(body.text)
    for number, appends in enumerate(writers, start=1):
        expected = [
            f"{number}.{place}.{n}"
            for place, (_, count) in enumerate(appends)
            for n in range(count)
        ]
        assert said.get(str(number), []) == expected


@dataclass
class Listener:
    stream: AsyncGenerator[list[Entry]]
    cursor: int


class LogMachine(RuleBasedStateMachine):
    """Appends, ends, restarts, followers that come, take, leave; the model is the list of words that were appended."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal: BlockingPortal = self.stack.enter_context(start_blocking_portal())
        home = self.stack.enter_context(TemporaryDirectory())
        opening = open_database(f"sqlite+aiosqlite:///{home}/aideator.db")
        self.db: Database = self.stack.enter_context(
            self.portal.wrap_async_context_manager(opening)
        )
        self.portal.call(start, self.db, "r1")
        self.words: list[str] = []
        self.listeners: list[Listener] = []
        self.open()

    def open(self) -> None:
        opening = open_event_log(self.db, page=3, ring_entries=6)
        self.opened = self.portal.wrap_async_context_manager(opening)
        self.log: SqlEventLog = self.opened.__enter__()

    @rule(count=st.integers(0, 9))
    def append(self, count: int) -> None:
        words = [f"{len(self.words) + n}" for n in range(count)]
        self.words += words
        assert self.portal.call(self.log.append, "r1", say(*words)) == len(self.words)

    @rule()
    def complete(self) -> None:
        self.words.append("complete")
        assert self.portal.call(self.log.append, "r1", [COMPLETE]) == len(self.words)

    @rule(share=st.floats(0, 1))
    def join(self, share: float) -> None:
        cursor = round(share * len(self.words))
        self.listeners.append(Listener(self.log.follow("r1", after=cursor), cursor))

    @precondition(lambda self: self.listeners)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        listener = data.draw(st.sampled_from(self.listeners), label="listener")
        behind = listener.cursor < len(self.words)
        if not behind and self.words[-1:] != ["complete"]:
            return  # it would wait, rightly
        batch = self.portal.call(take, listener.stream)
        if behind:
            expected = self.words[listener.cursor : listener.cursor + len(batch)]
            assert batch
            assert [word for _, word in batch] == expected
            assert [seq for seq, _ in batch] == list(
                range(listener.cursor + 1, listener.cursor + 1 + len(batch))
            )
            listener.cursor += len(batch)
        else:
            assert batch == []
            self.listeners.remove(listener)

    @precondition(lambda self: self.listeners)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        listener = data.draw(st.sampled_from(self.listeners), label="listener")
        self.portal.call(listener.stream.aclose)
        self.listeners.remove(listener)

    @rule()
    def restart(self) -> None:
        self.opened.__exit__(None, None, None)
        for listener in self.listeners:
            assert self.portal.call(take, listener.stream) == []
        self.listeners.clear()
        self.open()

    def teardown(self) -> None:
        for listener in self.listeners:
            self.portal.call(listener.stream.aclose)
        self.opened.__exit__(None, None, None)
        self.stack.close()


async def take(stream: AsyncGenerator[list[Entry]]) -> list[tuple[int, str]]:
    """The next batch, decoded; empty when the stream has ended."""
    bodies = [
        (entry.seq, Event.model_validate_json(entry.data).body)
        for entry in await anext(stream, [])
    ]
    return [
        (seq, body.text if isinstance(body, AgentOutput) else body.kind)
        for seq, body in bodies
    ]


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
