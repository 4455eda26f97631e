"""Stored data of an earlier version: its database, and what it answered about it."""

import gzip
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from aideator.api.server import listen, serve_app
from aideator.app import open_app
from aideator.settings import Settings
from tests.conftest import PATIENCE

FOLDER = Path(__file__).parent
PLACE = "/srv/aideator-fixture"
"""Stands in the stored data for the directory in which the fixture was made."""
API_KEY = f"aid_{'fixture-' * 5}"
"""Opens a server on the stored database. A fixed word, no secret: it guards nothing."""


RENAMED = {
    "v1": {"seat": "spec", "seats": "variations", "examination": "comparison"},
}
"""Fields that were renamed since a fixture was made. What is stored keeps its names:
the old ones are still read, and answers have the new ones."""


@dataclass(frozen=True)
class Fixture:
    """The files of one fixture, `tests/stored/NAME.*`."""

    name: str

    @property
    def database(self) -> Path:
        """The SQLite file, compressed."""
        return FOLDER / f"{self.name}.sqlite.gz"

    @property
    def answers(self) -> Path:
        """What the version that made the fixture answered, as compressed JSON."""
        return FOLDER / f"{self.name}.json.gz"

    @property
    def archive(self) -> Path:
        """One run as `aideator export` wrote it."""
        return FOLDER / f"{self.name}.archive.zip"

    def unpack(self, state: Path) -> Path:
        """Write the database into a new state directory, and return its path."""
        state.mkdir(mode=0o711)
        file = state / "aideator.db"
        file.write_bytes(gzip.decompress(self.database.read_bytes()))
        return file

    def in_new_words(self, value: Any) -> Any:
        """Return a stored value with the names that its fields have now."""
        names = RENAMED.get(self.name, {})
        if isinstance(value, dict):
            return {
                names.get(name, name): self.in_new_words(inner)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self.in_new_words(inner) for inner in value]
        return value

    def load_answers(self) -> dict[str, Any]:
        """Return the stored answers."""
        answers: dict[str, Any] = json.loads(gzip.decompress(self.answers.read_bytes()))
        return answers


def rows(database: Path, query: str, *values: object) -> list[Any]:
    """Return the rows of a query, without the product's own code in between."""
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute(query, values).fetchall()
        connection.commit()
        return found


@asynccontextmanager
async def serve_stored(state: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve a state directory for reading, and yield a client of its API."""
    settings = Settings(_env_file=None, aideator_home=state)
    async with open_app(settings, work=False) as app:
        with listen("127.0.0.1", 0) as listener:
            async with (
                serve_app(app, listener) as server,
                httpx2.AsyncClient(
                    base_url=f"{server.url}/api/v1",
                    headers={settings.api_key_header: API_KEY},
                    timeout=PATIENCE,
                ) as client,
            ):
                yield client
