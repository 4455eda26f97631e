"""A real server on loopback over a real database.

No agents run here: tests write what agents would.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uuid_utils

from aideator.api.server import Server, listen, serve_app
from aideator.api.stream import StreamSlots
from aideator.app import Aideator
from aideator.domain.events import AgentOutput, Complete
from aideator.domain.run import Run, RunSpec, RunStatus, Variation, VariationStatus
from aideator.domain.verdict import PatchStats, Verdict
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import SqlEventLog, open_event_log
from aideator.settings import Settings
from aideator.store import claims, runs
from aideator.store.session import Database, open_database
from tests.conftest import PATIENCE

PATCH = b"""diff --git a/calc.py b/calc.py
index %b..%b 100644
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@ def add(a, b):
 def add(a, b):
-    return a - b
+    return a + b
""" % (b"1" * 40, b"2" * 40)


@dataclass
class Stage:
    """A server, a client of it, and the database in which tests write runs."""

    server: Server
    client: httpx2.AsyncClient
    app: Aideator
    database: Database
    log: SqlEventLog

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def run(
        self, *, variations: int = 2, status: RunStatus = RunStatus.RUNNING
    ) -> str:
        """Store a run: running, or finished, with a patch of each variation."""
        run_id = str(uuid_utils.uuid7())
        spec = RunSpec(
            repo_url="https://github.com/user/repo",
            prompt="Make addition add",
            variations=variations,
        )
        rows = [
            Variation(run_id=run_id, number=n, spec=agent)
            for n, agent in enumerate(spec.agents(), start=1)
        ]
        async with self.database.write() as session:
            await runs.add(session, Run(id=run_id, spec=spec), rows)
            await runs.move(session, run_id, RunStatus.RUNNING)
            for variation in rows:
                attempt = await claims.claim(session, run_id, variation.number)
                if status is RunStatus.FINISHED:
                    verdict = Verdict(
                        variation_id=variation.number,
                        patch=PatchStats(files=1, additions=1, deletions=1),
                    )
                    done = VariationStatus.FINISHED
                    await claims.finish(
                        session,
                        run_id,
                        variation.number,
                        attempt,
                        done,
                        verdict=verdict,
                        patch=PATCH,
                    )
            if status is RunStatus.FINISHED:
                await runs.move(session, run_id, RunStatus.FINISHED)
        return run_id

    async def say(self, run_id: str, *texts: str) -> int:
        """Have the first agent say something."""
        drafts = [Draft(AgentOutput(channel="message", text=text)) for text in texts]
        return await self.log.append(run_id, drafts, variation_id=1)

    async def complete(self, run_id: str) -> int:
        """Say that the run is over."""
        return await self.log.append(
            run_id, [Draft(Complete(status=RunStatus.FINISHED))]
        )

    async def finished_run(self, *, events: int = 5) -> str:
        """A run that is over, with `events` events, the last of which is `complete`."""
        run_id = await self.run(status=RunStatus.FINISHED)
        if events > 1:
            await self.say(run_id, *(f"event {n}" for n in range(1, events)))
        await self.complete(run_id)
        return run_id


@asynccontextmanager
async def open_stage(
    home: Path,
    *,
    slots: StreamSlots | None = None,
    host: str = "127.0.0.1",
    **wanted: Any,
) -> AsyncIterator[Stage]:
    """Serve an empty database."""
    settings = Settings(
        _env_file=None, aideator_home=home, aideator_host=host, **wanted
    )
    async with (
        open_database(settings.database) as database,
        open_event_log(database) as log,
    ):
        app = Aideator(settings, database, log)
        with listen("127.0.0.1", 0) as listener:
            async with (
                serve_app(app, listener, slots=slots) as server,
                httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as client,
            ):
                yield Stage(server, client, app, database, log)


@dataclass(frozen=True)
class Frame:
    """One event as a browser would dispatch it."""

    id: int
    kind: str
    data: dict[str, Any]


async def frames(answer: httpx2.Response) -> AsyncIterator[Frame]:
    """Yield the events of a stream, parsed as the standard says.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
        elif "data" in fields:
            yield Frame(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


def texts(found: Sequence[Frame]) -> list[str]:
    """What the agents said."""
    return [
        frame.data["body"]["text"] for frame in found if frame.kind == "agent_output"
    ]
