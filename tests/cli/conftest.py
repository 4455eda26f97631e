"""A finished run for all tests that only look at one, and copies for the others.

A run takes several seconds; a copy of its state directory takes none.
"""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from aideator.testing import scripted_model
from tests.actions import PROMPT
from tests.cli.processes import Done, aideator, run_id_in
from tests.conftest import make_home, make_repo


@dataclass(frozen=True)
class FinishedRun:
    """A run of two variations that was started from the command line."""

    home: Path
    repo: Path
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
    home = make_home()
    repo = make_repo(home)
    async with scripted_model("three_ways") as model:
        ran = await aideator(
            *("run", str(repo), PROMPT, "-n", "2"),
            home=home,
            model=model.url,
            env={"COLUMNS": "80"},
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    yield FinishedRun(home, repo, ran, run_id_in(ran.stdout))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def own_finished_run(home: Path, finished_run: FinishedRun) -> FinishedRun:
    """A copy of the finished run, and of its repository, for one test."""
    state, repo = home / "state", home / "user-repo"
    shutil.copytree(finished_run.home / "state", state)
    shutil.copytree(finished_run.repo, repo)
    return replace(finished_run, home=home, repo=repo)
