"""Decisions of people: choose a winner, take the choice back, clear flags."""

from collections.abc import Sequence

from aideator.app.continue_run import refuse_imported
from aideator.domain.events import (
    Complete,
    Deselected,
    EventBody,
    FlagsCleared,
    Selected,
    VerdictReached,
)
from aideator.domain.ranking import Evidence, Ranking
from aideator.domain.run import SETTLED_RUN, Run, RunStatus, Variation
from aideator.eventlog.base import Draft, EventLog
from aideator.selection.rank import finished_verdicts, rank
from aideator.store import claims, runs
from aideator.store.session import Database


async def select(
    database: Database, log: EventLog, run_id: str, number: int, reason: str
) -> None:
    """Store a variation as the winner, also in place of another one.

    Choosing the same one again changes nothing.

    Raises:
        NotFound: if there is no such run or variation.
        Conflict: if the run is not finished, the variation changed nothing, or the
            winner was published, is another run's or was imported.
    """
    async with database.write() as session:
        before = await runs.get(session, run_id)
        refuse_imported(before)
        after = await runs.select_winner(session, run_id, number, reason)
    if before.winner != after.winner:
        chosen = Selected(winning_variation_id=number, reason=reason)
        await append_to_settled(log, after, chosen)


async def deselect(database: Database, log: EventLog, run_id: str) -> None:
    """Take the decision back. A run without one stays as it is.

    Raises:
        NotFound: if there is no such run.
        Conflict: if the winner was published, or the run is another's answer or was
            imported.
    """
    async with database.write() as session:
        before = await runs.get(session, run_id)
        refuse_imported(before)
        after = await runs.deselect(session, run_id)
    if before.status is RunStatus.DECIDED:
        await append_to_settled(log, after, Deselected())


async def clear(
    database: Database, log: EventLog, run_id: str, number: int, reason: str
) -> None:
    """Clear a variation's flags, and rank a settled run again.

    Args:
        database: Where runs are stored.
        log: Where the events are appended.
        run_id: The run.
        number: The variation.
        reason: Why the flagged changes are acceptable; kept with the variation.

    Raises:
        NotFound: if there is no such run or variation.
        Conflict: if it has no flags, or the run was imported.
    """
    async with database.write() as session:
        run = await runs.get(session, run_id)
        refuse_imported(run)
        await claims.clear(session, run_id, number, reason)
        if run.status in SETTLED_RUN:
            ranking = _ranking(run, await runs.variations(session, run_id))
            run = await runs.note(session, run_id, ranking=ranking)
    cleared = Draft(FlagsCleared(reason=reason))
    await log.append(run_id, [cleared], variation_id=number)
    if run.status in SETTLED_RUN and run.ranking is not None:
        await append_to_settled(log, run, VerdictReached(ranking=run.ranking))


async def append_to_settled(log: EventLog, run: Run, body: EventBody) -> None:
    """Append an event to a settled run, and `complete` once more.

    Without the second `complete`, a follower of the run would wait for ever behind the
    event: `complete` is what ends its stream.
    """
    await log.append(run.id, [Draft(body), Draft(Complete(status=run.status))])


def _ranking(run: Run, variations: Sequence[Variation]) -> Ranking:
    verdicts, cleared = finished_verdicts(variations)
    return rank(verdicts, run.evidence or Evidence(), cleared=cleared)
