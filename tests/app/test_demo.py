"""The demo's children get nothing of the server's environment but what they need."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aideator.app.demo import Demo, make_project, scripted_model
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.source import SourcePolicy
from tests.conftest import git

LOCAL = SourcePolicy(frozenset(), allow_local=True)


def environments() -> list[dict[str, str]]:
    """Return the environment of each process that this one has started."""
    children = Path("/proc/self/task")
    pids = [
        pid
        for task in children.iterdir()
        for pid in (task / "children").read_text().split()
    ]
    found = []
    for pid in pids:
        pairs = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
        found.append(dict(pair.split("=", 1) for pair in pairs if pair))
    return found


async def test_no_secret_of_the_server_reaches_the_scripted_model(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "ANTHROPIC_API_KEY",
        "GITHUB_TOKEN",
        "SETUP_CREDENTIALS",
        "LD_PRELOAD",
    ):
        monkeypatch.setenv(name, "" if name == "LD_PRELOAD" else "canary-of-this-test")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    async with scripted_model() as url:
        assert url.startswith("http://127.0.0.1:")
        (seen,) = [each for each in environments() if "PYTHONUNBUFFERED" in each]
    assert "canary" not in str(seen)
    assert seen["PATH"] == os.environ["PATH"]
    allowed = {"HOME", "PATH"}
    assert all(name in allowed or name.startswith("PYTHON") for name in seen)
    spec = await make_project(home / "project")
    assert spec.repo_url == str(home / "project")


async def test_the_demo_begins_anew_after_its_result_was_applied(home: Path) -> None:
    """`aideator apply` leaves HEAD on a branch where nothing is broken any more."""
    async with AsyncExitStack() as stack:
        demo = Demo(home, stack)
        first = await demo.spec()
        git(demo.project, "switch", "-q", "-c", "aideator/1")
        (demo.project / "reflow.py").write_text("# repaired\n")
        git(demo.project, "commit", "-qam", "Repair it")
        assert await demo.spec() == first
        cache = RepositoryCache(home, policy=LOCAL)
        commit = await cache.resolve(first.repo_url, first.ref)
    assert commit.sha == git(demo.project, "rev-parse", "main")
