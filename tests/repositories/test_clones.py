"""Repositories as people have them: shallow, partial, with an old or odd history."""

import os
import subprocess
from pathlib import Path

import pytest

from aideator.domain.errors import RepositoryError
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.git import GitError
from aideator.repositories.source import SourcePolicy
from tests.conftest import git


@pytest.fixture
def cache(home: Path) -> RepositoryCache:
    policy = SourcePolicy(frozenset(), allow_local=True)
    return RepositoryCache(home, policy=policy)


@pytest.fixture
def origin(repo: Path) -> Path:
    """A repository with a history of three commits on `main`."""
    for number in (2, 3):
        (repo / "notes").write_text(f"{number}\n")
        git(repo, "add", ".")
        git(repo, "commit", "-q", "-m", f"Commit {number}")
    git(repo, "config", "uploadpack.allowFilter", "true")
    return repo


def clone(origin: Path, *options: str) -> Path:
    """Clone as from a server: a plain path would bring every object along."""
    copy = origin.with_name("copy")
    git(origin, "clone", "-q", *options, f"file://{origin}", str(copy))
    return copy


@pytest.mark.parametrize(
    ("ref", "same"),
    [
        ("HEAD~1", "HEAD~1"),
        ("main^", "HEAD~1"),
        ("main^0~1^1", "HEAD~2"),
        ("main~2", "HEAD~2"),
        ("refs/heads/main~2", "HEAD~2"),
    ],
)
async def test_a_commit_is_found_by_the_way_back_from_another(
    cache: RepositoryCache, origin: Path, ref: str, same: str
) -> None:
    assert (await cache.resolve(str(origin), ref)).sha == git(origin, "rev-parse", same)


@pytest.mark.parametrize(
    "steps", ["~99", "^2", "^{tree}", "@{1}", "~1..HEAD", ":calc.py"]
)
async def test_what_leads_to_no_commit_is_refused_as_it_was_written(
    cache: RepositoryCache, origin: Path, steps: str
) -> None:
    with pytest.raises(RepositoryError) as refused:
        await cache.resolve(str(origin), f"main{steps}")
    assert f"main{steps}" in str(refused.value)


@pytest.mark.parametrize("options", [["--depth=1"], ["--single-branch"], ["--no-tags"]])
async def test_a_clone_of_a_part_of_the_history_is_worked_on(
    cache: RepositoryCache, origin: Path, options: list[str]
) -> None:
    copy = clone(origin, *options)
    git(copy, "commit", "-q", "--allow-empty", "-m", "Work of one's own")
    commit = await cache.resolve(str(copy))
    assert commit.sha == git(copy, "rev-parse", "HEAD")
    checkout = await cache.checkout(commit)
    assert (checkout.path / "notes").read_text() == "3\n"


async def test_history_that_a_shallow_clone_gets_later_is_found(
    cache: RepositoryCache, origin: Path
) -> None:
    copy = clone(origin, "--depth=1")
    await cache.resolve(str(copy))
    with pytest.raises(RepositoryError, match="no commit HEAD~2") as missing:
        await cache.resolve(str(copy), "HEAD~2")
    assert "git fetch --unshallow" in missing.value.hint
    git(copy, "fetch", "-q", "--unshallow")
    found = await cache.resolve(str(copy), "HEAD~2")
    assert found.sha == git(origin, "rev-parse", "HEAD~2")
    assert (await cache.checkout(found)).path.exists()


@pytest.mark.parametrize("kind", ["blob:none", "tree:0", "blob:limit=1"])
async def test_what_a_partial_clone_lacks_is_fetched_from_its_origin(
    cache: RepositoryCache, origin: Path, kind: str
) -> None:
    copy = clone(origin, f"--filter={kind}", "--no-checkout")
    commit = await cache.resolve(str(copy))
    assert commit.source.url == str(copy)
    assert ((await cache.checkout(commit)).path / "notes").read_text() == "3\n"


