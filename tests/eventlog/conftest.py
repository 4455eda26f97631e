"""A log with a small ring and small pages, so that followers meet their bounds; and runs that write to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aideator.domain.events import AgentOutput, Complete
from aideator.domain.run import Run, RunSpec, RunStatus, Variation
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.store import claims, runs
from aideator.store.session import Database, open_database

COMPLETE = Draft(Complete(status=RunStatus.FINISHED))


@pytest.fixture
async def db(home: Path) -> AsyncIterator[Database]:
    async with open_database(
        f"sqlite+aiosqlite:///{home}/aideator.db", busy_timeout=0.1
    ) as database:
        yield database


@pytest.fixture
async def log(db: Database) -> AsyncIterator[SqlEventLog]:
    async with open_event_log(db, page=5, ring_entries=8) as opened:
        yield opened


async def start(db: Database, run_id: str, *, agents: int = 2) -> None:
    """Store a run of which every variation is in its first attempt."""
    spec = RunSpec(repo_url="/repo", prompt="Make addition add", variations=agents)
    variations = [
        Variation(run_id=run_id, number=n, spec=agent)
        for n, agent in enumerate(spec.agents(), start=1)
    ]
    async with db.write() as session:
        await runs.add(session, Run(id=run_id, spec=spec), variations)
        for variation in variations:
            await claims.claim(session, run_id, variation.number)


def say(*texts: str) -> list[Draft]:
    return [Draft(AgentOutput(channel="message", text=text)) for text in texts]
