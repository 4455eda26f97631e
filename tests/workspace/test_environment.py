"""Environments: made once for a commit and its set-up, read-only, and seen in no change."""

from pathlib import Path

import pytest

from aideator.domain.check import CheckResult, Command
from aideator.sandbox.base import Limits
from aideator.sandbox.registry import open_backend
from aideator.workspace.cache import RepositoryCache
from aideator.workspace.checkout import Checkout
from aideator.workspace.environment import Workshop, furnish
from aideator.workspace.fork import fork
from aideator.workspace.patch import extract
from aideator.workspace.source import SourcePolicy


@pytest.fixture
def workshop(home: Path) -> Workshop:
    return Workshop(home, home / "run", open_backend("auto", runtime_dir=home / "run"), Limits(cpus=2))


@pytest.fixture
async def checkout(home: Path, repo: Path) -> Checkout:
    cache = RepositoryCache(home, policy=SourcePolicy(frozenset(), allow_local=True))
    return await cache.checkout(await cache.resolve(str(repo)))


class Told(list[tuple[CheckResult, bool]]):
    async def __call__(self, result: CheckResult, cached: bool) -> None:
        self.append((result, cached))


async def test_what_set_up_makes_is_there_for_everybody_and_in_no_patch(workshop: Workshop, checkout: Checkout) -> None:
    told = Told()
    setup = [
        Command(command="mkdir lib && echo made > lib/made"),
        Command(command="echo more >> calc.py; cat lib/made"),
    ]
    made = await furnish(workshop, checkout, setup, told)
    assert [(result.check, result.exit_code, result.output, cached) for result, cached in told] == [
        (setup[0].command, 0, "", False),
        (setup[1].command, 0, "made\n", False),
    ]
    async with fork(made, workshop.home, "one") as forked:
        async with workshop.backend.open(forked.tree, Limits()) as sandbox:
            seen = await sandbox.exec(["sh", "-c", "cat lib/made; git status --porcelain; echo $CARGO_HOME; ls -A"])
            assert seen.stdout.decode().split() == [
                "made",
                "/workspace/.aideator/cargo",
                ".aideator",
                ".git",
                "calc.py",
                "lib",
                "test_calc.py",
            ]
            await sandbox.exec(["sh", "-c", "echo x >> calc.py; echo x >> lib/made"])
        patch = await extract(forked, workshop.backend, limits=Limits())
    assert patch.paths == ("calc.py",)
    assert b"more" not in patch.data
    assert patch.notes == ("lib was made by set-up; its change is left out of the patch",)
