"""A run as a whole: read for an export, written by an import. One transaction each."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select
from sqlmodel import col

from aideator.domain.run import Run, Variation, now
from aideator.store import events
from aideator.store.tables import PatchRow, RunRow, VariationRow


def patches(connection: Connection, run_id: str) -> dict[int, bytes]:
    """What each variation of the run has changed."""
    rows = select(col(PatchRow.number), col(PatchRow.data)).where(
        col(PatchRow.run_id) == run_id
    )
    return {number: data for number, data in connection.execute(rows)}


def restore(
    connection: Connection,
    run: Run,
    variations: Sequence[Variation],
    lines: Sequence[bytes],
    changes: Mapping[int, bytes],
) -> bool:
    """Store a run that has ended, marked as imported, so that nothing ever takes it up or answers with it.

    Args:
        connection: In the writer's thread.
        run: The run.
        variations: Its variations.
        lines: Its events as JSON, whole and in order.
        changes: Variation id → patch.

    Returns:
        Whether it was stored; False if there is a run of this id.
    """
    if (
        connection.execute(
            select(col(RunRow.id)).where(col(RunRow.id) == run.id)
        ).first()
        is not None
    ):
        return False
    kept = {name: getattr(run, name) for name in Run.model_fields}
    mark = {
        "imported_at": now(),
        "announced": True,
        "last_seq": len(lines),
        "question": None,
    }
    connection.execute(insert(RunRow), [kept | mark])
    if variations:
        rows = [
            {name: getattr(v, name) for name in Variation.model_fields}
            | {"forgiven": 0}
            for v in variations
        ]
        connection.execute(insert(VariationRow), rows)
    if changes:
        made = [
            {"run_id": run.id, "number": n, "attempt": 0, "data": data}
            for n, data in sorted(changes.items())
        ]
        connection.execute(insert(PatchRow), made)
    events.restore(connection, run.id, lines)
    return True