async def test_another_users_partial_clone_leads_to_no_repository_of_this_user(
    cache: RepositoryCache, origin: Path
) -> None:
    copy = clone(origin, "--filter=blob:none", "--no-checkout")
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(copy, 12345, 12345)
    with pytest.raises(RepositoryError, match="it is a partial clone"):
        await cache.resolve(str(copy))


@pytest.mark.parametrize("kind", ["blob:none", "tree:0", "blob:limit=1"])
async def test_a_partial_clone_is_called_one_and_the_way_out_works(
    cache: RepositoryCache, origin: Path, kind: str
) -> None:
    copy = clone(origin, f"--filter={kind}", "--no-checkout")
    git(copy, "remote", "set-url", "origin", "file:///nowhere")
    with pytest.raises(RepositoryError, match="it is a partial clone") as refused:
        await cache.resolve(str(copy))
    assert f"`git -C {copy} fetch --refetch --no-filter`" in refused.value.hint
    git(copy, "remote", "set-url", "origin", f"file://{origin}")
    git(copy, "fetch", "-q", "--refetch", "--no-filter")
    git(copy, "remote", "set-url", "origin", "file:///nowhere")
    commit = await cache.resolve(str(copy))
    assert (await cache.checkout(commit)).path.exists()


AUTHORS = {
    "missingEmail": "A User 1100000000 +0000",
    "badName": "A <U> <u@example.org> 1100000000 +0000",
    "badDateOverflow": "A <u@example.org> 99999999999999999999 +0000",
    "badTimezone": "A <u@example.org> 1100000000 +51800",
    "zeroPaddedDate": "A <u@example.org> 01100000000 +0000",
}


def write_object(repo: Path, kind: str, content: bytes) -> str:
    """Store an object that git itself would not make."""
    command = ["git", "hash-object", "-t", kind, "--literally", "-w", "--stdin"]
    done = subprocess.run(
        command, cwd=repo, input=content, check=True, capture_output=True
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize("author", AUTHORS.values(), ids=AUTHORS.keys())
async def test_a_flaw_in_who_and_when_of_an_old_commit_is_no_harm(
    cache: RepositoryCache, repo: Path, author: str
) -> None:
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    commit = f"tree {tree}\nauthor {author}\ncommitter A <a@b.c> 1 +0000\n\nold\n"
    git(
        repo,
        "update-ref",
        "refs/heads/main",
        write_object(repo, "commit", commit.encode()),
    )
    found = await cache.resolve(str(repo))
    assert (await cache.checkout(found)).path.exists()


async def test_a_tree_that_leads_into_git_s_own_folder_is_refused_and_named(
    cache: RepositoryCache, repo: Path
) -> None:
    blob = git(repo, "rev-parse", "HEAD:calc.py")
    tree = write_object(repo, "tree", b"100644 .git\0" + bytes.fromhex(blob))
    commit = (
        f"tree {tree}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\n\nbad\n"
    )
    git(
        repo,
        "update-ref",
        "refs/heads/main",
        write_object(repo, "commit", commit.encode()),
    )
    with pytest.raises(RepositoryError, match="damaged or malicious") as refused:
        await cache.resolve(str(repo))
    assert tree in str(refused.value)
    assert "hasDotgit" in str(refused.value)


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        ("", "exit code 128"),
        ("one\ntwo\n", "two"),
        (
            "error: the flaw\nhint: x\nfatal: the end\n",
            "error: the flaw; fatal: the end",
        ),
        ("fatal: a\nfatal: a\n", "fatal: a"),
        ("remote: error: theirs\nfatal: ours", "remote: error: theirs; fatal: ours"),
        ("error: " + "x" * 10_000, "error: " + "x" * 593),
    ],
)
def test_every_line_of_git_that_names_an_error_is_told(stderr: str, told: str) -> None:
    assert str(GitError("fetch", 128, stderr)) == f"git fetch failed: {told}"
