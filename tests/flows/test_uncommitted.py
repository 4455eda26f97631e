"""What is in the user's folder but in no commit: told, taken along, or let be seen."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from aideator.app import Aideator
from aideator.domain.errors import InvalidInput, RepositoryError
from aideator.domain.run import PublishRequest, RunStatus
from aideator.publishing.publish import publish_winner
from aideator.repositories.uncommitted import (
    commit_uncommitted,
    find_ignored_to_include,
    find_uncommitted,
)
from aideator.testing import scripted_model
from tests.actions import command, server, user
from tests.conftest import git

LOOK = {"bash": {"command": "cat calc.py new.py .env 2>&1 | tee seen.txt"}}
LOOKS: dict[str, Any] = {
    "lanes": {"default": [{"calls": [LOOK]}, {"say": "Done."}]},
}


def make_dirty(repo: Path) -> None:
    """Change a file, stage another, add a third, remove a fourth, ignore a fifth."""
    (repo / "gone.py").write_text("gone\n")
    (repo / ".gitignore").write_text(".env\nnode_modules/\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "More files")
    (repo / "calc.py").write_text("def add(a, b):\n    return b + a\n")
    (repo / "staged.py").write_text("staged = True\n")
    git(repo, "add", "staged.py")
    (repo / "new.py").write_text("new = True\n")
    (repo / "gone.py").unlink()
    (repo / ".env").write_text("TOKEN=swordfish\n")
    (repo / "node_modules").mkdir()
    (repo / "node_modules" / "x.js").write_text("1\n")


def state_of(repo: Path) -> dict[str, bytes]:
    """Return every byte of a repository and its working tree."""
    return {
        str(path.relative_to(repo)): path.read_bytes()
        for path in sorted(repo.rglob("*"))
        if path.is_file()
    }


async def test_a_snapshot_has_the_files_as_they_are_and_changes_nothing(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    before = state_of(repo)
    found = await find_uncommitted(repo)
    assert found is not None
    assert (found.changed, found.untracked) == (3, 1)
    assert found.describe() == "3 changed files and 1 untracked file"
    shas = []
    for _ in range(2):
        async with commit_uncommitted(repo) as snapshot:
            shas.append(snapshot.sha)
            more = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(snapshot.objects)}
            listed = await asyncio.create_subprocess_exec(
                *("git", "ls-tree", "-r", "--name-only", snapshot.sha),
                cwd=repo,
                env={**os.environ, **more},
                stdout=asyncio.subprocess.PIPE,
            )
            names = (await listed.communicate())[0].decode().split()
    assert shas[0] == shas[1]
    assert names == [".gitignore", "calc.py", "new.py", "staged.py", "test_calc.py"]
    assert state_of(repo) == before


async def test_a_clean_tree_is_its_own_commit(repo: Path) -> None:
    assert await find_uncommitted(repo) is None
    async with commit_uncommitted(repo) as snapshot:
        assert snapshot.sha == git(repo, "rev-parse", "HEAD")


@pytest.mark.parametrize("setting", ["clean", "process"])
async def test_no_program_of_the_repositorys_configuration_runs(
    home: Path, repo: Path, setting: str
) -> None:
    trap = home / "trap"
    touch = f"touch {trap}; cat"
    git(repo, "config", f"filter.evil.{setting}", touch)
    git(repo, "config", "filter.evil.required", "true")
    git(repo, "config", "core.fsmonitor", touch)
    git(repo, "config", "core.worktree", "/etc")
    (repo / ".git" / "hooks").mkdir(exist_ok=True)
    for name in ("post-index-change", "reference-transaction", "pre-commit"):
        hook = repo / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{touch}\n")
        hook.chmod(0o755)
    (repo / ".gitattributes").write_text("* filter=evil\n")
    (repo / "calc.py").write_text("changed = 1\n")
    (repo / ".worktreeinclude").write_text(".env\n")
    await find_uncommitted(repo)
    await find_ignored_to_include(repo)
    async with commit_uncommitted(repo):
        pass
    assert not trap.exists()


async def test_an_unfinished_merge_is_refused(repo: Path) -> None:
    git(repo, "switch", "-qc", "other")
    (repo / "calc.py").write_text("other\n")
    git(repo, "commit", "-qam", "Other")
    git(repo, "switch", "-q", "main")
    (repo / "calc.py").write_text("main\n")
    git(repo, "commit", "-qam", "Main")
    with pytest.raises(Exception, match="merge"):
        git(repo, "merge", "-q", "other")
    with pytest.raises(RepositoryError, match=r"1 files are in conflict: calc\.py"):
        async with commit_uncommitted(repo):
            pass


async def test_split_and_sparse_indexes_and_worktrees_are_read(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    git(repo, "update-index", "--split-index")
    async with commit_uncommitted(repo) as snapshot:
        first = snapshot.sha
    assert first != git(repo, "rev-parse", "HEAD")
    git(repo, "worktree", "add", "-q", str(home / "tree"))
    git(home / "tree", "sparse-checkout", "set", "--no-cone", "/calc.py")
    assert not (home / "tree" / "test_calc.py").exists()
    assert await find_uncommitted(home / "tree") is None
    (home / "tree" / "calc.py").write_text("1\n")
    found = await find_uncommitted(home / "tree")
    assert found is not None
    assert found.describe() == "1 changed file"


async def test_a_run_begins_with_what_is_uncommitted_and_its_change_goes_to_the_files(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    async with user(home, repo, LOOKS) as me:
        done = await me.asks_and_waits(include_uncommitted=True, checks=[])
        without = await me.asks_and_waits(checks=[])
        patch = (await me.app.patch(done.id, 1)).decode()
        plain = (await me.app.patch(without.id, 1)).decode()
    assert done.status is RunStatus.FINISHED, done.failure
    assert "+    return b + a" in patch
    assert "+new = True" in patch
    assert "swordfish" not in patch
    assert "+    return a - b" in plain
    before = git(repo, "status", "--porcelain")
    applied = command("apply", done.id, "1", home=home, cwd=repo)
    assert applied.returncode == 0, applied.stderr
    assert "nothing is committed" in applied.stdout
    assert git(repo, "status", "--porcelain") == before + "\n?? seen.txt"
    assert git(repo, "branch", "--list", "aideator/*") == ""
    again = command("apply", done.id, "1", home=home, cwd=repo)
    assert again.returncode == 1
    assert "does not fit the files" in again.stderr
    branch = command("apply", done.id, "1", "--branch-only", home=home, cwd=repo)
    assert "no branch of yours" in branch.stderr


async def test_sandboxes_see_the_ignored_files_and_no_change_or_cache_has_them(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    (repo / ".worktreeinclude").write_text(".env\n*.py\n")
    write = {"bash": {"command": "cat .env | tr a-z A-Z > up.txt; echo MORE >> .env"}}
    check = "test -s .env"
    scenario = {"lanes": {"default": [{"calls": [write]}, {"say": "Done."}]}}
    async with user(home, repo, scenario) as me:
        found = await me.app.inspect(str(repo), local=True, own=True)
        assert found.ignored == (".env",)
        done = await me.asks_and_waits(
            include_ignored=[".env"],
            checks=[{"command": check, "kind": "lint"}],
            setup=[{"command": "! test -e .env"}],
        )
        patch = (await me.app.patch(done.id, 1)).decode()
    assert done.status is RunStatus.FINISHED, done.failure
    assert "+TOKEN=SWORDFISH" in patch  # what an agent itself copies is its change
    assert ".env" not in patch
    verdict = done.variations[0].verdict
    assert verdict is not None
    assert verdict.checks[0].change == "still_passing"
    assert any("sandboxes see ignored files" in note for note in verdict.notes)
    left = [
        path
        for path in (home / "state").rglob("*")
        if path.is_file() and b"swordfish" in path.read_bytes()
    ]
    assert left == []


async def test_only_named_and_ignored_files_are_let_in(home: Path, repo: Path) -> None:
    make_dirty(repo)
    (repo / ".gitignore").write_text(".env\nsecret\n")
    (repo / "secret").symlink_to("/etc/passwd")
    (repo / ".worktreeinclude").write_text(".env\nsecret\nnew.py\n")
    assert await find_ignored_to_include(repo) == (".env",)
    async with user(home, repo, LOOKS) as me:
        for name in ("new.py", "secret", "calc.py"):
            done = await me.asks_and_waits(include_ignored=[name])
            assert done.failure is not None
            assert f"{name} is not an ignored file" in done.failure.message
    (repo / ".worktreeinclude").unlink()
    (repo / ".worktreeinclude").symlink_to(repo / ".gitignore")
    assert await find_ignored_to_include(repo) == ()


async def test_only_the_own_user_may_take_along_what_is_in_no_commit(
    home: Path, repo: Path
) -> None:
    async with user(home, repo, LOOKS) as me:
        app: Aideator = me.app
        for options in ({"include_uncommitted": True}, {"include_ignored": [".env"]}):
            spec = {"repo_url": str(repo), "prompt": "Make it work, please", **options}
            run = type((await me.asks(checks=[])).spec).model_validate(spec)
            with pytest.raises(InvalidInput, match="only the user who runs"):
                await app.submit(run, local=True)
        with pytest.raises(InvalidInput, match="belongs to HEAD"):
            await me.asks(include_uncommitted=True, ref="main")


async def test_the_command_says_what_is_not_in_the_run(home: Path, repo: Path) -> None:
    make_dirty(repo)
    (repo / ".worktreeinclude").write_text(".env\n")
    words = "3 changed files and 2 untracked files are in no commit and not in the run"
    told = await asyncio.to_thread(command, "inspect", str(repo), home=home)
    assert words in " ".join(told.stdout.split())
    assert ".env" in told.stdout
    async with scripted_model(LOOKS) as model:
        env = {"ANTHROPIC_BASE_URL": model.url}
        asked = ("run", str(repo), "Look at the files", "-n", "1", "--no-checks")
        plain, whole = [
            await asyncio.to_thread(command, *asked, *more, home=home, env=env)
            for more in ((), ("--include-uncommitted", "--include-ignored"))
        ]
    assert words in plain.stderr
    assert "sandboxes do not see .env" in plain.stderr
    assert "in no commit" not in whole.stderr
    assert "sandboxes see ignored files of yours: .env" in " ".join(
        whole.stdout.split()
    )


async def test_over_http_the_own_user_is_told_and_may_take_them_along(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    async with (
        scripted_model(LOOKS) as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        asked = {"repo_url": str(repo)}
        found = await client.post("/repositories/inspect", json=asked)
        assert found.json()["uncommitted"] == {"changed": 3, "untracked": 1}
        spec = {**asked, "prompt": "Look at the files", "include_uncommitted": True}
        answer = await client.post("/runs", json=spec)
        assert answer.status_code == 202, answer.text


async def test_publishing_makes_a_branch_with_both_commits(
    home: Path, repo: Path
) -> None:
    make_dirty(repo)
    async with user(home, repo, LOOKS) as me:
        done = await me.asks_and_waits(include_uncommitted=True, checks=[])
        await me.app.select(done.id, 1)
        made = await publish_winner(me.app, done.id, PublishRequest(draft=True))
    assert "nothing to draft" in made.note
    subjects = git(repo, "log", "--format=%s", f"main..{made.branch}").splitlines()
    assert subjects[1] == "Uncommitted changes"
    assert len(subjects) == 2
    assert git(repo, "show", f"{made.branch}:new.py") == "new = True"
