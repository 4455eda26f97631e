"""A run is exported to a file and imported by another instance for reading."""

from pathlib import Path

import pytest

from aideator.archive.transfer import export_run, import_run
from aideator.domain.errors import Conflict
from aideator.domain.run import AgentSpec, ComposedPart, PublishRequest, RunDetails
from aideator.publishing.publish import publish_winner
from aideator.statistics.read import read_statistics
from tests.actions import PROMPT, User, is_dense, user

KEY = "sk-ant-0123456789"


async def events(me: User, run_id: str) -> list[bytes]:
    return [entry.data for entry in await me.app.events(run_id, limit=10_000)]


async def a_decided_run(me: User) -> RunDetails:
    done = await me.asks_and_waits(f"{PROMPT}, but never say {KEY}", variations=2)
    await me.app.select(done.id, 2, "reads better")
    await me.waits(done.id)
    return await me.app.get(done.id)


async def test_another_instance_shows_streams_and_diffs_the_run_as_the_first_did(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways", anthropic_api_key=KEY) as me:
        original = await a_decided_run(me)
        file = await export_run(me.app, original.id)
        told = await events(me, original.id)
        patch = await me.app.patch(original.id, 2)
        diff = await me.app.diff(original.id, 2)
    assert KEY.encode() in b"".join(told)

    async with user(home / "elsewhere", repo, "three_ways") as other:
        shown = await import_run(other.app, file)
        assert shown.imported_at
        same = shown.model_dump_json(exclude={"imported_at"})
        assert same == original.model_dump_json(exclude={"imported_at"}).replace(
            KEY, "[secret]"
        )
        assert is_dense(await other.hears(original.id))
        assert await events(other, original.id) == [
            line.replace(KEY.encode(), b"[secret]") for line in told
        ]
        assert await other.app.patch(original.id, 2) == patch
        assert await other.app.diff(original.id, 2) == diff
        assert [run.id for run in (await other.app.list()).runs] == [original.id]


async def test_exporting_and_importing_again_change_nothing(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        original = await a_decided_run(me)
        file = await export_run(me.app, original.id)
        assert await export_run(me.app, original.id) == file
        # The run is here already, with the same content.
        assert await import_run(me.app, file) == original
    async with user(home / "elsewhere", repo, "three_ways") as other:
        shown = await import_run(other.app, file)
        assert await import_run(other.app, file) == shown
        assert await export_run(other.app, original.id) == file


async def test_nothing_more_happens_in_an_imported_run(home: Path, repo: Path) -> None:
    async with user(home, repo, "three_ways") as me:
        original = await a_decided_run(me)
        file = await export_run(me.app, original.id)
    async with user(home / "elsewhere", repo, "three_ways") as other:
        await import_run(other.app, file)
        run = original.id
        for attempt in (
            lambda: other.app.prompt(run, 1, "Now subtract as well"),
            lambda: other.app.prompt(run, None, "Now subtract as well"),
            lambda: other.app.add(run, AgentSpec()),
            lambda: other.app.compose(
                run, [ComposedPart(variation_id=1, path="calc.py")]
            ),
            lambda: other.app.select(run, 1),
            lambda: other.app.deselect(run),
            lambda: other.app.clear(run, 1, "fine"),
            lambda: publish_winner(other.app, run, PublishRequest()),
        ):
            with pytest.raises(Conflict, match="imported from a file"):
                await attempt()
        assert (await read_statistics(other.app)).runs == 0
        # The same question is not answered with a decision that came in a file.
        asked = await other.asks_and_waits(original.spec.prompt, variations=2)
        assert asked.reused_from is None
    async with user(home / "elsewhere", repo, "three_ways") as restarted:
        assert (await restarted.app.get(run)).status == original.status
        assert not restarted.model.requests


async def test_a_run_of_the_same_id_that_says_something_else_is_refused(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        original = await a_decided_run(me)
        file = await export_run(me.app, original.id)
        await me.app.deselect(original.id)
        before = await me.app.get(original.id)
        with pytest.raises(Conflict, match="with other content"):
            await import_run(me.app, file)
        assert await me.app.get(original.id) == before


async def test_a_run_that_has_not_ended_is_not_exported(home: Path, repo: Path) -> None:
    async with user(home, repo, "endless") as me:
        run = await me.asks()
        await me.hears(run.id, until="variation_started")
        with pytest.raises(Conflict, match="the run is running"):
            await export_run(me.app, run.id)
        await me.app.cancel(run.id)
        assert await export_run(me.app, run.id)
