"""What the command line does with a run: continue, decide, publish, archive it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Protocol

import pytest

from aideator.cli.commands.continue_run import parse_part
from aideator.cli.follow import paced
from aideator.domain.errors import InvalidInput
from aideator.domain.run import ComposedPart
from aideator.eventlog.base import Entry
from aideator.testing import scripted_model
from tests.actions import PROMPT, command, server
from tests.cli.conftest import NO_MODEL, FinishedRun
from tests.cli.processes import Done, aideator, run_id_in
from tests.conftest import git


class Does(Protocol):
    """Runs a command, which ends with a certain exit code."""

    def __call__(self, *arguments: str, code: int = 0) -> Awaitable[Done]: ...


@pytest.mark.slow
async def test_a_run_is_taken_on_composed_decided_published_and_kept(
    home: Path, repo: Path
) -> None:
    async with scripted_model("three_ways") as model, server(home, model.url):

        async def does(*arguments: str, code: int = 0) -> Done:
            done = await aideator(*arguments, home=home, model=model.url)
            assert done.returncode == code, (arguments, done.stdout, done.stderr)
            return done

        run = run_id_in((await does("run", str(repo), PROMPT, "-n", "1")).stdout)
        added = await does("add", run, "--instructions", "Use sum().")
        assert "[2] another agent: builtin" in added.stdout
        composed = await does("compose", run, "2:calc.py#0")
        assert "[3] composed from 2" in composed.stdout
        refused = await does("compose", run, "1:calc.py#0", "2:calc.py#0", code=1)
        assert "change the same place" in refused.stderr
        assert "next: take one of the two" in refused.stderr

        await does("select", run, "1", "--reason", "shorter")
        undone = await does("undo", run)
        assert "(finished) has no winner now" in undone.stdout
        selected = await does("select", run, "3", "--json")
        assert json.loads(selected.stdout)["winner"] == 3
        await publishes_once(does, run, repo)
        await counts_one_decision(does)


async def publishes_once(does: Does, run: str, repo: Path) -> None:
    """Publish a decided run of a local repository, again, and try to undo it."""
    published = await does(
        "publish", run, "--branch", "sum", "--title", "Add with sum()"
    )
    assert published.stdout.startswith("Branch aideator/sum of ")
    assert git(repo, "log", "-1", "--format=%s", "aideator/sum") == "Add with sum()"
    again = json.loads((await does("publish", run, "--json")).stdout)
    assert again["commit"] == git(repo, "rev-parse", "aideator/sum")
    undone = await does("undo", run, code=1)
    assert "was published as aideator/sum" in undone.stderr


async def counts_one_decision(does: Does) -> None:
    """Read the statistics after one decision for a composed variation."""
    counted = json.loads((await does("stats", "--json")).stdout)
    assert (counted["runs"], counted["decided"], counted["published"]) == (1, 1, 1)
    wins = [
        (tally["name"], tally["wins"]["count"], tally["wins"]["of"])
        for tally in counted["agents"]
    ]
    assert wins == [("composed", 1, 1), ("builtin", 0, 2)]
    assert "95 % interval" in (await does("stats")).stdout


@pytest.mark.slow
async def test_a_run_is_the_same_on_another_instance(
    home: Path, finished_run: FinishedRun
) -> None:
    run, origin, file = finished_run.id, finished_run.home, home / "run.zip"
    exported = await aideator("export", run, "-o", str(file), home=origin)
    assert exported.returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600, "for this user only"
    kept = await aideator("export", run, "-o", str(file), home=origin)
    assert (kept.returncode, "cannot be written" in kept.stderr) == (2, True)
    async with server(home, NO_MODEL):
        imported = await aideator("import", str(file), home=home)
        assert imported.returncode == 0, imported.stderr
        for what in (["show", run], ["diff", run, "2"], ["watch", run, "--json"]):
            original = await aideator(*what, home=origin)
            copy = await aideator(*what, home=home)
            assert original.stdout == copy.stdout != ""
        paced = ("watch", run, "--json", "--speed", "10000")
        assert (await aideator(*paced, home=home)).stdout == original.stdout


@pytest.mark.slow
async def test_the_same_verbs_reach_a_server(home: Path, repo: Path) -> None:
    async with scripted_model("follow_up") as model, server(home, model.url) as running:

        async def does(*arguments: str) -> str:
            done = await aideator(
                *arguments, "--server", running.url, home=home / "client", cwd=home
            )
            assert done.returncode == 0, (arguments, done.stderr)
            return done.stdout

        (home / "client").mkdir()
        run = run_id_in(await does("run", str(repo), PROMPT, "-n", "1"))
        await does("prompt", run, "all", "Now subtract as well, please")
        assert "def subtract" in await does("diff", run, "1")
        await does("add", run)
        await does("compose", run, "1:calc.py")
        await does("select", run, "3")
        assert json.loads(await does("publish", run, "--json"))["branch"].startswith(
            f"aideator/{run[-8:]}-make-the"
        )
        await does("export", run, "-o", "run.zip")
        assert json.loads(await does("import", "run.zip", "--json"))["id"] == run
        assert json.loads(await does("stats", "--json"))["decided"] == 1


def test_a_part_as_it_is_typed() -> None:
    assert parse_part("1:a.py") == ComposedPart(variation_id=1, path="a.py")
    assert parse_part("12:dir/a#b.py#0,2") == ComposedPart(
        variation_id=12, path="dir/a#b.py", hunks=(0, 2)
    )
    assert parse_part("1:c#") == ComposedPart(variation_id=1, path="c#")
    for text in ("a.py", "1:", ":a.py", "0:a.py", "999:a.py"):
        with pytest.raises(InvalidInput):
            parse_part(text)


@pytest.mark.parametrize("file", [b"no archive", b""])
def test_a_file_that_is_no_run_is_wrong_input(home: Path, file: bytes) -> None:
    (home / "run.zip").write_bytes(file)
    done = command("import", "run.zip", home=home)
    assert done.returncode == 2
    assert "error: the file cannot be imported" in done.stderr
    assert "next: export the run again with `aideator export`" in done.stderr


def test_a_file_that_is_not_there_is_wrong_input(home: Path) -> None:
    assert command("import", "nowhere.zip", home=home).returncode == 2


def test_a_variation_is_a_number_or_all(home: Path) -> None:
    done = command("prompt", "3f2a91c0", "both", "Now subtract as well", home=home)
    assert done.returncode == 2
    assert "a number, or all" in done.stderr


async def test_a_replay_keeps_the_pauses_at_its_speed() -> None:
    """By the loop's clock, no pause is shorter than it was, divided by the speed."""
    moments = (
        "2026-11-25T10:00:00Z",
        "2026-11-25T10:00:01.500000Z",
        "2026-11-25T10:00:01.500000Z",
    )
    entries = [
        Entry(n, "usage", json.dumps({"at": at}).encode())
        for n, at in enumerate(moments, 1)
    ]

    async def batches() -> AsyncGenerator[list[Entry]]:
        yield entries

    loop = asyncio.get_running_loop()
    seen = [(batch[0].seq, loop.time()) async for batch in paced(batches(), 10)]
    assert [seq for seq, _ in seen] == [1, 2, 3]
    assert seen[1][1] - seen[0][1] >= 0.15
