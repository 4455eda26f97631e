"""The log in the database, the bell in this process.

Group commit: while one transaction is under way, further appends line up and are stored
together by the next one. There is no timer, so a lonely append waits for one commit and
no more, and a crowd shares it.

Followers of one run share a ring of recent entries; one that is further behind reads
pages from the table. Only this process rings its own bell: a follower does not hear
what another process writes to the same file.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aideator.domain.errors import Unavailable
from aideator.domain.events import Event
from aideator.domain.run import now
from aideator.eventlog.base import Draft, Entry
from aideator.eventlog.ring import Ring
from aideator.store import events
from aideator.store.session import Database

_HEAD = len(b'{"seq":0')
_MAX_EVENTS = 2048
"""Events in one transaction, unless one append alone brings more."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    writing: events.Writing
    answer: asyncio.Future[events.Answer]


class SqlEventLog:
    """An `EventLog` on the store. Made by `open_event_log`."""

    def __init__(
        self, db: Database, *, page: int, ring_entries: int, ring_bytes: int
    ) -> None:
        self._db = db
        self._page = page
        self._ring = partial(Ring, max_entries=ring_entries, max_bytes=ring_bytes)
        self._pending: deque[_Pending] = deque()
        self._work = asyncio.Event()
        self._stopping = False
        self._closed = False
        self._rings: dict[str, Ring] = {}

    async def append(
        self,
        run_id: str,
        drafts: Sequence[Draft],
        *,
        variation_id: int | None = None,
        attempt: int | None = None,
    ) -> int:
        """Store events, then ring the bell. See the port.

        A caller that is cancelled while waiting does not know whether its events were
        stored; they were or will be.

        Raises:
            Unavailable: if the database cannot be written, or the log has ended.
        """
        if self._stopping:
            raise Unavailable("the event log has ended")
        lines = list(_encode(drafts, run_id, variation_id, attempt))
        answer: asyncio.Future[events.Answer] = (
            asyncio.get_running_loop().create_future()
        )
        self._pending.append(
            _Pending(events.Writing(run_id, lines, variation_id, attempt), answer)
        )
        self._work.set()
        outcome = await answer
        if not isinstance(outcome, events.Stored):
            raise outcome
        return outcome.last

    async def read(
        self, run_id: str, *, after: int = 0, limit: int = 500
    ) -> list[Entry]:
        """Return up to `limit` events with a seq above `after`, in order."""
        page = partial(events.read, run_id=run_id, after=after, limit=limit)
        return [Entry(*row) for row in await self._db.look(page)]

    async def follow(
        self, run_id: str, *, after: int = 0
    ) -> AsyncGenerator[list[Entry]]:
        """Yield batches of events above `after` as they come. See the port.

        Ends when the newest event is `complete`; a follow-up that reopens the run
        afterwards is for the next follower. A cursor ahead of the log (a power cut took
        its last commits) is taken back to the log's end.

        Raises:
            NotFound: if there is no such run.
        """
        ring = self._rings.setdefault(run_id, self._ring())
        ring.followers += 1
        try:
            end, kind = await self._db.look(
                lambda connection: events.last(connection, run_id)
            )
            cursor = min(after, end)
            complete = cursor == end and kind == "complete"
            while not self._closed:
                # taken before reading, or what is published while reading would go
                # unheard
                bell = ring.bell
                batch = ring.after(cursor, self._page)
                if batch is None:
                    batch = await self.read(run_id, after=cursor, limit=self._page)
                if batch:
                    cursor, complete = batch[-1].seq, batch[-1].kind == "complete"
                    yield batch
                elif complete:
                    return
                else:
                    await bell.wait()
        finally:
            ring.followers -= 1
            self._forget(run_id, ring)

    def close(self) -> None:
        """End every follower, now and from now on.

        Events can still be appended, until the log's block ends.
        """
        self._closed = True
        for ring in self._rings.values():
            ring.ring()

    async def write(self) -> None:
        """Store what is appended, until `stop`.

        The one writer, run by `open_event_log`.
        """
        try:
            while self._pending or not self._stopping:
                await self._work.wait()
                self._work.clear()
                while self._pending:
                    await self._commit(self._take())
        finally:
            self._stopping = True
            _fail(self._pending, Unavailable("the event log has ended"))

    def stop(self) -> None:
        """End the followers, and the writer when it has stored what is waiting."""
        self._stopping = True
        self.close()
        self._work.set()

    def _take(self) -> list[_Pending]:
        batch = [self._pending.popleft()]
        size = len(batch[0].writing.lines)
        while (
            self._pending and size + len(self._pending[0].writing.lines) <= _MAX_EVENTS
        ):
            batch.append(self._pending.popleft())
            size += len(batch[-1].writing.lines)
        return batch

    async def _commit(self, batch: list[_Pending]) -> None:
        try:
            writings = [pending.writing for pending in batch]
            answers = await self._db.transact(
                lambda connection: events.append(connection, writings)
            )
            self._publish(batch, answers)
        except Unavailable as error:
            _fail(batch, error)
        finally:
            _fail(
                batch,
                Unavailable("the event log ended while the events were being written"),
            )

    def _publish(self, batch: list[_Pending], answers: list[events.Answer]) -> None:
        fresh: dict[str, list[Entry]] = {}
        for pending, answer in zip(batch, answers, strict=True):
            if isinstance(answer, events.Stored) and answer.rows:
                fresh.setdefault(pending.writing.run_id, []).extend(
                    Entry(*row) for row in answer.rows
                )
            if not pending.answer.done():
                pending.answer.set_result(answer)
        for run_id, entries in fresh.items():
            ring = self._rings.setdefault(run_id, self._ring())
            ring.publish(entries)
            self._forget(run_id, ring)

    def _forget(self, run_id: str, ring: Ring) -> None:
        if not ring.followers and ring.idle:
            self._rings.pop(run_id, None)


