"""Make a fixture of stored data: `python -m tests.stored.make NAME`.

Run it once for a version whose data must stay readable, and commit what it writes. The
tests open every fixture with the present code. Do not make a fixture anew when a test
fails: it stands for what users have on their disks. When stored data gets a new shape,
make another fixture with the next name (v2) beside the old ones.

The runs are real: façade, engine, sandboxes, git and a scripted model. Four things are
arranged by hand, because no run leaves them behind on demand:

- `Plan` and the updates of other agents are appended to a run at work, from
  `tests/agents/golden`: the built-in agent makes no plans.
- `mute` loses its last `complete` event: a server that died between settling a run and
  announcing it leaves such a run behind.
- The directory of the run becomes `/srv/aideator-fixture` in all stored text.
- The hash of the active API key becomes that of a known key (`fixture.API_KEY`).

Written are:

    NAME.sqlite.gz      the database
    NAME.json.gz        for each run its event lines as stored, and the answer of
                        `GET /api/v1/runs/ID`; the answers of `/overview` and `/stats`
    NAME.archive.zip    one run as `aideator export` writes it
"""

import asyncio
import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aideator import __version__
from aideator.agents.translate import translate
from aideator.archive.transfer import export_run, import_run
from aideator.domain.run import AgentSpec, ComposedPart, PublishRequest
from aideator.eventlog.base import Draft
from aideator.eventlog.sql import open_event_log
from aideator.publishing.publish import publish_winner
from aideator.testing import scripted_model
from tests.actions import User, command, start_server, user
from tests.flows import planted
from tests.stored import scenes
from tests.stored.fixture import API_KEY, FOLDER, PLACE, Fixture, rows, serve_stored

GOLDEN = FOLDER.parent / "agents" / "golden"
ABSOLUTE_PATHS = tuple(
    os.fsencode(start)
    for start in (
        f"{FOLDER.parents[1]}/",
        f"{Path.home()}/",
        f"{tempfile.gettempdir()}/aid",
    )
)
"""How the paths of this machine begin that must not be stored: those of the repository,
of the user, and of AIdeator's temporary directories. Programs in a sandbox may name the
temporary directory itself."""


@dataclass
class Making:
    """Where the fixture is made, and the runs that it has by now."""

    home: Path
    runs: dict[str, str] = field(default_factory=dict)
    """What a run is for, and its id."""

    @property
    def database(self) -> Path:
        """The database of the state directory."""
        return self.home / "state" / "aideator.db"


async def make_ranked(making: Making) -> None:
    """Six agents with cross-tests, groups, a cleared flag, a winner and its branch."""
    repo = planted.plant(making.home / "planted")
    async with user(making.home, repo, planted.scenario(), max_variations=6) as me:
        run = await me.asks(
            planted.PROMPT, variations=6, checks=[{"command": planted.CHECK}]
        )
        await me.waits(run.id)
        await me.app.clear(run.id, 4, "the new bound was agreed")
        await me.app.select(run.id, 1, "repairs all of it")
        await publish_winner(me.app, run.id, PublishRequest(branch="clamp"))
    making.runs["ranked"] = run.id


async def make_continued(making: Making, repo: Path) -> None:
    """A run that goes on in every way, and one that is answered by its decision."""
    lineup = [
        {"model": "claude-sonnet-5-5", "effort": "high", "max_turns": 20},
        {"instructions": "Use sum()."},
    ]
    asked: dict[str, Any] = {
        "lineup": lineup,
        "variations": 2,
        "checks": scenes.CHECKS,
        "setup": scenes.SETUP,
        "protected": ["three.txt"],
        "budget": {"run_usd": 50.0, "variation_tokens": 10_000_000},
    }
    async with user(making.home, repo, scenes.CONTINUED) as me:
        run = await me.asks_and_waits(**asked)
        await me.app.select(run.id, 2, "too early")
        await me.app.deselect(run.id)
        await me.app.prompt(run.id, 1, scenes.FOLLOW_UP)
        await me.waits(run.id)
        await me.app.add(run.id, AgentSpec(instructions="Leave add() to the others."))
        await me.waits(run.id)
        parts = [
            ComposedPart(variation_id=1, path="calc.py", hunks=(0,)),
            ComposedPart(variation_id=1, path="one.txt"),
            ComposedPart(variation_id=2, path="two.txt"),
        ]
        await me.app.compose(run.id, parts)
        await me.waits(run.id)
        await me.app.select(run.id, 4, scenes.AWKWARD)
        reused = await me.asks_and_waits(**asked)
    making.runs |= {"continued": run.id, "reused": reused.id}


