"""A finished run for all tests that only look at one, and copies for the others.

A run takes several seconds, and so does the start of a server, which a command without
one pays. A copy of a state directory takes none.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from aideator.testing import scripted_model
from tests.actions import PROMPT, server
from tests.cli.processes import Done, aideator, run_id_in
from tests.conftest import make_home, make_repo

NO_MODEL = "http://127.0.0.1:9"


@dataclass(frozen=True)
class FinishedRun:
    """A run of two variations that was started from the command line."""

    home: Path
    """A server works here."""
    repo: Path
    stored: Path
    """A directory with `state` and `user-repo`, where no server works."""
    ran: Done
    """What `aideator run` has printed, 80 columns wide."""
    id: str

    @property
    def part(self) -> str:
        """The end of its id, which names it."""
        return self.id[-8:]


@pytest.fixture(scope="session")
async def finished_run() -> AsyncIterator[FinishedRun]:
    """A finished run. Do not change it: other tests look at it too."""
    stored = make_home()
    repo = make_repo(stored)
    async with scripted_model("three_ways") as model:
        ran = await aideator(
            *("run", str(repo), PROMPT, "-n", "2"),
            home=stored,
            model=model.url,
            env={"COLUMNS": "80"},
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    home = make_home()
    shutil.copytree(stored / "state", home / "state")
    async with server(home, NO_MODEL):
        yield FinishedRun(home, repo, stored, ran, run_id_in(ran.stdout))
    for path in (home, stored):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def own_finished_run(
    home: Path, finished_run: FinishedRun
) -> AsyncIterator[FinishedRun]:
    """A copy of the finished run, of its repository and a server, for one test."""
    repo = home / "user-repo"
    shutil.copytree(finished_run.stored / "state", home / "state")
    shutil.copytree(finished_run.repo, repo)
    async with server(home, NO_MODEL):
        yield replace(finished_run, home=home, repo=repo)
