import asyncio
import gc
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from aideator.domain.errors import Fenced, NotFound, Unavailable
from aideator.domain.events import AgentOutput, Event, EventBody, RunStarted, ToolCall
from aideator.domain.run import RunStatus
from aideator.eventlog.base import Draft, Entry
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.store import claims, runs
from aideator.store.session import Database, T
from tests.eventlog.conftest import COMPLETE, say, start


def texts(entries: list[Entry]) -> list[str]:
    bodies = [Event.model_validate_json(entry.data).body for entry in entries]
    return [
        body.text if isinstance(body, AgentOutput) else body.kind for body in bodies
    ]


async def heard(batches: AsyncGenerator[list[Entry]]) -> list[Entry]:
    async with aclosing(batches):
        entries = []
        async for batch in batches:
            entries += batch
        return entries


async def test_an_event_comes_back_whole(db: Database, log: SqlEventLog) -> None:
    await start(db, "r1")
    bodies: list[EventBody] = [
        ToolCall(
            tool_call_id="1",
            title='a "quote", a \x00, a \n and ü',
            raw_input={"a": [1, None]},
        ),
        RunStarted(repo_url="r", commit="abc", prompt="x", variations=1, checks=()),
    ]
    assert (
        await log.append(
            "r1", [Draft(body) for body in bodies], variation_id=2, attempt=1
        )
        == 2
    )
    entries = await log.read("r1")
    for seq, (entry, body) in enumerate(zip(entries, bodies, strict=True), start=1):
        event = Event.model_validate_json(entry.data)
        assert event == Event(
            seq=seq, run_id="r1", variation_id=2, attempt=1, at=event.at, body=body
        )
        assert entry.data == event.model_dump_json().encode()
        assert (entry.seq, entry.kind) == (seq, body.kind)
        assert b"\n" not in entry.data


async def test_the_agents_own_line_is_kept_but_not_streamed(
    db: Database, log: SqlEventLog, home: Path
) -> None:
    await start(db, "r1")
    await log.append(
        "r1",
        [Draft(AgentOutput(channel="message", text="hi"), raw='{"jsonrpc": "\ud800"}')],
    )
    assert b"jsonrpc" not in (await log.read("r1"))[0].data
    with closing(sqlite3.connect(home / "aideator.db")) as other:
        assert other.execute("SELECT raw FROM event").fetchone() == (
            '{"jsonrpc": "?"}',
        )


async def test_seqs_are_dense_in_every_run(db: Database, log: SqlEventLog) -> None:
    await start(db, "r1")
    await start(db, "r2")
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(log.append("r1", say(f"a{number}", "b")))
            tasks.create_task(log.append("r2", say(f"c{number}")))
    assert [entry.seq for entry in await log.read("r1")] == list(range(1, 41))
    assert [entry.seq for entry in await log.read("r2")] == list(range(1, 21))
    assert await log.append("r1", []) == 40


