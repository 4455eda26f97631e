"""Measurements: what a check said about a tree.

The same question is not run twice, in whatever run it comes up.

A key is a hash of all that the answer depends on, so an entry is never wrong, only old;
old ones go.
"""

import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, delete, insert, or_, select
from sqlmodel import col

from aideator.domain.check import Measurement
from aideator.domain.run import now
from aideator.store.tables import MeasurementRow

KEPT_DAYS = 30
"""How long a measurement is kept."""


def find(connection: Connection, keys: Sequence[str]) -> dict[str, Measurement]:
    """The measurements that are known, by key."""
    rows = select(col(MeasurementRow.key), col(MeasurementRow.data)).where(
        col(MeasurementRow.key).in_(keys)
    )
    return {
        key: Measurement.model_validate_json(zlib.decompress(data))
        for key, data in connection.execute(rows)
    }


def pack(measurement: Measurement) -> bytes:
    """A measurement as it is kept.

    It may hold many tests, so pack it before the writer's turn.
    """
    return zlib.compress(measurement.model_dump_json().encode())


def keep(connection: Connection, found: Mapping[str, bytes]) -> None:
    """Remember packed measurements, and forget those that are old."""
    old = now() - timedelta(days=KEPT_DAYS)
    connection.execute(
        delete(MeasurementRow).where(
            or_(
                col(MeasurementRow.created_at) < old, col(MeasurementRow.key).in_(found)
            )
        )
    )
    rows = [
        {"key": key, "created_at": now(), "data": data} for key, data in found.items()
    ]
    if rows:
        connection.execute(insert(MeasurementRow), rows)