async def make_troubled(making: Making, repo: Path) -> None:
    """Agents whose model fails, one after a change; and updates of other agents."""
    async with user(making.home, repo, scenes.TROUBLED) as me:
        run = await me.asks(variations=3)
        await hear_tool_call(me, run.id, 3)
        async with open_event_log(me.app.database) as log:
            await log.append(run.id, golden_drafts(), variation_id=3, attempt=1)
        await me.waits(run.id)
    making.runs["troubled"] = run.id


def golden_drafts() -> list[Draft]:
    """Return the events that recorded lines of other agents become."""
    drafts = []
    for agent in ("claude", "codex", "others"):
        for line in (GOLDEN / f"{agent}.jsonl").read_text().splitlines():
            body = translate(json.loads(line))
            if body is not None:
                drafts.append(Draft(body, raw=line))
    return drafts


async def hear_tool_call(me: User, run_id: str, number: int) -> None:
    """Wait until a variation uses a tool."""
    async with aclosing(me.app.follow(run_id)) as batches:
        async for batch in batches:
            events = [
                json.loads(entry.data) for entry in batch if entry.kind == "tool_call"
            ]
            if any(event["variation_id"] == number for event in events):
                return


async def make_judged(making: Making, repo: Path) -> None:
    """Two equal changes, and a judge's opinion on them."""
    async with user(making.home, repo, scenes.JUDGED) as me:
        run = await me.asks_and_waits(
            variations=2,
            examination={"judge": {"model": "claude-opus-5-5"}, "sandboxes": 20},
        )
    making.runs["judged"] = run.id


async def make_ends(making: Making, repo: Path) -> None:
    """A cancelled run, a spent budget, a failed run, and one to lose its last event."""
    async with user(making.home, repo, scenes.ENDLESS) as me:
        run = await me.asks(variations=2)
        await me.hears(run.id, until="tool_call")
        await me.app.cancel(run.id)
        making.runs["cancelled"] = run.id
    async with user(making.home, repo, scenes.SPENDING) as me:
        spent = await me.asks_and_waits(
            variations=2, budget={"variation_tokens": 140_000}
        )
        making.runs["spent"] = spent.id
    async with user(making.home, repo, scenes.ONE_REPAIR) as me:
        failed = await me.asks_and_waits(
            setup=[{"command": "echo tools are missing; exit 3"}]
        )
        mute = await me.asks_and_waits(
            "Make addition add, please", ref="main", fresh=True
        )
    making.runs |= {"failed": failed.id, "mute": mute.id}


async def make_imported(making: Making, repo: Path) -> None:
    """A run that was made elsewhere and read from a file."""
    elsewhere = making.home / "elsewhere"
    elsewhere.mkdir(mode=0o711)
    async with user(elsewhere, repo, scenes.ONE_REPAIR) as other:
        run = await other.asks_and_waits()
        await other.app.select(run.id, 1, "made elsewhere")
        file = await export_run(other.app, run.id)
    async with user(making.home, repo, scenes.ONE_REPAIR) as me:
        await import_run(me.app, file)
    making.runs["imported"] = run.id


async def make_interrupted(making: Making, repo: Path) -> None:
    """A run at work when its server is killed: one of two variations has finished."""
    asked = {"repo_url": str(repo), "prompt": scenes.PROMPT, "variations": 2}
    async with scripted_model(scenes.INTERRUPTED) as model:
        server = await start_server(making.home, model.url)
        async with server.client(**{"Idempotency-Key": "fixture-1"}) as client:
            run_id = (await client.post("/runs", json=asked)).json()["run_id"]
            # No event tells that the store holds the first variation's end.
            while not await one_of_two_has_finished(client, run_id):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        await server.kill()
    making.runs["interrupted"] = run_id


async def one_of_two_has_finished(client: Any, run_id: str) -> bool:
    """Return whether the first variation has finished while the second is at work."""
    details = (await client.get(f"/runs/{run_id}")).json()
    return [v["status"] for v in details["variations"]] == ["finished", "running"]


