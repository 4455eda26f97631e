"""What an earlier version has stored is opened, served and continued by this one."""

import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from aideator.archive.transfer import import_run
from aideator.domain.check import Measurement
from aideator.domain.events import Event
from aideator.domain.run import RunDetails
from aideator.store.migrate import MIGRATIONS
from tests.actions import user
from tests.stored import scenes
from tests.stored.fixture import FOLDER, PLACE, Fixture, rows, serve_stored

NAMES = sorted(
    path.name.removesuffix(".sqlite.gz") for path in FOLDER.glob("*.sqlite.gz")
)
FIXTURES = [Fixture(name) for name in NAMES]
UNFINISHED = {"interrupted", "mute"}
"""Runs whose log does not end with `complete`: their streams stay open."""


@dataclass(frozen=True)
class Opened:
    """A stored state that this version has opened for reading."""

    fixture: Fixture
    database: Path
    client: httpx2.AsyncClient
    answers: dict[str, Any]

    @property
    def runs(self) -> dict[str, Any]:
        """What the earlier version said about each run, by what the run is for."""
        return {run["name"]: run for run in self.answers["runs"]}


@pytest.fixture(scope="module", params=FIXTURES, ids=lambda fixture: fixture.name)
async def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Opened]:
    fixture: Fixture = request.param
    state = tmp_path_factory.mktemp(fixture.name) / "state"
    database = fixture.unpack(state)
    async with serve_stored(state) as client:
        yield Opened(fixture, database, client, fixture.load_answers())


async def answer(client: httpx2.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


def holds(new: Any, old: Any) -> bool:
    """Whether an answer says all that the old one said; it may say more."""
    if type(new) is not type(old):
        return False
    if isinstance(old, dict):
        return all(name in new and holds(new[name], old[name]) for name in old)
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds, new, old))
    return bool(new == old)


async def test_a_stored_database_is_migrated_to_the_head(opened: Opened) -> None:
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    head = ScriptDirectory.from_config(config).get_current_head()
    assert rows(opened.database, "select version_num from alembic_version") == [(head,)]
    assert rows(opened.database, "pragma integrity_check") == [("ok",)]
    assert rows(opened.database, "pragma foreign_key_check") == []


async def test_pages_of_events_are_the_stored_lines(opened: Opened) -> None:
    for run in opened.runs.values():
        page = (
            await opened.client.get(f"/runs/{run['id']}/events", params={"limit": 1000})
        ).raise_for_status()
        assert (
            page.content.decode()
            == f'{{"events":[{",".join(run["events"])}],"next":null,'
            f'"last":{len(run["events"])}}}'
        )


async def test_streams_carry_the_stored_lines(opened: Opened) -> None:
    for name, run in opened.runs.items():
        data = []
        async with opened.client.stream("GET", f"/runs/{run['id']}/stream") as stream:
            assert stream.status_code == 200
            # Not `aiter_lines`, which also breaks lines at U+2028 and the like.
            received = b""
            async for chunk in stream.aiter_bytes():
                received += chunk
                data = [
                    line[6:]
                    for line in received.split(b"\n")[:-1]
                    if line.startswith(b"data: ")
                ]
                if name in UNFINISHED and len(data) == len(run["events"]):
                    break
        assert data == [line.encode() for line in run["events"]]


async def test_every_stored_event_is_understood(opened: Opened) -> None:
    kinds = set()
    new = opened.fixture.in_new_words
    for run in opened.runs.values():
        for line in run["events"]:
            event = Event.model_validate_json(line)
            assert holds(json.loads(event.model_dump_json()), new(json.loads(line)))
            kinds.add(json.loads(line)["body"]["kind"])
    assert len(kinds) >= 21  # with `judging`, as version 0.1 called `checking`
    assert kinds >= {
        *("run_started", "variation_added", "variation_started", "variation_finished"),
        *("variation_failed", "agent_output", "tool_call", "tool_call_update", "plan"),
        *("usage", "setup", "check", "cleared", "evidence", "verdict"),
        *("selected", "deselected", "published", "error", "complete"),
    }


async def test_runs_with_verdicts_and_rankings_are_answered_as_before(
    opened: Opened,
) -> None:
    for run in opened.runs.values():
        before = opened.fixture.in_new_words(run["details"])
        details = await answer(opened.client, f"/runs/{run['id']}")
        assert holds(details, before)
        # Archives and clients hold what the earlier version answered.
        understood = RunDetails.model_validate(run["details"])
        assert holds(understood.model_dump(mode="json"), before)


