"""Mirrors and checkouts of local repositories."""

import asyncio
import fcntl
import os
import shutil
from pathlib import Path

import pytest

from aideator.changes.fork import fork
from aideator.domain.errors import RepositoryError
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.source import SourcePolicy
from aideator.sandbox.base import sandbox_uid
from tests.conftest import git

LOCAL = SourcePolicy(frozenset(), allow_local=True)


@pytest.fixture
def cache(home: Path) -> RepositoryCache:
    return RepositoryCache(home, policy=LOCAL)


def folders(home: Path, name: str) -> list[str]:
    return sorted(path.name for path in (home / name).iterdir())


async def test_a_branch_a_tag_a_hash_and_its_abbreviation_are_all_found(
    cache: RepositoryCache, repo: Path
) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "tag", "-a", "v1", "-m", "annotated")
    git(repo, "switch", "-q", "-c", "feature/x")
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    second = git(repo, "rev-parse", "HEAD")
    refs = {
        None: second,
        "main": first,
        "feature/x": second,
        "v1": first,
        first: first,
        first[:9]: first,
        "refs/heads/main": first,
    }
    assert {ref: (await cache.resolve(str(repo), ref)).sha for ref in refs} == refs


async def test_a_branch_that_moves_is_seen_and_a_known_hash_asks_nobody(
    cache: RepositoryCache, repo: Path
) -> None:
    old = await cache.resolve(str(repo))
    git(repo, "commit", "-q", "--amend", "--allow-empty", "-m", "rewritten")
    new = await cache.resolve(str(repo))
    assert new.sha == git(repo, "rev-parse", "HEAD") != old.sha
    shutil.rmtree(repo / ".git")
    assert await cache.resolve(str(repo), old.sha) == old


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nope", "no branch or tag 'nope'"),
        ("--upload-pack=id", "no branch or tag"),
        ("deadbeef", "no commit deadbeef"),
        ("0" * 39 + "1", "cannot be fetched: it has no such commit"),
        ("HEAD~1", "there is no commit HEAD~1"),
        ("nope~1", "no branch or tag 'nope'"),
        ("main^{tree}", "no branch or tag"),
    ],
)
async def test_an_unknown_ref_is_a_clear_error(
    cache: RepositoryCache, repo: Path, ref: str, message: str
) -> None:
    with pytest.raises(RepositoryError) as error:
        await cache.resolve(str(repo), ref)
    assert message in str(error.value)
    assert error.value.hint


async def test_an_empty_repository_and_a_plain_folder_are_clear_errors(
    cache: RepositoryCache, home: Path
) -> None:
    empty = home / "empty"
    empty.mkdir()
    with pytest.raises(RepositoryError, match="not a git repository"):
        await cache.resolve(str(empty))
    git(empty, "init", "-q")
    with pytest.raises(RepositoryError, match="is empty"):
        await cache.resolve(str(empty))
    assert folders(home, "mirrors") == []


async def test_a_repository_above_the_limit_is_refused_and_leaves_nothing(
    home: Path, repo: Path
) -> None:
    (repo / "huge.bin").write_bytes(os.urandom(3 * 2**20))
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "huge")
    cache = RepositoryCache(home, policy=LOCAL, max_local_bytes=2**20)
    with pytest.raises(RepositoryError, match="larger than 1 MB") as error:
        await cache.resolve(str(repo))
    assert "MAX_REPO_SIZE_MB" in error.value.hint
    assert folders(home, "mirrors") == []


async def test_a_checkout_holds_the_commit_and_no_trace_of_this_machine(
    cache: RepositoryCache, repo: Path
) -> None:
    git(repo, "tag", "v1")
    git(repo, "switch", "-q", "-c", "later")
    git(repo, "commit", "-q", "--allow-empty", "-m", "the answer")
    commit = await cache.resolve(str(repo), "main")
    tree = (await cache.checkout(commit)).path
    assert (tree / "calc.py").read_bytes() == (repo / "calc.py").read_bytes()
    assert (
        git(tree, "-c", "safe.directory=*", "log", "--all", "--format=%s %D")
        == "A calculator that cannot add HEAD -> base, tag: v1"
    )
    assert git(tree, "-c", "safe.directory=*", "remote") == ""
    for path in (tree / ".git").rglob("*"):
        assert "alternates" not in path.name
        assert path.is_dir() or str(cache.home).encode() not in path.read_bytes()
    uid = sandbox_uid() if sandbox_uid() is not None else os.getuid()
    assert {path.lstat().st_uid for path in [tree, *tree.rglob("*")]} == {uid}


async def test_no_file_of_a_checkout_needs_to_be_read_again_by_git_status(
    cache: RepositoryCache, repo: Path
) -> None:
    tree = (await cache.checkout(await cache.resolve(str(repo)))).path
    index = (tree / ".git" / "index").stat()
    assert all(
        int((tree / name).stat().st_mtime) < int(index.st_mtime)
        for name in ("calc.py", "test_calc.py")
    )
    # Debug output shows the recorded size: git writes 0 for an entry that it does not
    # trust.
    assert "size: 0" not in git(tree, "-c", "safe.directory=*", "ls-files", "--debug")


