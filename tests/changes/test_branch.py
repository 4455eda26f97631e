"""`aideator apply`: a change becomes a branch of the user's own checkout."""

import subprocess
from pathlib import Path

import pytest

from aideator.changes.branch import apply_to_checkout
from aideator.domain.errors import Conflict, PatchRejected, RepositoryError
from tests.conftest import git


@pytest.fixture(autouse=True)
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = home / "user.gitconfig"
    config.write_text("[user]\n\tname = Ann Other\n\temail = ann@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))


@pytest.fixture
def patch(repo: Path) -> bytes:
    (repo / "calc.py").write_text(
        (repo / "calc.py").read_text().replace("a - b", "a + b")
    )
    (repo / "data.bin").write_bytes(b"\0\xff")
    git(repo, "add", "-A")
    # The last line of a binary patch is empty, and counts.
    made = subprocess.run(
        ["git", "diff", "--cached", "--binary"],
        cwd=repo,
        check=True,
        capture_output=True,
    ).stdout
    git(repo, "reset", "-q", "--hard")
    return made


def state(repo: Path) -> tuple[str, str, str]:
    return (
        git(repo, "status", "--porcelain", "-b"),
        git(repo, "for-each-ref"),
        git(repo, "diff", "HEAD"),
    )


async def test_the_change_is_a_commit_of_the_user_on_a_new_branch_of_the_base(
    repo: Path, patch: bytes
) -> None:
    base = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "-q", "--allow-empty", "-m", "work went on")
    (repo / "untracked.txt").write_text("mine")
    made = await apply_to_checkout(
        repo, base=base, patch=patch, branch="fix/add", message="Add, at last\n\nBody\n"
    )
    assert git(repo, "log", "-1", "--format=%H|%P|%an|%ae|%cn|%s|%b|%D", "HEAD") == (
        f"{made}|{base}|Ann Other|ann@example.org|Ann Other|Add, at last|Body\n|"
        "HEAD -> fix/add"
    )
    assert "a + b" in (repo / "calc.py").read_text()
    assert (repo / "data.bin").read_bytes() == b"\0\xff"
    assert git(repo, "status", "--porcelain") == "?? untracked.txt"


async def test_it_works_from_a_folder_below_the_root(repo: Path, patch: bytes) -> None:
    (repo / "sub").mkdir()
    await apply_to_checkout(
        repo / "sub", base="HEAD", patch=patch, branch="fix", message="m"
    )
    assert "a + b" in (repo / "calc.py").read_text()


async def test_a_dirty_tree_is_refused(repo: Path, patch: bytes) -> None:
    (repo / "calc.py").write_text("mine\n")
    before = state(repo)
    with pytest.raises(Conflict, match="uncommitted changes"):
        await apply_to_checkout(
            repo, base="HEAD", patch=patch, branch="fix", message="m"
        )
    assert state(repo) == before


async def test_an_existing_branch_is_refused(repo: Path, patch: bytes) -> None:
    before = state(repo)
    with pytest.raises(Conflict, match="branch main exists already"):
        await apply_to_checkout(
            repo, base="HEAD", patch=patch, branch="main", message="m"
        )
    assert state(repo) == before


async def test_a_checkout_without_the_base_commit_is_refused(
    repo: Path, patch: bytes
) -> None:
    with pytest.raises(
        Conflict, match="does not have the commit 111111111111"
    ) as error:
        await apply_to_checkout(
            repo, base="1" * 40, patch=patch, branch="fix", message="m"
        )
    assert "git fetch" in error.value.hint


async def test_a_patch_that_does_not_fit_leaves_everything_as_it_was(
    repo: Path, patch: bytes
) -> None:
    before = state(repo)
    with pytest.raises(PatchRejected, match="does not apply"):
        await apply_to_checkout(
            repo,
            base="HEAD",
            patch=patch.replace(b"a - b", b"x"),
            branch="fix",
            message="m",
        )
    assert state(repo) == before


async def test_an_untracked_file_in_the_way_leaves_everything_as_it_was(
    repo: Path, patch: bytes
) -> None:
    (repo / "data.bin").write_text("mine")
    before = state(repo)
    with pytest.raises(RepositoryError, match="git switch failed"):
        await apply_to_checkout(
            repo, base="HEAD", patch=patch, branch="fix", message="m"
        )
    assert state(repo) == before
    assert (repo / "data.bin").read_text() == "mine"


@pytest.mark.parametrize(
    "branch", ["-d", "a..b", "a b", "@{-1}", "refs/../x", "x.lock", ""]
)
async def test_a_bad_branch_name_is_refused(
    repo: Path, patch: bytes, branch: str
) -> None:
    before = state(repo)
    with pytest.raises(RepositoryError):
        await apply_to_checkout(
            repo, base="HEAD", patch=patch, branch=branch, message="m"
        )
    assert state(repo) == before


async def test_a_folder_that_is_no_repository_is_refused(
    home: Path, patch: bytes
) -> None:
    with pytest.raises(RepositoryError, match="not a git repository"):
        await apply_to_checkout(
            home, base="HEAD", patch=patch, branch="fix", message="m"
        )


async def test_no_hook_of_the_tree_runs(repo: Path, home: Path) -> None:
    hook = f"#!/bin/sh\ntouch {home}/fired\n"
    (repo / "hooks").mkdir()
    for name in (
        "post-checkout",
        "reference-transaction",
        "pre-commit",
        "post-index-change",
    ):
        (repo / "hooks" / name).write_text(hook)
        (repo / "hooks" / name).chmod(0o755)
    git(repo, "add", "-A")
    evil = git(repo, "diff", "--cached", "--binary", "HEAD") + "\n"
    git(repo, "commit", "-q", "-m", "hooks")
    git(repo, "config", "core.hooksPath", "hooks")
    base = git(repo, "rev-parse", "HEAD~1")
    await apply_to_checkout(
        repo, base=base, patch=evil.encode(), branch="fix", message="m"
    )
    assert not (home / "fired").exists()
    git(repo, "switch", "-q", "main")
    assert (home / "fired").exists(), "the hooks are real"