def make_keys(making: Making) -> None:
    """A key that opens the server, and one that was revoked.

    Last of all: a server with a key answers no client without one.
    """
    for name in ("laptop", "old laptop"):
        made = command("key", "create", name, home=making.home)
        if made.returncode != 0:
            raise SystemExit(made.stderr)
    ((revoked,),) = rows(
        making.database, "select id from api_key where name = 'old laptop'"
    )
    done = command("key", "revoke", revoked, home=making.home)
    if done.returncode != 0:
        raise SystemExit(done.stderr)


def arrange(making: Making) -> None:
    """Make by SQL what no run leaves behind on demand."""
    mute = making.runs["mute"]
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    with closing(sqlite3.connect(making.database)) as connection, connection:
        connection.execute(
            "delete from event where run_id = :run and kind = 'complete' "
            "and seq = (select last_seq from run where id = :run)",
            {"run": mute},
        )
        connection.execute(
            "update run set last_seq = last_seq - 1, announced = 0 where id = ?",
            (mute,),
        )
        connection.execute(
            "update api_key set sha256 = ?, prefix = ? where revoked_at is null",
            (digest, API_KEY[:8]),
        )


def write_database(making: Making, fixture: Fixture) -> None:
    """Write the database anew, compact and without this machine's paths."""
    with closing(sqlite3.connect(making.database)) as connection:
        script = "\n".join(connection.iterdump()).replace(str(making.home), PLACE)
    compact = making.home / "compact.db"
    with closing(sqlite3.connect(compact)) as connection:
        connection.executescript(script)
        connection.execute("vacuum")
    data = compact.read_bytes()
    found = [path for path in ABSOLUTE_PATHS if path in data]
    if found:
        raise SystemExit(f"the database names places of this machine: {found}")
    fixture.database.write_bytes(gzip.compress(data, mtime=0))


async def write_answers(making: Making, fixture: Fixture) -> None:
    """Ask the server about the written database, and store what it answers."""
    state = making.home / "answers"
    database = fixture.unpack(state)
    ((revision,),) = rows(database, "select version_num from alembic_version")
    async with serve_stored(state) as client:
        told = []
        for name, run_id in making.runs.items():
            events = rows(
                database, "select data from event where run_id = ? order by seq", run_id
            )
            details = (await client.get(f"/runs/{run_id}")).raise_for_status().json()
            lines = [line for (line,) in events]
            told.append(
                {"name": name, "id": run_id, "details": details, "events": lines}
            )
        overview = (await client.get("/overview")).raise_for_status().json()
        stats = (await client.get("/stats")).raise_for_status().json()
        archive = await client.get(f"/runs/{making.runs['continued']}/export")
    answers = {
        "version": __version__,
        "revision": revision,
        "runs": told,
        "overview": overview,
        "stats": stats,
    }
    data = json.dumps(answers, ensure_ascii=False).encode()
    fixture.answers.write_bytes(gzip.compress(data, mtime=0))
    fixture.archive.write_bytes(archive.raise_for_status().content)


async def make(fixture: Fixture, home: Path) -> Making:
    """Make every run, then write the files."""
    making = Making(home)
    repo = scenes.plant_calc(home / "calc")
    await make_ranked(making)
    await make_continued(making, repo)
    await make_troubled(making, repo)
    await make_judged(making, repo)
    await make_ends(making, repo)
    await make_imported(making, repo)
    await make_interrupted(making, repo)
    make_keys(making)
    arrange(making)
    write_database(making, fixture)
    await write_answers(making, fixture)
    return making


def main() -> None:
    """Make the fixture that the command line names."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tests.stored.make NAME")
    fixture = Fixture(sys.argv[1])
    if fixture.database.exists():
        raise SystemExit(f"{fixture.database} exists: give a new fixture a new name")
    home = Path(tempfile.mkdtemp(prefix="aid-"))
    home.chmod(0o711)  # sandboxes run as another user and must pass through
    try:
        making = asyncio.run(make(fixture, home))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for file in (fixture.database, fixture.answers, fixture.archive):
        print(f"{file.name}: {file.stat().st_size} bytes")  # noqa: T201
    print(f"runs: {', '.join(making.runs)}")  # noqa: T201


if __name__ == "__main__":
    main()
