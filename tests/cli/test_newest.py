"""Short ways: the newest run, completion, deletion, help, and a pager as git has it."""

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from aideator.cli.completion import complete_run_id
from tests.actions import command
from tests.cli.conftest import FinishedRun
from tests.cli.processes import aideator
from tests.conftest import PATIENCE


async def test_the_newest_run_needs_no_id(finished_run: FinishedRun) -> None:
    for word in ("@", "last"):
        shown = await aideator("show", word, "--json", home=finished_run.home)
        assert json.loads(shown.stdout)["id"] == finished_run.id


def test_without_a_run_the_newest_is_not_there(home: Path) -> None:
    done = command("show", "@", home=home)
    assert done.returncode == 1
    assert "there is no run yet" in done.stderr
    assert "aideator run" in done.stderr


async def test_a_shell_completes_ids_of_runs(
    finished_run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIDEATOR_HOME", str(finished_run.home / "state"))
    part = finished_run.part
    found = dict(complete_run_id(part[:3]))
    assert found[part].startswith("Make the failing test pass")
    assert complete_run_id("zz") == []
    monkeypatch.setenv("AIDEATOR_HOME", str(finished_run.home / "nowhere"))
    assert complete_run_id("") == []
    assert not (finished_run.home / "nowhere").exists()


async def test_a_run_is_deleted_by_its_user_and_over_http(
    own_finished_run: FinishedRun,
) -> None:
    home, part = own_finished_run.home, own_finished_run.part
    asked = await aideator("delete", part, home=home, input="")
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    gone = await aideator("delete", part, "--yes", home=home)
    assert (gone.returncode, gone.stdout) == (0, f"Run {part} was deleted.\n")
    again = await aideator("delete", part, "--yes", home=home)
    assert again.returncode == 1
    assert f"there is no run '{part}'" in again.stderr
    listed = await aideator("list", "--json", home=home)
    assert json.loads(listed.stdout) == []


def test_help_is_a_command_too(home: Path) -> None:
    assert "Usage: aideator [OPTIONS]" in command("help", home=home).stdout
    done = command("help", "key", "create", home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: aideator key create" in done.stdout
    wrong = command("help", "nosuch", home=home)
    assert wrong.returncode == 2
    assert "No such command" in wrong.stderr


def on_a_terminal(*arguments: str, home: Path, env: dict[str, str]) -> str:
    """Run a command with a terminal as its output, and return what that shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "aideator", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
            "TERM": "xterm",
            **env,
        },
    )
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], PATIENCE)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(PATIENCE) == 0, shown
    return shown.decode()


async def test_a_pager_shows_a_patch_on_a_terminal_alone(
    finished_run: FinishedRun,
) -> None:
    home, part = finished_run.home, finished_run.part
    paged = {"PAGER": "sed s/^/PAGED:/"}

    async def shows(*arguments: str, **env: str) -> str:
        return await asyncio.to_thread(on_a_terminal, *arguments, home=home, env=env)

    assert "PAGED:" in await shows("diff", part, **paged)
    shown = await shows("diff", part, **paged, GIT_PAGER="cat")
    assert "PAGED:" not in shown
    assert "calc.py" in shown
    assert "PAGED:" not in await shows("diff", part, "--no-pager", **paged)
    piped = await aideator("diff", part, home=home, env=paged)
    assert piped.stdout.startswith("diff --git")
