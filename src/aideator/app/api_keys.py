"""The part of the facade that creates, finds and revokes API keys."""

from collections.abc import Sequence

from aideator.store import keys
from aideator.store.keys import ApiKey
from aideator.store.session import Database


class ApiKeys:
    """The API keys of this AIdeator."""

    def __init__(self, database: Database) -> None:
        """Use the database that holds them."""
        self.database = database

    async def create_key(self, name: str) -> tuple[ApiKey, str]:
        """Create an API key. Only its hash is stored: the key is never shown again."""
        async with self.database.write() as session:
            return await keys.create(session, name)

    async def keys(self) -> Sequence[ApiKey]:
        """Return all API keys, also the revoked ones, oldest first."""
        async with self.database.read() as session:
            return await keys.every(session)

    async def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke an API key, and with it every session that was traded for it.

        Raises:
            NotFound: if there is no such key.
        """
        async with self.database.write() as session:
            return await keys.revoke(session, key_id)

    async def find_key(self, key: str) -> ApiKey | None:
        """Return the API key, if it was created here and is not revoked."""
        return await self.database.look(lambda connection: keys.find(connection, key))

    async def is_active_key(self, key_id: str | None = None) -> bool:
        """Return whether a key is valid, or whether any valid key exists."""
        if key_id is None:
            return await self.database.look(keys.any_active)
        return await self.database.look(
            lambda connection: keys.is_active(connection, key_id)
        )