async def test_a_stale_attempt_is_refused_and_the_others_in_its_batch_are_not(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    async with asyncio.TaskGroup() as tasks, db.write() as session:
        await claims.claim(session, "r1", 1)
        # All line up behind this transaction, and so are stored by one.
        first = tasks.create_task(log.append("r1", say("1"), variation_id=2, attempt=1))
        stale = tasks.create_task(refusal(log, "r1", attempt=1))
        newer = tasks.create_task(log.append("r1", say("2"), variation_id=1, attempt=2))
        unknown = tasks.create_task(refusal(log, "nope", attempt=1))
        await asyncio.sleep(0)
    assert isinstance(stale.result(), Fenced)
    assert isinstance(unknown.result(), NotFound)
    assert (first.result(), newer.result()) == (1, 2)
    assert texts(await log.read("r1")) == ["1", "2"]


async def refusal(
    log: SqlEventLog, run_id: str, *, attempt: int
) -> Fenced | NotFound | None:
    try:
        await log.append(run_id, say("never"), variation_id=1, attempt=attempt)
    except (Fenced, NotFound) as error:
        return error
    return None


async def test_an_event_that_cannot_be_encoded_spoils_only_its_own_append(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    odd = AgentOutput.model_construct(
        kind="agent_output", channel="message", text="\ud800", message_id=None
    )
    with pytest.raises(ValueError, match="surrogates"):
        await log.append("r1", [*say("before"), Draft(odd)])
    assert await log.append("r1", say("after")) == 1


async def test_a_follower_hears_what_was_said_and_what_is_said_then(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    await log.append("r1", say("1", "2"))
    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(heard(log.follow("r1")))
        late = tasks.create_task(heard(log.follow("r1", after=1)))
        for number in range(3, 30):
            await log.append("r1", say(str(number)))
        await log.append("r1", [COMPLETE])
    assert texts(follower.result()) == [*map(str, range(1, 30)), "complete"]
    assert [entry.seq for entry in late.result()] == list(range(2, 31))


async def test_followers_of_the_present_share_the_same_bytes(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    async with aclosing(log.follow("r1")) as one, aclosing(log.follow("r1")) as two:
        await log.append("r1", say("1"))
        (first,), (second,) = await anext(one), await anext(two)
    assert first is second


@pytest.mark.parametrize("after", [0, 3, 19, 20, 99])
async def test_a_run_that_has_ended_is_replayed_and_the_stream_ends(
    db: Database, log: SqlEventLog, after: int
) -> None:
    await start(db, "r1")
    await log.append("r1", [*say(*map(str, range(1, 20))), COMPLETE])
    assert [entry.seq for entry in await heard(log.follow("r1", after=after))] == list(
        range(after + 1, 21)
    )


async def test_a_follow_up_goes_on_behind_the_first_end(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    await log.append("r1", [*say("1"), COMPLETE, *say("2")])
    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(heard(log.follow("r1")))
        await asyncio.sleep(0)
        await log.append("r1", [COMPLETE])
    assert texts(follower.result()) == ["1", "complete", "2", "complete"]


async def test_an_end_is_written_down_with_the_run(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    async with db.write() as session:
        await runs.move(session, "r1", RunStatus.CANCELLED)
    await log.append("r1", say("1"))
    async with db.read() as session:
        assert [run.id for run in await runs.unannounced(session)] == ["r1"]
    await log.append("r1", [COMPLETE])
    await log.append("r1", say("2"))
    async with db.read() as session:
        assert await runs.unannounced(session) == []


async def test_a_cursor_ahead_of_the_log_goes_on_at_its_end(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    await log.append("r1", say("1"))
    async with (
        asyncio.TaskGroup() as tasks,
        aclosing(log.follow("r1", after=99)) as follower,
    ):
        first = tasks.create_task(anext(follower))
        while not first.done():
            await log.append("r1", say("2"))
    assert texts(first.result())[0] == "2"


async def test_following_what_does_not_exist_is_refused(log: SqlEventLog) -> None:
    with pytest.raises(NotFound):
        await heard(log.follow("nope"))


async def test_closing_ends_followers_but_lets_the_last_words_be_stored(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    await log.append("r1", say("1"))
    async with aclosing(log.follow("r1")) as follower:
        assert texts(await anext(follower)) == ["1"]
        async with asyncio.TaskGroup() as tasks:
            rest = tasks.create_task(heard(follower))
            await asyncio.sleep(0)
            log.close()
    assert rest.result() == []
    assert await heard(log.follow("r1")) == []
    assert await log.append("r1", say("last words")) == 2


async def test_what_was_appended_before_the_end_of_the_block_is_stored(
    db: Database,
) -> None:
    await start(db, "r1")
    async with asyncio.TaskGroup() as tasks, open_event_log(db) as log:
        appends = [
            tasks.create_task(log.append("r1", say(str(number))))
            for number in range(10)
        ]
        await asyncio.sleep(0)
    assert sorted(task.result() for task in appends) == list(range(1, 11))
    with pytest.raises(Unavailable, match="has ended"):
        await log.append("r1", say("too late"))


async def test_an_error_of_the_caller_comes_out_as_it_went_in(db: Database) -> None:
    with pytest.raises(KeyError):
        async with open_event_log(db):
            raise KeyError


async def test_a_cancelled_append_leaves_the_log_whole(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    async with asyncio.TaskGroup() as tasks:
        for number in range(30):
            append = tasks.create_task(log.append("r1", say(str(number), "b")))
            await asyncio.sleep(0)
            if number % 3 == 0:
                append.cancel()
    entries = await log.read("r1")
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert all(text == "b" for text in texts(entries)[1::2])
    assert len(entries) >= 40


async def test_a_locked_database_refuses_and_then_goes_on(
    db: Database, log: SqlEventLog, home: Path
) -> None:
    await start(db, "r1")
    with closing(sqlite3.connect(home / "aideator.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await log.append("r1", say("1"))
        other.execute("COMMIT")
    assert await log.append("r1", say("2")) == 1


async def test_a_database_error_of_an_unknown_kind_refuses_and_the_writer_goes_on(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")

    def forbid(connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE TRIGGER forbid BEFORE INSERT ON event "
            "BEGIN SELECT RAISE(ABORT, 'words that no list holds'); END"
        )

    await db.transact(forbid)
    with pytest.raises(Unavailable, match="words that no list holds"):
        await log.append("r1", say("1"))
    await db.transact(lambda c: c.exec_driver_sql("DROP TRIGGER forbid"))
    assert await log.append("r1", say("2")) == 1


async def test_nothing_is_kept_in_memory_of_a_run_that_is_over(
    db: Database, log: SqlEventLog
) -> None:
    def kept() -> int:
        return sum(
            isinstance(thing, Entry) and b"a word of its own" in thing.data
            for thing in gc.get_objects()
        )

    await start(db, "r1")
    await log.append("r1", say("a word of its own"))
    assert kept() == 1
    async with aclosing(log.follow("r1")) as follower:
        assert texts(await anext(follower)) == ["a word of its own"]
        await log.append("r1", [COMPLETE])
        assert kept() == 1
        assert texts(await anext(follower)) == ["complete"]
    assert kept() == 0


async def test_a_follower_that_leaves_in_the_middle_leaves_nothing_behind(
    db: Database, log: SqlEventLog
) -> None:
    await start(db, "r1")
    await log.append("r1", [*say(*"123456789"), COMPLETE])
    async with aclosing(log.follow("r1")) as follower:
        assert [entry.seq for entry in await anext(follower)] == [1, 2, 3, 4, 5]
    assert [entry.seq for entry in await heard(log.follow("r1", after=5))] == [
        6,
        7,
        8,
        9,
        10,
    ]


class SlowToLeave(Database):
    """The same database, whose readers are held up after they have read."""

    def __init__(self, db: Database) -> None:
        self.__dict__ |= db.__dict__
        self.has_read = asyncio.Event()
        self.go_on = asyncio.Semaphore(0)

    async def look(self, work: Callable[[Connection], T]) -> T:
        found = await super().look(work)
        self.has_read.set()
        await self.go_on.acquire()
        return found


async def test_what_is_published_while_a_follower_reads_the_table_is_heard(
    db: Database,
) -> None:
    await start(db, "r1")
    slow = SlowToLeave(db)
    async with (
        open_event_log(slow) as log,
        aclosing(log.follow("r1")) as follower,
        asyncio.TaskGroup() as tasks,
    ):
        first = tasks.create_task(take(follower))
        await slow.has_read.wait()  # where the log ends
        slow.has_read.clear()
        slow.go_on.release()
        await slow.has_read.wait()  # the first page: it is empty
        await log.append("r1", say("1"))
        slow.go_on.release()
    assert texts(first.result()) == ["1"]


async def take(stream: AsyncGenerator[list[Entry]]) -> list[Entry]:
    return await anext(stream)
