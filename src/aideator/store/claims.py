"""Claims on variations: taken, released, finished, queued again.

Fencing: `claim` hands out an attempt number, and whatever an attempt writes later
carries it. A stale attempt (a frozen worker that thawed, a task that outlived its
server) finds its number gone and is refused by compare-and-set.
"""

from sqlalchemy import ColumnElement, delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import Conflict, CrashLoop, Fenced
from aideator.domain.isolation import Isolation
from aideator.domain.run import (
    SETTLED_VARIATION,
    Failure,
    Variation,
    VariationStatus,
    now,
)
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict
from aideator.store.runs import plain_variation, variation
from aideator.store.tables import PatchRow, SessionRow, VariationRow


async def claim(
    session: AsyncSession, run_id: str, number: int, *, max_attempts: int = 5
) -> int:
    """Start the next attempt at a variation.

    An earlier attempt that seems to be lost is fenced from now on.

    Returns:
        The attempt number.

    Raises:
        NotFound: if there is no such variation.
        Conflict: if the variation has settled.
        CrashLoop: if `max_attempts` were lost in this turn. Attempts that were handed
            back do not count.
    """
    row = await _change(
        session,
        _is(run_id, number),
        col(VariationRow.status).in_([VariationStatus.QUEUED, VariationStatus.RUNNING]),
        col(VariationRow.attempt) - col(VariationRow.forgiven) < max_attempts,
        attempt=VariationRow.attempt + 1,
        status=VariationStatus.RUNNING,
        started_at=now(),
        finished_at=None,
    )
    if row is not None:
        return row.attempt
    present = await variation(session, run_id, number)
    if present.status in SETTLED_VARIATION:
        raise Conflict(f"variation {number} is {present.status}")
    raise CrashLoop(f"taken up {max_attempts} times without finishing")


async def release(
    session: AsyncSession, run_id: str, number: int, attempt: int
) -> bool:
    """Put an unfinished variation back into the queue; it does not count as a crash.

    Returns:
        Whether this attempt held it.
    """
    row = await _change(
        session,
        *_held(run_id, number, attempt),
        status=VariationStatus.QUEUED,
        forgiven=VariationRow.forgiven + 1,
    )
    return row is not None


async def interrupt(session: AsyncSession, run_id: str) -> None:
    """Put what a run had at work back into its queue; it counts as a crash."""
    await session.execute(
        update(VariationRow)
        .where(
            col(VariationRow.run_id) == run_id,
            col(VariationRow.status) == VariationStatus.RUNNING,
        )
        .values(status=VariationStatus.QUEUED)
    )


async def finish(  # noqa: PLR0913 - each is a fact of the same end
    session: AsyncSession,
    run_id: str,
    number: int,
    attempt: int,
    status: VariationStatus,
    *,
    verdict: Verdict | None = None,
    failure: Failure | None = None,
    isolation: Isolation | None = None,
    patch: bytes | None = None,
    memory: bytes = b"",
) -> bool:
    """Settle a variation in one transaction.

    Its patch is stored with it, and what its agent remembers of the turn that made it.

    Returns:
        Whether this attempt settled it. A repeated call whose first answer was lost
        says so too.

    Raises:
        NotFound: if there is no such variation.
    """
    row = await _change(
        session,
        *_held(run_id, number, attempt),
        status=status,
        verdict=verdict,
        failure=failure,
        isolation=isolation,
        finished_at=now(),
    )
    if row is None:
        present = await variation(session, run_id, number)
        return present.attempt == attempt and present.status is status
    if patch is not None:
        await session.merge(
            PatchRow(run_id=run_id, number=number, attempt=attempt, data=patch)
        )
        # What was remembered of an earlier turn does not fit this tree.
        await session.execute(
            delete(SessionRow).filter_by(run_id=run_id, number=number)
        )
        if memory:
            session.add(
                SessionRow(run_id=run_id, number=number, attempt=attempt, data=memory)
            )
        await session.flush()
    return True


async def memory(session: AsyncSession, run_id: str, number: int) -> bytes:
    """Return what the agent remembers of its last finished turn; empty if nothing."""
    row = await session.get(SessionRow, (run_id, number))
    return b"" if row is None else row.data


async def record_usage(
    session: AsyncSession, run_id: str, number: int, attempt: int, usage: Usage
) -> None:
    """Store what the variation has spent in all.

    Raises:
        NotFound: if there is no such variation.
        Fenced: if a newer attempt has taken over.
    """
    row = await _change(
        session, _is(run_id, number), col(VariationRow.attempt) == attempt, usage=usage
    )
    if row is None:
        await variation(session, run_id, number)
        raise Fenced


async def requeue(
    session: AsyncSession, run_id: str, number: int, prompt: str
) -> Variation:
    """Queue a settled variation for a follow-up turn.

    Its patch and verdict stay until that turn replaces them.

    A person's approval of its flags was about the change that it had; the next one is
    flagged anew.

    Raises:
        NotFound: if there is no such variation.
        Conflict: if the variation is still at work.
    """
    row = await _change(
        session,
        _is(run_id, number),
        col(VariationRow.status).in_(SETTLED_VARIATION),
        status=VariationStatus.QUEUED,
        follow_up=prompt,
        forgiven=VariationRow.attempt,
        cleared=None,
        failure=None,
        finished_at=None,
    )
    if row is None:
        present = await variation(session, run_id, number)
        raise Conflict(
            f"variation {number} is {present.status}",
            hint="wait for its end, or cancel it first",
        )
    return plain_variation(row)


async def clear(
    session: AsyncSession, run_id: str, number: int, reason: str
) -> Variation:
    """Store why a person approves the variation's flags.

    Raises:
        NotFound: if there is no such variation.
        Conflict: if it has no flags.
    """
    present = await variation(session, run_id, number)
    if present.verdict is None or not present.verdict.flags:
        raise Conflict(
            f"variation {number} has no flags",
            hint="only a variation with flags can be cleared",
        )
    row = await _change(session, _is(run_id, number), cleared=reason)
    return present if row is None else plain_variation(row)


async def cancel_queued(
    session: AsyncSession, run_id: str, number: int | None = None
) -> list[int]:
    """Cancel the queued variations of a run, or one of them.

    Returns:
        The numbers of those that were queued.
    """
    waiting = [
        col(VariationRow.run_id) == run_id,
        col(VariationRow.status) == VariationStatus.QUEUED,
    ]
    if number is not None:
        waiting.append(col(VariationRow.number) == number)
    cancelled = (
        update(VariationRow)
        .where(*waiting)
        .values(status=VariationStatus.CANCELLED, finished_at=now())
    )
    return sorted(await session.scalars(cancelled.returning(col(VariationRow.number))))


def _is(run_id: str, number: int) -> ColumnElement[bool]:
    return (col(VariationRow.run_id) == run_id) & (col(VariationRow.number) == number)


def _held(run_id: str, number: int, attempt: int) -> tuple[ColumnElement[bool], ...]:
    return (
        _is(run_id, number),
        col(VariationRow.attempt) == attempt,
        col(VariationRow.status) == VariationStatus.RUNNING,
    )


async def _change(
    session: AsyncSession, *when: ColumnElement[bool], **values: object
) -> VariationRow | None:
    changed = update(VariationRow).where(*when).values(**values).returning(VariationRow)
    return (
        await session.scalars(changed, execution_options={"populate_existing": True})
    ).one_or_none()
