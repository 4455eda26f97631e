"""A database on disk, and runs in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.domain.run import Run, RunSpec, Variation
from aideator.store import runs
from aideator.store.session import Database, open_database


def url_of(home: Path) -> str:
    return f"sqlite+aiosqlite:///{home}/aideator.db"


@pytest.fixture
async def db(home: Path) -> AsyncIterator[Database]:
    async with open_database(url_of(home), busy_timeout=0.1) as database:
        yield database


async def submit(db: Database, run_id: str, *, agents: int = 2) -> Run:
    """Store a new run, as submitting one does."""
    spec = RunSpec(repo_url="/repo", prompt="Make addition add", variations=agents)
    variations = [
        Variation(run_id=run_id, number=n, spec=agent)
        for n, agent in enumerate(spec.agents(), start=1)
    ]
    async with db.write() as session:
        return await runs.add(session, Run(id=run_id, spec=spec), variations)
