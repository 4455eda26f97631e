"""Event rows: dense seqs, a fence, one bulk insert.

The seq comes from `run.last_seq`, raised in the same transaction that inserts: an
autoincrement id would have gaps and could be seen out of order. `append` runs in the
writer's thread (`Database.transact`), whole, and inserts below the
ORM: what an event costs there is what the driver costs. The types of the log stand a
layer above; here events are plain values.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import (
    Boolean,
    Connection,
    Dialect,
    Integer,
    String,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlmodel import col

from aideator.domain.errors import Fenced, NotFound
from aideator.store.tables import EventRow, RunRow, VariationRow

Row = tuple[int, str, bytes]
"""seq, kind, and the event as JSON."""


class Line(NamedTuple):
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


_RUN = bindparam("run", type_=String)
_ATTEMPTS = (
    select(col(VariationRow.number), col(VariationRow.attempt))
    .where(col(VariationRow.run_id) == _RUN)
    # Where locks are finer than SQLite's, this one keeps a claim out until the events
    # are stored.
    .with_for_update(read=True)
)
_RAISE = (
    update(RunRow)
    .where(col(RunRow.id) == _RUN)
    .values(
        last_seq=col(RunRow.last_seq) + bindparam("count", type_=Integer),
        announced=or_(col(RunRow.announced), bindparam("complete", type_=Boolean)),
    )
    .returning(col(RunRow.last_seq))
)


def append(connection: Connection, writings: Sequence[Writing]) -> list[Answer]:
    """Store what several writers have to say, in order; one that is refused does not hold up the others.

    Returns:
        For each writing what was stored, or why it was refused.
    """
    by_run: dict[str, list[int]] = {}
    for place, writing in enumerate(writings):
        by_run.setdefault(writing.run_id, []).append(place)
    answers: dict[int, Answer] = {}
    for run_id in sorted(
        by_run
    ):  # sorted: where rows are locked one by one, two writers must not meet head-on
        places = by_run[run_id]
        answers |= zip(
            places,
            _answer(connection, run_id, [writings[place] for place in places]),
            strict=True,
        )
    ordered = [answers[place] for place in range(len(writings))]
    values = [
        row
        for writing, answer in zip(writings, ordered, strict=True)
        if isinstance(answer, Stored)
        for row in _values(writing, answer.rows)
    ]
    if values:
        connection.exec_driver_sql(_insert(connection.dialect), values)
    return ordered


def _answer(
    connection: Connection, run_id: str, writings: Sequence[Writing]
) -> list[Answer]:
    """Give the lines of one run their seqs, without storing them yet."""
    held = connection.execute(_ATTEMPTS, {"run": run_id})
    attempts: dict[int | None, int] = {number: attempt for number, attempt in held}
    stale = [
        w.attempt is not None and w.attempt != attempts.get(w.variation_id)
        for w in writings
    ]
    lines = [
        line
        for w, fenced in zip(writings, stale, strict=True)
        if not fenced
        for line in w.lines
    ]
    raised = {
        "run": run_id,
        "count": len(lines),
        "complete": any(line.kind == "complete" for line in lines),
    }
    last = connection.execute(_RAISE, raised).scalar_one_or_none()
    if last is None:
        return [NotFound(f"there is no run {run_id}") for _ in writings]
    end = last - len(lines)
    answers: list[Answer] = []
    for writing, fenced in zip(writings, stale, strict=True):
        if fenced:
            answers.append(Fenced())
        else:
            rows = _number(writing, end + 1)
            end += len(rows)
            answers.append(Stored(end, rows))
    return answers


@lru_cache
def _insert(dialect: Dialect) -> str:
    # For tuples. A dialect with named parameters needs an engine made with
    # `paramstyle="format"`.
    return str(insert(EventRow).compile(dialect=dialect))


def _number(writing: Writing, first: int) -> list[Row]:
    return [
        (seq, line.kind, b'{"seq":%d%b' % (seq, line.tail))
        for seq, line in enumerate(writing.lines, start=first)
    ]


def _values(writing: Writing, rows: Sequence[Row]) -> list[tuple[object, ...]]:
    """Rows in the order of the table's columns."""
    run_id, variation_id, attempt = (
        writing.run_id,
        writing.variation_id,
        writing.attempt,
    )
    return [
        (run_id, seq, variation_id, attempt, kind, line.at, data.decode(), line.raw)
        for line, (seq, kind, data) in zip(writing.lines, rows, strict=True)
    ]


def restore(connection: Connection, run_id: str, lines: Sequence[bytes]) -> None:
    """Store the events of a run that has none yet, as they were streamed elsewhere: whole, in order, from seq 1."""
    rows = []
    for line in lines:
        event = json.loads(line)
        kind = event["body"]["kind"]
        rows.append(
            (
                run_id,
                event["seq"],
                event["variation_id"],
                event["attempt"],
                kind,
                event["at"],
                line.decode(),
                None,
            )
        )
    connection.exec_driver_sql(_insert(connection.dialect), rows)


def read(
    connection: Connection, run_id: str, *, after: int = 0, limit: int = 500
) -> list[Row]:
    """Up to `limit` events with a seq above `after`, in order."""
    page = (
        select(col(EventRow.seq), col(EventRow.kind), col(EventRow.data))
        .where(col(EventRow.run_id) == run_id, col(EventRow.seq) > after)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )
    return [(seq, kind, data.encode()) for seq, kind, data in connection.execute(page)]


def last(connection: Connection, run_id: str) -> tuple[int, str]:
    """The seq and kind of the newest event; 0 and "" when there is none yet.

    Raises:
        NotFound: if there is no such run.
    """
    newest = (
        select(col(RunRow.last_seq), col(EventRow.kind))
        .join(
            EventRow,
            (col(EventRow.run_id) == col(RunRow.id))
            & (col(EventRow.seq) == col(RunRow.last_seq)),
            isouter=True,
        )
        .where(col(RunRow.id) == run_id)
    )
    row = connection.execute(newest).one_or_none()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    return row[0], row[1] or ""
