"""Runs: added, found, moved, decided.

Functions over a session; the caller, who opened it, commits. Every
change of a status is one `UPDATE … WHERE status IN … RETURNING`: two callers cannot
both win, on any database.
"""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.check import Check, Command
from aideator.domain.errors import Conflict, NotFound
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import (
    RUN_TRANSITIONS,
    SETTLED_RUN,
    Failure,
    Publication,
    Run,
    RunStatus,
    Variation,
    VariationStatus,
    check_transition,
    now,
)
from aideator.store.tables import (
    EventRow,
    IdempotencyRow,
    PatchRow,
    RunRow,
    VariationRow,
)

_OPEN_RUN = frozenset(RunStatus) - SETTLED_RUN


class Facts(TypedDict, total=False):
    """What can be stored about a run besides its status."""

    commit: str | None
    checks: tuple[Check, ...]
    setup: tuple[Command, ...]
    setup_hosts: tuple[str, ...]
    protected: tuple[str, ...]
    evidence: Evidence | None
    ranking: Ranking | None
    winner: int | None
    winner_reason: str
    failure: Failure | None
    reused_from: str | None
    question: str | None
    publication: Publication | None


async def add(
    session: AsyncSession,
    run: Run,
    variations: Sequence[Variation],
    *,
    idempotency: tuple[str, str] | None = None,
) -> Run:
    """Store a new run with its variations.

    Args:
        session: a writing one.
        run: the run.
        variations: numbered from 1.
        idempotency: the client's key and a hash of the request.

    Returns:
        The run, or the one that the same request under the same key led to before.

    Raises:
        Conflict: if the key was used for another request.
    """
    if idempotency is not None:
        key, request_hash = idempotency
        earlier = await session.get(IdempotencyRow, key)
        if earlier is not None and earlier.request_hash != request_hash:
            raise Conflict(
                "this Idempotency-Key was used for another request",
                hint="use a new key for a new request",
            )
        if earlier is not None:
            return await get(session, earlier.run_id)
    session.add(RunRow(**_fields(run)))
    await session.flush()
    session.add_all(VariationRow(**_fields(variation)) for variation in variations)
    if idempotency is not None:
        session.add(IdempotencyRow(key=key, request_hash=request_hash, run_id=run.id))
    await session.flush()
    return run


async def join(
    session: AsyncSession, variation: Variation, patch: bytes | None = None
) -> None:
    """Store another variation of a run.

    Args:
        session: A writing one.
        variation: Its number is free.
        patch: The change of a composed variation.
    """
    session.add(VariationRow(**_fields(variation)))
    await session.flush()
    if patch is not None:
        session.add(
            PatchRow(
                run_id=variation.run_id, number=variation.number, attempt=0, data=patch
            )
        )
        await session.flush()


