"""A log with a small ring and small pages, whose bounds followers meet, and runs."""

from collections.abc import AsyncIterator

import pytest

from aideator.domain.events import AgentOutput, Complete
from aideator.domain.run import RunStatus
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.store import claims
from aideator.store.session import Database
from tests.store.conftest import db, submit

__all__ = ["db"]  # a fixture

COMPLETE = Draft(Complete(status=RunStatus.FINISHED))


@pytest.fixture
async def log(db: Database) -> AsyncIterator[SqlEventLog]:
    async with open_event_log(db, page=5, ring_entries=8) as opened:
        yield opened


async def start(db: Database, run_id: str, *, agents: int = 2) -> None:
    """Store a run of which every variation is in its first attempt."""
    await submit(db, run_id, agents=agents)
    async with db.write() as session:
        for number in range(1, agents + 1):
            await claims.claim(session, run_id, number)


def say(*texts: str) -> list[Draft]:
    return [Draft(AgentOutput(channel="message", text=text)) for text in texts]