async def test_concurrent_users_share_one_clone_and_one_checkout(
    home: Path, repo: Path
) -> None:
    caches = [RepositoryCache(home, policy=LOCAL) for _ in range(4)]

    async def use(cache: RepositoryCache) -> Path:
        return (await cache.checkout(await cache.resolve(str(repo)))).path

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(use(cache)) for cache in caches]
    assert len({task.result() for task in tasks}) == 1
    assert len(folders(home, "mirrors")) == len(folders(home, "checkouts")) == 1


async def test_a_cancelled_checkout_leaves_nothing_and_can_be_made_again(
    cache: RepositoryCache, repo: Path
) -> None:
    commit = await cache.resolve(str(repo))
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await cache.checkout(commit)
        assert folders(cache.home, "checkouts") == []
    assert (await cache.checkout(commit)).path.is_dir()


async def test_submodules_and_lfs_content_that_cannot_be_had_is_noted_by_name(
    cache: RepositoryCache, repo: Path
) -> None:
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:"
        + "0" * 64
        + "\nsize 12345\n"
    )
    (repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "big.bin").write_text(pointer)
    (repo / ".gitmodules").write_text(
        '[submodule "lib"]\n\tpath = lib\n\turl = ../lib\n'
    )
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(repo, "add", ".gitattributes", "big.bin", ".gitmodules")
    git(repo, "commit", "-q", "-m", "modules")
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    assert (checkout.path / "big.bin").read_text() == pointer
    assert list((checkout.path / "lib").iterdir()) == []
    assert checkout.notes == (
        "submodule lib is empty: its URL leads to a path, which is not followed",
        "Git LFS pointers without their content, 1 (big.bin): your clone does not have"
        " them (`git lfs pull`)",
    )
    assert await cache.checkout(checkout.commit) == checkout


async def test_odd_names_binary_files_and_links_out_of_the_tree_stay_as_they_are(
    cache: RepositoryCache, repo: Path
) -> None:
    odd = os.fsdecode(b"caf\xe9 \n\x1b[31m.txt")
    (repo / odd).write_bytes(b"\0\xff")
    (repo / "escape").symlink_to("/etc/passwd")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "odd")
    tree = (await cache.checkout(await cache.resolve(str(repo)))).path
    assert (tree / odd).read_bytes() == b"\0\xff"
    assert (tree / "escape").readlink() == Path("/etc/passwd")


async def test_gc_frees_the_least_recently_used_and_never_what_a_fork_stands_on(
    cache: RepositoryCache, repo: Path
) -> None:
    old = await cache.checkout(await cache.resolve(str(repo)))
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    new = await cache.checkout(await cache.resolve(str(repo)))
    os.utime(old.path.parent, (1, 1))
    assert cache.gc(0) > 0, "what was not used for long"
    assert not old.path.exists()
    assert new.path.exists(), "spared: it was used a moment ago"
    async with fork(new, cache.home, "fork"):
        cache.gc(0, idle=0)
        assert new.path.exists()
        assert folders(cache.home, "mirrors") == []
    assert cache.gc(0, idle=0) > 0
    assert folders(cache.home, "checkouts") == []
    assert await cache.checkout(await cache.resolve(str(repo))) == new


async def test_a_small_bound_is_kept_by_itself(home: Path, repo: Path) -> None:
    cache = RepositoryCache(home, policy=LOCAL, max_cache_bytes=1)
    first = await cache.checkout(await cache.resolve(str(repo)))
    os.utime(first.path.parent, (1, 1))
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    await cache.checkout(await cache.resolve(str(repo)))
    assert not first.path.exists()


async def test_recovery_removes_what_a_crash_left_and_spares_what_lives(
    cache: RepositoryCache, repo: Path
) -> None:
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    for left_over in (
        "mirrors/a.part/objects",
        "checkouts/b.part/tree",
        "forks/dead/upper",
        "mirrors/alive.part",
    ):
        (cache.home / left_over).mkdir(parents=True)
    with (cache.home / "locks" / "alive").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with fork(checkout, cache.home, "alive"):
            cache.recover()
            assert folders(cache.home, "forks") == ["alive"]
            assert [
                name
                for name in folders(cache.home, "mirrors")
                if name.endswith(".part")
            ] == ["alive.part"]
            assert folders(cache.home, "checkouts") == [checkout.commit.key]


async def test_a_repository_of_hash_sha256_works(
    cache: RepositoryCache, home: Path
) -> None:
    repo = home / "sha256"
    repo.mkdir()
    git(repo, "init", "-q", "--object-format=sha256")
    (repo / "a").write_text("a\n")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "a")
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    assert len(checkout.commit.sha) == 64
    assert (checkout.path / "a").read_text() == "a\n"


async def test_limits_for_downloads_do_not_bar_what_is_on_this_disk(
    home: Path, repo: Path
) -> None:
    (repo / "large").write_bytes(os.urandom(2**18))
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "A large file")
    cache = RepositoryCache(
        home, policy=LOCAL, max_repo_bytes=2**16, clone_timeout=1e-6
    )
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    assert (checkout.path / "large").stat().st_size == 2**18