async def get(session: AsyncSession, run_id: str) -> Run:
    """Return the run.

    Raises:
        NotFound: if there is no such run.
    """
    row = await session.get(RunRow, run_id, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    return plain_run(row)


async def page(
    session: AsyncSession,
    *,
    before: str | None = None,
    limit: int = 50,
    status: RunStatus | None = None,
) -> list[Run]:
    """Return up to `limit` runs, newest first.

    Their ids are UUIDv7, which sort by time.

    Args:
        session: A reading one.
        before: Only runs older than the one with this id.
        limit: How many at most.
        status: Only runs with this status.
    """
    rows = select(RunRow).order_by(col(RunRow.id).desc()).limit(limit)
    if before is not None:
        rows = rows.where(col(RunRow.id) < before)
    if status is not None:
        rows = rows.where(col(RunRow.status) == status)
    return [plain_run(row) for row in await session.scalars(rows)]


def latest_durations(
    connection: Connection, limit: int = 20
) -> list[tuple[float, int]]:
    """Return the seconds that the latest finished runs took, and their variations."""
    agents = (
        select(func.count())
        .where(col(VariationRow.run_id) == col(RunRow.id))
        .scalar_subquery()
    )
    finished = (
        select(col(RunRow.created_at), col(RunRow.finished_at), agents)
        .where(
            col(RunRow.status) == RunStatus.FINISHED,
            col(RunRow.finished_at).is_not(None),
        )
        .order_by(col(RunRow.id).desc())
        .limit(limit)
    )
    return [
        ((end - begun).total_seconds(), number)
        for begun, end, number in connection.execute(finished)
    ]


async def variations(session: AsyncSession, run_id: str) -> list[Variation]:
    """Return the run's variations, by number. Empty when there is no such run."""
    rows = (
        select(VariationRow)
        .where(col(VariationRow.run_id) == run_id)
        .order_by(col(VariationRow.number))
    )
    found = await session.scalars(rows.execution_options(populate_existing=True))
    return [plain_variation(row) for row in found]


async def variation(session: AsyncSession, run_id: str, number: int) -> Variation:
    """Return one variation.

    Raises:
        NotFound: if there is no such variation.
    """
    row = await session.get(VariationRow, (run_id, number), populate_existing=True)
    if row is None:
        raise NotFound(f"run {run_id} has no variation {number}")
    return plain_variation(row)


async def patch(session: AsyncSession, run_id: str, number: int) -> bytes:
    """Return the change of the variation's last finished attempt.

    Raises:
        NotFound: if there is none.
    """
    row = await session.get(PatchRow, (run_id, number))
    if row is None:
        raise NotFound(f"variation {number} of run {run_id} has no patch")
    return row.data


async def note(session: AsyncSession, run_id: str, **facts: Unpack[Facts]) -> Run:
    """Store facts about a run, whatever its status.

    Raises:
        NotFound: if there is no such run.
    """
    changed = (
        update(RunRow).where(col(RunRow.id) == run_id).values(**facts).returning(RunRow)
    )
    row = (
        await session.scalars(changed, execution_options={"populate_existing": True})
    ).one_or_none()
    if row is None:
        raise NotFound(f"there is no run {run_id}")
    return plain_run(row)


async def move(
    session: AsyncSession, run_id: str, new: RunStatus, **facts: Unpack[Facts]
) -> Run:
    """Give the run its next status, with the facts that belong to it.

    A run that goes (back) to running has no winner, no failure and no end any more.
    Choosing a winner, or taking the choice back, leaves the end where it is: between
    the two lies the time that the decision took.

    Raises:
        NotFound: if there is no such run.
        Conflict: if the run cannot make this move.
    """
    settled = new in SETTLED_RUN
    values: dict[str, object] = {
        "status": new,
        "finished_at": func.coalesce(col(RunRow.finished_at), now())
        if settled
        else None,
        "decided_at": now() if new is RunStatus.DECIDED else None,
    }
    if new is not RunStatus.DECIDED:
        values |= {"winner": None, "winner_reason": ""}
    if settled:  # `complete` is due if the run settles with this move
        was_settled = col(RunRow.status).in_(SETTLED_RUN)
        values |= {"announced": col(RunRow.announced) & was_settled}
    else:
        values |= {"announced": False, "failure": None}
    changed = (
        update(RunRow)
        .where(
            col(RunRow.id) == run_id,
            col(RunRow.status).in_(
                [old for old in RUN_TRANSITIONS if new in RUN_TRANSITIONS[old]]
            ),
        )
        .values(**values | facts)
        .returning(RunRow)
    )
    row = (
        await session.scalars(changed, execution_options={"populate_existing": True})
    ).one_or_none()
    if row is None:
        check_transition((await get(session, run_id)).status, new)
        raise Conflict(
            f"run {run_id} moved in the same moment",
            hint="reload the run, then try again",
        )
    return plain_run(row)


async def select_winner(
    session: AsyncSession, run_id: str, number: int, reason: str = ""
) -> Run:
    """Decide the run, or change the decision. The same winner again changes nothing.

    Raises:
        NotFound: if there is no such run or variation.
        Conflict: if the run has not finished, the variation has no change to offer, or
            the decision was published or came from an earlier run.
    """
    run = await get(session, run_id)
    if run.status is RunStatus.DECIDED and run.winner == number:
        return run
    if run.status is RunStatus.DECIDED:
        _need_open_decision(run)
    elif run.status is not RunStatus.FINISHED:
        raise Conflict(
            f"the run is {run.status}; a winner can be chosen when it is finished"
        )
    candidate = await variation(session, run_id, number)
    has_patch = await session.scalar(
        select(col(PatchRow.number)).filter_by(run_id=run_id, number=number)
    )
    if candidate.status is not VariationStatus.FINISHED or has_patch is None:
        raise Conflict(
            f"variation {number} is {candidate.status} and has no change to offer"
        )
    if run.status is RunStatus.DECIDED:
        await move(session, run_id, RunStatus.FINISHED)
    return await move(
        session, run_id, RunStatus.DECIDED, winner=number, winner_reason=reason
    )


async def deselect(session: AsyncSession, run_id: str) -> Run:
    """Take a decision back. A run that has none stays as it is.

    Raises:
        NotFound: if there is no such run.
        Conflict: if the winner was published already, or the answer came from an
            earlier run.
    """
    run = await get(session, run_id)
    _need_open_decision(run)
    if run.status is not RunStatus.DECIDED:
        return run
    return await move(session, run_id, RunStatus.FINISHED)


def _need_open_decision(run: Run) -> None:
    """Raise `Conflict` if the decision can no longer be changed."""
    if run.publication is not None:
        raise Conflict(
            f"the winner was published as {run.publication.branch}",
            hint=(
                "undo it there; a follow-up prompt to the winner and `publish` again "
                "move the branch"
            ),
        )
    if run.reused_from is not None:
        raise Conflict(
            f"the winner is that of run {run.reused_from}",
            hint="submit it again with `fresh`",
        )


async def publish(
    session: AsyncSession, run_id: str, winner: int, publication: Publication
) -> Run:
    """Store where the winner was published.

    Raises:
        NotFound: if there is no such run.
        Conflict: if it is no longer the winner.
    """
    changed = (
        update(RunRow)
        .where(
            col(RunRow.id) == run_id,
            col(RunRow.status) == RunStatus.DECIDED,
            col(RunRow.winner) == winner,
        )
        .values(publication=publication)
        .returning(RunRow)
    )
    row = (
        await session.scalars(changed, execution_options={"populate_existing": True})
    ).one_or_none()
    if row is None:
        await get(session, run_id)
        raise Conflict(
            "the decision was undone while it was published; "
            f"{publication.branch} is there now",
            hint="decide and publish again, or remove the branch",
        )
    return plain_run(row)


async def unfinished(session: AsyncSession) -> list[str]:
    """Return the ids of the runs that a start must take up, oldest first."""
    due = select(col(RunRow.id)).filter(col(RunRow.status).in_(_OPEN_RUN))
    return list(await session.scalars(due.order_by(col(RunRow.id))))


async def unannounced(session: AsyncSession) -> list[Run]:
    """Return the runs that have settled without a `complete` event.

    The process ended in between. Oldest first.
    """
    due = select(RunRow).where(
        col(RunRow.status).in_(SETTLED_RUN), col(RunRow.announced).is_(False)
    )
    return list(map(plain_run, await session.scalars(due.order_by(col(RunRow.id)))))


async def reopened_unreported(session: AsyncSession) -> list[Run]:
    """Return the runs that were reopened, and whose newest event is still `complete`.

    The process ended in between. Oldest first.
    """
    newest = (col(EventRow.run_id) == col(RunRow.id)) & (
        col(EventRow.seq) == col(RunRow.last_seq)
    )
    due = (
        select(RunRow)
        .join(EventRow, newest)
        .where(col(RunRow.status).in_(_OPEN_RUN), col(EventRow.kind) == "complete")
    )
    found = await session.scalars(due.order_by(col(RunRow.id)))
    return [plain_run(row) for row in found]


async def find_decided(session: AsyncSession, question: str) -> Run | None:
    """Return the newest decided run with the same question."""
    found = select(RunRow).where(
        col(RunRow.question) == question, col(RunRow.status) == RunStatus.DECIDED
    )
    row = await session.scalar(found.order_by(col(RunRow.id).desc()).limit(1))
    return None if row is None else plain_run(row)


def plain_run(row: RunRow) -> Run:
    """Return the row without what only the store knows."""
    return Run.model_construct(**_fields(row, Run))


def plain_variation(row: VariationRow) -> Variation:
    """Return the row without what only the store knows."""
    return Variation.model_construct(**_fields(row, Variation))


def _fields(
    noun: Run | Variation, kind: type[Run | Variation] | None = None
) -> dict[str, Any]:
    return {name: getattr(noun, name) for name in (kind or type(noun)).model_fields}


async def matching(session: AsyncSession, part: str) -> list[str]:
    """Return the ids of at most two runs that begin or end with `part`.

    A person need not type a whole id.
    """
    exact = part.replace("%", "").replace("_", "")
    ids = select(col(RunRow.id)).where(
        col(RunRow.id).like(f"{exact}%") | col(RunRow.id).like(f"%{exact}")
    )
    return list(await session.scalars(ids.limit(2)))
