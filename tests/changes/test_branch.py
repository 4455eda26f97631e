"""`aideator apply`: a change becomes a branch of the user's own checkout."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from aideator.changes.branch import Applied, apply_to_checkout
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
    assert made == Applied(made.commit, left="main")
    assert git(repo, "log", "-1", "--format=%H|%P|%an|%ae|%cn|%s|%b|%D", "HEAD") == (
        f"{made.commit}|{base}|Ann Other|ann@example.org|Ann Other|Add, at last|Body\n|"
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
    made = await apply_to_checkout(
        repo, base=base, patch=evil.encode(), branch="fix", message="m"
    )
    assert not (home / "fired").exists()
    assert made.hooks == ("pre-commit", "post-checkout", "reference-transaction")
    git(repo, "switch", "-q", "main")
    assert (home / "fired").exists(), "the hooks are real"


async def apply_fix(repo: Path, patch: bytes, **options: bool) -> Applied:
    return await apply_to_checkout(
        repo, base="HEAD", patch=patch, branch="fix", message="m", **options
    )


async def test_the_same_change_again_changes_nothing(repo: Path, patch: bytes) -> None:
    base = git(repo, "rev-parse", "HEAD")
    first = await apply_fix(repo, patch)
    (repo / "calc.py").write_text("# more\n")
    before = state(repo)

    async def again(*, switch: bool = True) -> Applied:
        return await apply_to_checkout(
            repo, base=base, patch=patch, branch="fix", message="x", switch=switch
        )

    assert await again() == Applied(first.commit, is_new=False)
    assert state(repo) == before
    git(repo, "commit", "-q", "-a", "-m", "work went on")
    assert await again() == Applied(first.commit, is_new=False)
    git(repo, "switch", "-q", "main")
    assert await again(switch=False) == Applied(first.commit, is_new=False)
    assert await again() == Applied(first.commit, is_new=False, left="main")
    assert git(repo, "branch", "--show-current") == "fix"
    with pytest.raises(Conflict, match="exists already, with another change"):
        await apply_to_checkout(
            repo,
            base=base,
            patch=patch.replace(b"a + b", b"b + a"),
            branch="fix",
            message="m",
        )


async def test_head_and_a_dirty_tree_stay_as_they_are_if_only_the_branch_is_asked_for(
    repo: Path, patch: bytes
) -> None:
    (repo / "calc.py").write_text("mine\n")
    (repo / "data.bin").write_text("mine")
    git(repo, "add", "data.bin")
    before = git(repo, "status", "--porcelain", "-b"), git(repo, "diff", "HEAD")
    made = await apply_fix(repo, patch, switch=False)
    assert made == Applied(git(repo, "rev-parse", "fix"))
    assert (git(repo, "status", "--porcelain", "-b"), git(repo, "diff", "HEAD")) == (
        before
    )
    assert "a + b" in git(repo, "show", "fix:calc.py")


async def test_a_detached_head_can_be_found_again(repo: Path, patch: bytes) -> None:
    git(repo, "switch", "-q", "--detach")
    left = git(repo, "rev-parse", "--short=12", "HEAD")
    made = await apply_fix(repo, patch)
    assert (made.left, made.was_detached) == (left, True)


@pytest.mark.parametrize("where", ["global", "local"])
async def test_the_commit_is_signed_by_ssh_where_git_signs(
    repo: Path, home: Path, patch: bytes, where: str
) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    key = home / "key"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    await asyncio.to_thread(subprocess.run, command, check=True)
    scope = (
        ("--file", str(home / "user.gitconfig")) if where == "global" else ("--local",)
    )
    git(repo, "config", *scope, "gpg.format", "ssh")
    git(repo, "config", *scope, "user.signingkey", f"{key}.pub")
    git(repo, "config", *scope, "commit.gpgsign", "yes")
    made = await apply_fix(repo, patch)
    assert made.signed
    assert "BEGIN SSH SIGNATURE" in git(repo, "cat-file", "commit", "fix")


async def test_the_commit_is_signed_by_gpg_where_git_signs(
    repo: Path, home: Path, patch: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("gpg") is None:
        pytest.skip("gpg is not installed")
    (home / "gpg").mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home / "gpg"))
    made_key = ["--passphrase", "", "--quick-gen-key", "Ann Other <ann@example.org>"]
    command = ["gpg", "--batch", "-q", *made_key]
    await asyncio.to_thread(subprocess.run, command, check=True)
    git(repo, "config", "commit.gpgsign", "true")
    try:
        made = await apply_fix(repo, patch)
    finally:
        await asyncio.to_thread(
            subprocess.run, ["gpgconf", "--kill", "all"], check=False
        )
    assert made.signed
    assert "BEGIN PGP SIGNATURE" in git(repo, "cat-file", "commit", "fix")


async def test_a_key_that_is_missing_leaves_everything_as_it_was(
    repo: Path, home: Path, patch: bytes
) -> None:
    git(repo, "config", "gpg.format", "ssh")
    git(repo, "config", "user.signingkey", str(home / "nowhere.pub"))
    git(repo, "config", "commit.gpgsign", "true")
    before = state(repo)
    with pytest.raises(Conflict, match="cannot be signed: ") as error:
        await apply_fix(repo, patch)
    assert "commit.gpgSign" in error.value.hint
    assert state(repo) == before


async def test_a_sample_is_no_hook(repo: Path, patch: bytes) -> None:
    hooks = repo / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit.sample", "commit-msg", "pre-push"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    (hooks / "pre-commit").write_text("not executable")
    assert (await apply_fix(repo, patch)).hooks == ("commit-msg",)
