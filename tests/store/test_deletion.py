"""A run that has ended is deleted with all that is its own."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from aideator.domain.errors import Conflict, NotFound
from tests.actions import user


@pytest.mark.slow
async def test_nothing_of_a_deleted_run_is_left_and_others_are_as_they_were(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, "three_ways") as me:
        kept = await me.asks_and_waits()
        gone = await me.asks_and_waits("Make the failing test pass. canary-prompt")
        await me.app.delete(gone.id)
        with pytest.raises(NotFound):
            await me.app.get(gone.id)
        with pytest.raises(NotFound):
            await me.app.delete(gone.id)
        assert [run.id for run in (await me.app.list()).runs] == [kept.id]
        assert await me.app.patch(kept.id, 1)
        assert len(await me.hears(kept.id)) > 3
    with sqlite3.connect(home / "state" / "aideator.db") as database:
        dump = "\n".join(database.iterdump())
    assert gone.id not in dump
    assert "canary-prompt" not in dump
    assert gone.id not in str(await asyncio.to_thread(lambda: [*home.rglob("*")]))


@pytest.mark.slow
async def test_a_run_at_work_is_not_deleted(home: Path, repo: Path) -> None:
    async with user(home, repo, "slow") as me:
        run = await me.asks()
        with pytest.raises(Conflict, match="only a run that has ended") as caught:
            await me.app.delete(run.id)
        assert "aideator cancel" in caught.value.hint
        await me.app.cancel(run.id)
        await me.waits(run.id)
        await me.app.delete(run.id)
