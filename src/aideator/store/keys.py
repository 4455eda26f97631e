"""API keys: made, listed, found, revoked.

Whoever opened the session or connection commits.

A key is 256 random bits, so a plain SHA-256 keeps it safe at rest: there is nothing to
guess. Secret scanners know one that has leaked by its `aid_`.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import uuid_utils
from sqlalchemy import Connection, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from aideator.domain.errors import NotFound
from aideator.domain.run import now
from aideator.store.tables import ApiKeyRow

_SHOWN = 8
"""Characters of a key that may be shown: `aid_` and four more."""


@dataclass(frozen=True)
class ApiKey:
    """What is known about a key. The key itself is shown once, when it is made."""

    id: str
    name: str
    prefix: str
    """The key's first characters, so that its owner can tell keys apart."""
    created_at: datetime
    revoked_at: datetime | None = None


async def create(session: AsyncSession, name: str) -> tuple[ApiKey, str]:
    """Make a key.

    Returns:
        What is known about it, and the key. Only its hash is kept.
    """
    key = f"aid_{secrets.token_urlsafe(32)}"
    row = ApiKeyRow(
        id=str(uuid_utils.uuid7()), name=name, prefix=key[:_SHOWN], sha256=_hash(key)
    )
    made = _plain(row)
    session.add(row)
    await session.flush()
    return made, key


async def every(session: AsyncSession) -> list[ApiKey]:
    """All keys, also the revoked ones, oldest first."""
    return [
        _plain(row)
        for row in await session.scalars(select(ApiKeyRow).order_by(col(ApiKeyRow.id)))
    ]


def find(connection: Connection, key: str) -> ApiKey | None:
    """The key, if it was made here and has not been revoked."""
    digest = _hash(key)
    found = select(*ApiKeyRow.__table__.columns).where(col(ApiKeyRow.sha256) == digest)  # type: ignore[attr-defined]
    row = connection.execute(found).one_or_none()
    if (
        row is None
        or row.revoked_at is not None
        or not hmac.compare_digest(row.sha256, digest)
    ):
        return None
    return ApiKey(row.id, row.name, row.prefix, row.created_at, row.revoked_at)


def is_active(connection: Connection, key_id: str) -> bool:
    """Whether there is a key of that id that has not been revoked."""
    active = select(col(ApiKeyRow.id)).where(
        col(ApiKeyRow.id) == key_id, col(ApiKeyRow.revoked_at).is_(None)
    )
    return connection.scalar(active) is not None


def any_active(connection: Connection) -> bool:
    """Whether there is a key that opens the door."""
    active = (
        select(col(ApiKeyRow.id)).where(col(ApiKeyRow.revoked_at).is_(None)).limit(1)
    )
    return connection.scalar(active) is not None


async def revoke(session: AsyncSession, key_id: str) -> ApiKey:
    """Make a key useless, now and for good. Revoking it again changes nothing.

    Raises:
        NotFound: if there is no such key.
    """
    still_active = update(ApiKeyRow).where(
        col(ApiKeyRow.id) == key_id, col(ApiKeyRow.revoked_at).is_(None)
    )
    await session.execute(still_active.values(revoked_at=now()))
    row = await session.get(ApiKeyRow, key_id, populate_existing=True)
    if row is None:
        raise NotFound(
            f"there is no key {key_id}", hint="`aideator key list` shows the ids"
        )
    return _plain(row)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _plain(row: ApiKeyRow) -> ApiKey:
    return ApiKey(row.id, row.name, row.prefix, row.created_at, row.revoked_at)
