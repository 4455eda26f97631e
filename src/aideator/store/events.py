"""Event rows: dense seqs, a fence, one bulk insert.

The seq comes from `run.last_seq`, raised in the same transaction that inserts: an autoincrement id would have gaps and
could be seen out of order. `append` runs in the writer's thread (`Database.transact`), whole, and inserts below the
ORM: what an event costs there is what the driver costs. The types of the log stand a layer above; here events are
plain values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import Fenced, NotFound
from aideator.store.tables import EventRow, RunRow, VariationRow

Row = tuple[int, str, bytes]
"""seq, kind, and the event as JSON."""


@dataclass(frozen=True, slots=True)
class Line:
    """An event that lacks only its seq."""

    kind: str
    at: str
    tail: bytes
    """The event as JSON behind `{"seq":N`."""
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """Lines of one writer, which are stored together or not at all."""

    run_id: str
    lines: Sequence[Line]
    variation_id: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a writing."""

    last: int
    """The run's newest seq at that point."""
    rows: list[Row]


Answer = Stored | Fenced | NotFound


def append(connection: Connection, writings: Sequence[Writing]) -> list[Answer]:
    """Store what several writers have to say, in order; one that is refused does not hold up the others.

    Returns:
        For each writing what was stored, or why it was refused.
    """
    attempts = _attempts(connection, {w.run_id for w in writings if w.attempt is not None})
    fenced = [w.attempt is not None and attempts.get((w.run_id, w.variation_id)) != w.attempt for w in writings]
    nexts = _reserve(connection, [w for w, stale in zip(writings, fenced, strict=True) if not stale])
    answers: list[Answer] = []
    values: list[tuple[object, ...]] = []
    for writing, stale in zip(writings, fenced, strict=True):
        if stale:
            answers.append(Fenced())
        elif writing.run_id not in nexts:
            answers.append(NotFound(f"there is no run {writing.run_id}"))
        else:
            rows = _number(writing, nexts[writing.run_id])
            nexts[writing.run_id] += len(rows)
            values += _values(writing, rows)
            answers.append(Stored(nexts[writing.run_id] - 1, rows))
    if values:
        # Tuples for the driver itself: on a dialect with named parameters, open the engine with `paramstyle="format"`.
        connection.exec_driver_sql(str(insert(EventRow).compile(dialect=connection.dialect)), values)
    return answers


def _attempts(connection: Connection, run_ids: set[str]) -> dict[tuple[str, int | None], int]:
    if not run_ids:
        return {}
    # Where locks are finer than SQLite's, this one keeps a claim out until the events are stored.
    held = (
        select(col(VariationRow.run_id), col(VariationRow.number), col(VariationRow.attempt))
        .where(col(VariationRow.run_id).in_(run_ids))
        .with_for_update(read=True)
    )
    return {(run_id, number): attempt for run_id, number, attempt in connection.execute(held)}


def _reserve(connection: Connection, writings: Sequence[Writing]) -> dict[str, int]:
    """Raise the last seq of each run; return the first seq that is reserved for it."""
    counts: dict[str, int] = {}
    complete: set[str] = set()
    for writing in writings:
        counts[writing.run_id] = counts.get(writing.run_id, 0) + len(writing.lines)
        complete |= {writing.run_id for line in writing.lines if line.kind == "complete"}
    nexts = {}
    for run_id in sorted(counts):  # sorted: where rows are locked one by one, two writers must not meet head-on
        raised = (
            update(RunRow)
            .where(col(RunRow.id) == run_id)
            .values(last_seq=RunRow.last_seq + counts[run_id])
            .returning(col(RunRow.last_seq))
        )
        if run_id in complete:
            raised = raised.values(announced=True)
        last = connection.execute(raised).scalar_one_or_none()
        if last is not None:
            nexts[run_id] = last - counts[run_id] + 1
    return nexts


def _number(writing: Writing, first: int) -> list[Row]:
    return [(seq, line.kind, b'{"seq":%d%b' % (seq, line.tail)) for seq, line in enumerate(writing.lines, start=first)]


def _values(writing: Writing, rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """Rows in the order of the table's columns."""
    run_id, variation_id, attempt = writing.run_id, writing.variation_id, writing.attempt
    return [
        (run_id, seq, variation_id, attempt, kind, line.at, data.decode(), line.raw)
        for line, (seq, kind, data) in zip(writing.lines, rows, strict=True)
    ]


async def read(session: AsyncSession, run_id: str, *, after: int = 0, limit: int = 500) -> list[Row]:
    """Up to `limit` events with a seq above `after`, in order."""
    page = (
        select(col(EventRow.seq), col(EventRow.kind), col(EventRow.data))
        .where(col(EventRow.run_id) == run_id, col(EventRow.seq) > after)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )
    return [(seq, kind, data.encode()) for seq, kind, data in await session.execute(page)]


async def last(session: AsyncSession, run_id: str) -> tuple[int, str]:
    """The seq and kind of the newest event; 0 and "" when there is none yet.

    Raises:
        NotFound: if there is no such run.
    """
    newest = (
        select(col(RunRow.last_seq), col(EventRow.kind))
        .join(
            EventRow,
            (col(EventRow.run_id) == col(RunRow.id)) & (col(EventRow.seq) == col(RunRow.last_seq)),
            isouter=True,
        )
        .where(col(RunRow.id) == run_id)
    )
    row = (await session.execute(newest)).one_or_none()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    return row[0], row[1] or ""