@asynccontextmanager
async def open_event_log(
    db: Database,
    *,
    page: int = 500,
    ring_entries: int = 4096,
    ring_bytes: int = 2**20,
) -> AsyncIterator[SqlEventLog]:
    """Open the log; at the end of the block followers end, and what was appended has been stored.

    Args:
        db: where the events are kept.
        page: the most events that a follower is given at once.
        ring_entries: the most events that are kept in memory for a run.
        ring_bytes: the most bytes of events that are kept in memory for a run, unless
            one event alone is larger.
    """
    log = SqlEventLog(db, page=page, ring_entries=ring_entries, ring_bytes=ring_bytes)
    try:
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(log.write())
            try:
                yield log
            finally:
                log.stop()
                await asyncio.wait([writer])
    except BaseExceptionGroup as group:
        # The caller's own error comes out as it went in: a group of one would hide it
        # from the caller's `except`.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


def _encode(
    drafts: Sequence[Draft],
    run_id: str,
    variation_id: int | None,
    attempt: int | None,
) -> Iterator[events.Line]:
    """Encode each event once, here and not in the writer: what cannot be encoded must not spoil the others' batch.

    All events of one append share everything but seq and body, and the body is the last
    field: so the part in between is encoded once, and only the bodies one by one (a
    third of the cost of an `Event` each).
    """
    at = now()
    moment = at.isoformat()
    between = b""
    for draft in drafts:
        # The body's own serializer: the union's would first find out which of its
        # members this is.
        body = draft.body.__pydantic_serializer__.to_json(draft.body)
        if not between:
            first = Event(
                seq=0,
                run_id=run_id,
                variation_id=variation_id,
                attempt=attempt,
                at=at,
                body=draft.body,
            )
            between = first.model_dump_json().encode()[_HEAD : -len(body) - 1]
        raw = None if draft.raw is None else draft.raw.encode(errors="replace").decode()
        yield events.Line(draft.body.kind, moment, b"%b%b}" % (between, body), raw)


def _fail(batch: Iterable[_Pending], error: Unavailable) -> None:
    for pending in batch:
        if not pending.answer.done():
            pending.answer.set_exception(Unavailable(str(error), hint=error.hint))
