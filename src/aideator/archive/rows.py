"""Rows of a whole run: read for an export, written by an import, a transaction each."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, insert, select
from sqlmodel import col

from aideator.domain.run import Run, Variation, now
from aideator.store import events
from aideator.store.tables import PatchRow, RunRow, VariationRow


def patches(connection: Connection, run_id: str) -> dict[int, bytes]:
    """Return the patches of a run by variation number."""
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
    """Store a run that has ended, marked as imported.

    The mark keeps the engine from starting it, and its answer from being reused.

    Args:
        connection: The connection of the writing thread.
        run: The run.
        variations: Its variations.
        lines: Its events as JSON, whole and in order.
        changes: Variation number → patch.

    Returns:
        Whether it was stored; False if there is a run of this id.
    """
    present = select(col(RunRow.id)).where(col(RunRow.id) == run.id)
    if connection.execute(present).first() is not None:
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
            {name: getattr(variation, name) for name in Variation.model_fields}
            for variation in variations
        ]
        connection.execute(
            insert(VariationRow), [row | {"forgiven": 0} for row in rows]
        )
    if changes:
        made = [
            {"run_id": run.id, "number": n, "attempt": 0, "data": data}
            for n, data in sorted(changes.items())
        ]
        connection.execute(insert(PatchRow), made)
    events.restore(connection, run.id, lines)
    return True
