import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from aideator.domain.errors import NotFound
from aideator.store import keys
from aideator.store.session import Database


async def test_a_key_opens_until_it_is_revoked(db: Database) -> None:
    assert not await db.look(keys.any_active)
    async with db.write() as session:
        known, key = await keys.create(session, "laptop")
        other, _ = await keys.create(session, "phone")
    assert await db.look(lambda connection: keys.find(connection, key)) == known
    async with db.write() as session:
        revoked = await keys.revoke(session, known.id)
        assert revoked.revoked_at is not None
        assert await keys.revoke(session, known.id) == revoked
        assert await keys.every(session) == [revoked, other]
    assert await db.look(lambda connection: keys.find(connection, key)) is None
    assert not await db.look(lambda connection: keys.is_active(connection, known.id))
    assert await db.look(lambda connection: keys.is_active(connection, other.id))
    assert await db.look(keys.any_active)


@pytest.mark.parametrize("wrong", ["", "aid_", "aid_wrong", "\ud800", "' OR 1=1 --"])
async def test_what_is_no_key_opens_nothing(db: Database, wrong: str) -> None:
    async with db.write() as session:
        _, key = await keys.create(session, "laptop")
    assert await db.look(lambda connection: keys.find(connection, wrong)) is None
    longer_or_shorter = key + wrong if wrong else key[:-1]
    assert (
        await db.look(lambda connection: keys.find(connection, longer_or_shorter))
        is None
    )


async def test_an_unknown_key_cannot_be_revoked(db: Database) -> None:
    async with db.write() as session:
        with pytest.raises(NotFound, match="nope"):
            await keys.revoke(session, "nope")


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_the_key_itself_is_nowhere_on_disk(db: Database, home: Path) -> None:
    async with db.write() as session:
        _, key = await keys.create(session, "laptop")
    with closing(sqlite3.connect(home / "aideator.db")) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = content(home)
    assert b"laptop" in stored
    assert key.encode() not in stored