async def test_patches_are_the_stored_bytes(opened: Opened) -> None:
    patches = rows(opened.database, "select run_id, number, data from patch")
    assert len(patches) > 10
    for run_id, number, data in patches:
        path = f"/runs/{run_id}/variations/{number}"
        assert (
            await opened.client.get(f"{path}/patch")
        ).raise_for_status().content == data
        assert isinstance(await answer(opened.client, f"{path}/diff"), list)


async def test_measurements_that_were_kept_are_understood(opened: Opened) -> None:
    kept = rows(opened.database, "select data from measurement")
    assert kept
    for (data,) in kept:
        plain = zlib.decompress(data)
        assert holds(
            Measurement.model_validate_json(plain).model_dump(mode="json"),
            json.loads(plain),
        )


async def test_overview_and_statistics_are_answered_as_before(opened: Opened) -> None:
    for name in ("overview", "stats"):
        before = opened.fixture.in_new_words(opened.answers[name])
        assert holds(await answer(opened.client, f"/{name}"), before)
    assert len((await answer(opened.client, "/runs"))["runs"]) == len(opened.runs)


async def test_a_key_still_opens_and_a_revoked_one_is_known(opened: Opened) -> None:
    keys = await answer(opened.client, "/keys")
    assert [(key["name"], key["mine"], key["revoked_at"] is None) for key in keys] == [
        ("laptop", True, True),
        ("old laptop", False, False),
    ]
    refused = await opened.client.get("/runs", headers={"X-API-Key": "aid_another"})
    assert refused.status_code == 401


async def test_an_archive_is_known_where_it_was_made(opened: Opened) -> None:
    again = await opened.client.post(
        "/runs/import", content=opened.fixture.archive.read_bytes()
    )
    before = opened.fixture.in_new_words(opened.runs["continued"]["details"])
    assert holds(again.raise_for_status().json(), before)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
async def test_an_archive_is_imported_elsewhere(fixture: Fixture, home: Path) -> None:
    run = next(
        run for run in fixture.load_answers()["runs"] if run["name"] == "continued"
    )
    async with user(home, home, scenes.ONE_REPAIR) as me:
        await import_run(me.app, fixture.archive.read_bytes())
        events = [
            entry.data.decode() for entry in await me.app.events(run["id"], limit=1000)
        ]
        details = json.loads((await me.app.get(run["id"])).model_dump_json())
    assert len(events) == len(run["events"])
    for event, before in zip(events, run["events"], strict=True):
        assert holds(json.loads(event), fixture.in_new_words(json.loads(before)))
    assert holds(details | {"imported_at": None}, fixture.in_new_words(run["details"]))


@pytest.mark.slow
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
async def test_an_interrupted_run_is_taken_up_and_completed(
    fixture: Fixture, home: Path
) -> None:
    runs = {run["name"]: run for run in fixture.load_answers()["runs"]}
    run, mute = runs["interrupted"], runs["mute"]
    database = fixture.unpack(home / "state")
    repo = scenes.plant_calc(home / "calc")
    # The repository lies where this test has planted it, with the same commit.
    update = "update run set spec = replace(spec, ?, ?) where id = ? returning id"
    assert rows(database, update, f"{PLACE}/calc", str(repo), run["id"])
    async with user(home, repo, scenes.ONE_REPAIR) as me:
        events = await me.hears(run["id"])
        done = await me.app.get(run["id"])
        lines = [
            entry.data.decode() for entry in await me.app.events(run["id"], limit=1000)
        ]
        # Its process died between settling it and writing its last event.
        announced = await me.hears(mute["id"])
    assert len(announced) == len(mute["events"]) + 1
    assert announced[-1].body.kind == "complete"
    assert lines[: len(run["events"])] == run["events"]
    assert [event.seq for event in events] == list(range(1, len(lines) + 1))
    assert [event.body.kind for event in events].count("complete") == 1
    assert events[-1].body.kind == "complete"
    assert done.status == "finished"
    assert [(v.status, v.attempt) for v in done.variations] == [
        ("finished", 1),
        ("finished", 2),
    ]
