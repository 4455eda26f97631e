"""Servers that never come to an end, and commits that are larger than they look."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from aideator.domain.errors import RepositoryError
from aideator.repositories import tree_bounds
from aideator.repositories.cache import RepositoryCache
from aideator.repositories.git import MAX_MEMORY
from aideator.repositories.git import git as host_git
from aideator.repositories.source import SourcePolicy
from tests.conftest import PATIENCE, git

LOCAL = SourcePolicy(frozenset(), allow_local=True)
LARGE = 2**40
REFS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n"
    b"Connection: close\r\n\r\n001e# service=git-upload-pack\n0000"
)
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(PATIENCE)


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: a\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def drip_refs(writer: asyncio.StreamWriter) -> None:
    writer.write(REFS)
    while True:
        writer.write(ref_line())
        await writer.drain()
        await asyncio.sleep(0.1)


async def list_refs_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(REFS)
    lines = ref_line() * 1000
    while True:
        writer.write(lines)
        await writer.drain()


async def redirect_slowly(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.5)
    writer.write(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
        b"/again/info/refs?service=git-upload-pack\r\nConnection: close\r\n\r\n"
    )


def ref_line() -> bytes:
    line = b"1" * 40 + b" refs/heads/one-of-many\n"
    return b"%04x" % (len(line) + 4) + line


@asynccontextmanager
async def hostile(answer: Answer) -> AsyncIterator[str]:
    """Serve every request by one function; yield host and port."""

    async with asyncio.TaskGroup() as group:

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                    await answer(writer)
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
            finally:
                writer.transport.abort()

        calls = list[asyncio.Task[None]]()
        server = await asyncio.start_server(
            lambda reader, writer: calls.append(
                group.create_task(serve(reader, writer))
            ),
            "127.0.0.1",
            0,
        )
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        for call in calls:
            call.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        say_nothing,
        drip_headers,
        drip_refs,
        list_refs_without_end,
        redirect_slowly,
    ],
)
async def test_a_server_that_never_comes_to_an_end_is_given_up_in_time(
    home: Path, answer: Answer
) -> None:
    async with hostile(answer) as host, asyncio.timeout(PATIENCE):
        cache = RepositoryCache(
            home,
            policy=SourcePolicy(frozenset(), frozenset({host})),
            clone_timeout=1.5,
        )
        with pytest.raises(RepositoryError, match=r"not done after 1\.5 s") as error:
            await cache.resolve(f"http://{host}/project")
    assert "CLONE_TIMEOUT" in error.value.hint
    assert list((home / "mirrors").glob("*")) == []


@pytest.mark.slow
async def test_waiting_for_somebody_elses_clone_is_not_ones_own_time(
    home: Path, repo: Path
) -> None:
    cache = RepositoryCache(home, policy=LOCAL, clone_timeout=5.0)
    commit = await cache.resolve(str(repo))
    git(repo, "commit", "-q", "--allow-empty", "-m", "more")
    async with asyncio.TaskGroup() as group, cache.mirror_of(commit):
        waiting = group.create_task(cache.resolve(str(repo)))
        await asyncio.sleep(6.0)
        assert not waiting.done()
    assert waiting.result().sha == git(repo, "rev-parse", "HEAD")


async def test_a_git_process_has_a_limit_of_memory() -> None:
    printed = await host_git("limit", config={"alias.limit": "!ulimit -d"})
    assert int(printed) * 2**10 == MAX_MEMORY


def commit_tree(repo: Path, tree: str) -> None:
    """Make a tree object the content of the branch `main`."""
    made = git(repo, "commit-tree", tree, "-m", "a bomb")
    git(repo, "update-ref", "refs/heads/main", made)


def blob(repo: Path, content: str) -> str:
    return git(repo, "hash-object", "-w", "--stdin", stdin=content)


def folder_of(repo: Path, *entries: tuple[str, str]) -> str:
    """Write a tree object with the entries (name, hash); return its hash."""
    lines = []
    for name, sha in entries:
        kind = git(repo, "cat-file", "-t", sha)
        lines.append(f"{'040000' if kind == 'tree' else '100644'} {kind} {sha}\t{name}")
    return git(repo, "mktree", stdin="\n".join(lines) + "\n")


def nest(repo: Path, depth: int, name: str) -> str:
    """Return the hash of a tree with one file below `depth` folders."""
    tree = folder_of(repo, ("file", blob(repo, "x")))
    for _ in range(depth):
        tree = folder_of(repo, (name, tree))
    return tree


async def refused(home: Path, repo: Path, max_bytes: int) -> RepositoryError:
    cache = RepositoryCache(home, policy=LOCAL, max_local_bytes=max_bytes)
    commit = await cache.resolve(str(repo))
    with pytest.raises(RepositoryError) as error:
        await cache.checkout(commit)
    assert list((home / "checkouts").iterdir()) == []
    return error.value


async def test_ten_million_files_in_nine_objects_are_refused_before_one_is_written(
    home: Path, repo: Path
) -> None:
    tree = blob(repo, "x")
    for _ in range(7):
        tree = folder_of(repo, *((f"d{n}", tree) for n in range(10)))
    commit_tree(repo, tree)
    error = await refused(home, repo, LARGE)
    assert "more than 1,000,000 files and folders" in str(error)
    assert "cannot be raised" in error.hint


async def test_folders_without_end_and_without_a_file_are_refused(
    home: Path, repo: Path
) -> None:
    tree = git(repo, "mktree", stdin="")
    for _ in range(20):
        tree = folder_of(repo, *((f"d{n}", tree) for n in range(10)))
    commit_tree(repo, tree)
    error = await refused(home, repo, LARGE)
    assert "more than 1,000,000 files and folders" in str(error)


async def test_refs_count_towards_the_size_of_a_mirror(home: Path, repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    names = "".join(f"create refs/heads/many/{n} {head}\n" for n in range(1000))
    git(repo, "update-ref", "--stdin", stdin=names)
    git(repo, "pack-refs", "--all")
    cache = RepositoryCache(home, policy=LOCAL, max_local_bytes=2 * 2**20)
    with pytest.raises(RepositoryError, match="larger than 2 MB"):
        await cache.resolve(str(repo))
    assert list((home / "mirrors").iterdir()) == []


async def test_one_blob_with_many_names_counts_once_for_each(
    home: Path, repo: Path
) -> None:
    zeros = blob(repo, "0" * 2**16)
    commit_tree(repo, folder_of(repo, *((f"f{n}", zeros) for n in range(100))))
    error = await refused(home, repo, 100 * 2**16 - 1)
    assert re.search(r"files of the commit are larger than \d MB", str(error))
    assert "MAX_REPO_SIZE_MB" in error.hint
    cache = RepositoryCache(home, policy=LOCAL, max_local_bytes=100 * 2**16)
    checkout = await cache.checkout(await cache.resolve(str(repo)))
    assert len(list(checkout.path.glob("f*"))) == 100


@pytest.mark.parametrize(
    ("depth", "name", "message"),
    [
        (tree_bounds.MAX_DEPTH + 1, "d", "below more than 256 folders"),
        (1, "n" * 256, "a name of more than 255 bytes"),
        (20, "n" * 200, "a path of more than 3072"),
        (40, "n" * 250, "a path of more than 3072"),
        (1, "n" * 10_000, "a name of more than 255 bytes"),
    ],
)
async def test_a_tree_too_deep_or_with_too_long_names_is_refused(
    home: Path, repo: Path, depth: int, name: str, message: str
) -> None:
    commit_tree(repo, nest(repo, depth, name))
    assert message in str(await refused(home, repo, LARGE))


async def test_a_tree_within_every_limit_is_checked_out(home: Path, repo: Path) -> None:
    deep = nest(repo, tree_bounds.MAX_DEPTH - 1, "d")
    long = folder_of(repo, ("n" * 255, blob(repo, "x")))
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    module = git(repo, "write-tree")
    commit_tree(repo, folder_of(repo, ("a", deep), ("b", long), ("c", module)))
    cache = RepositoryCache(home, policy=LOCAL)
    tree = (await cache.checkout(await cache.resolve(str(repo)))).path
    assert (tree / "a" / "/".join("d" * (tree_bounds.MAX_DEPTH - 1)) / "file").exists()
    assert (tree / "b" / ("n" * 255)).exists()


@pytest.mark.parametrize("name", [".GIT", "git~1", ".g\u200cit", ".git "])
async def test_a_name_that_other_systems_take_for_git_is_refused(
    home: Path, repo: Path, name: str
) -> None:
    hook = folder_of(repo, ("config", blob(repo, "[core]\n")))
    commit_tree(repo, folder_of(repo, (name, hook)))
    cache = RepositoryCache(home, policy=LOCAL)
    with pytest.raises(RepositoryError, match="damaged or malicious"):
        await cache.resolve(str(repo))
