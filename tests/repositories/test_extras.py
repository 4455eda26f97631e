"""Submodules and Git LFS content come along with a checkout."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aideator.repositories.cache import RepositoryCache
from aideator.repositories.source import SourcePolicy
from aideator.repositories.submodules import resolve_url
from tests.actions import user
from tests.conftest import git
from tests.repositories.server import GitServer, serve

LOCAL = SourcePolicy(frozenset(), allow_local=True)
CONTENT = b"large" * 1000
OID = hashlib.sha256(CONTENT).hexdigest()
POINTER = (
    f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\n"
    f"size {len(CONTENT)}\n"
)


def make(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        (folder / name).write_text(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Files")
    return folder


def add_submodule(repo: Path, module: Path, path: str, url: str) -> None:
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", str(module), path)
    git(repo, "config", "-f", ".gitmodules", f"submodule.{path}.url", url)
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", f"Submodule {path}")


@pytest.fixture
def nested(home: Path, repo: Path) -> Path:
    """A repository whose submodule `libs/one` has a submodule `two`."""
    two = make(home / "two", {"two.txt": "two\n"})
    one = make(home / "one", {"one.txt": "one\n"})
    add_submodule(one, two, "two", "../two.git")
    add_submodule(repo, one, "libs/one", "../one.git")
    return repo


@pytest.fixture
def server(home: Path, nested: Path) -> Iterator[GitServer]:
    served = home / "served"
    served.mkdir()
    for name in ("user-repo", "one", "two"):
        git(served, "clone", "-q", "--bare", str(home / name), f"{name}.git")
    with serve(served) as running:
        yield running


async def test_submodules_of_a_remote_come_along_also_nested_with_relative_urls(
    home: Path, server: GitServer
) -> None:
    policy = SourcePolicy(frozenset(), frozenset({server.host}))
    cache = RepositoryCache(home / "state", policy=policy)
    found = await cache.checkout(await cache.resolve(server.url("user-repo")))
    assert found.notes == ()
    assert (found.path / "libs/one/one.txt").read_text() == "one\n"
    assert (found.path / "libs/one/two/two.txt").read_text() == "two\n"
    assert found.extras == ("libs/one", "libs/one/two")
    assert git(found.path, "-c", "safe.directory=*", "status", "--porcelain") == ""
    assert await cache.checkout(found.commit) == found


async def test_submodules_of_a_local_clone_are_taken_from_it_without_a_network(
    home: Path, nested: Path
) -> None:
    cache = RepositoryCache(home / "state", policy=LOCAL)
    found = await cache.checkout(await cache.resolve(str(nested)))
    assert (found.path / "libs/one/one.txt").read_text() == "one\n"
    assert [note for note in found.notes if "two" in note]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://10.0.0.1/x", "ALLOWED_GIT_HOSTS"),
        ("https://evil.example/x", "ALLOWED_GIT_HOSTS"),
        ("git@evil.example:x/y", "ALLOWED_GIT_HOSTS"),
        ("/etc", "not followed"),
        ("file:///etc", "not followed"),
        ("ext::sh -c id", "character"),
        ("", "not followed"),
    ],
)
async def test_a_submodule_goes_by_the_rules_for_hosts(
    home: Path, repo: Path, url: str, reason: str
) -> None:
    git(repo, "config", "-f", ".gitmodules", "submodule.lib.path", "lib")
    git(repo, "config", "-f", ".gitmodules", "submodule.lib.url", url)
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(repo, "add", ".gitmodules")
    git(repo, "commit", "-qm", "A submodule")
    cache = RepositoryCache(home / "state", policy=LOCAL)
    found = await cache.checkout(await cache.resolve(str(repo)))
    assert len(found.notes) == 1
    assert found.notes[0].startswith("submodule lib is empty: ")
    assert reason in found.notes[0]


async def test_the_files_of_submodules_count_like_all_others(
    home: Path, server: GitServer
) -> None:
    policy = SourcePolicy(frozenset(), frozenset({server.host}))
    commit = await RepositoryCache(home / "state", policy=policy).resolve(
        server.url("user-repo")
    )
    small = RepositoryCache(home / "state", policy=policy, max_repo_bytes=600)
    found = await small.checkout(commit)
    (note,) = found.notes
    assert note.startswith("submodule libs/one is empty")
    assert "larger than" in note


def test_a_relative_url_belongs_to_that_of_its_repository() -> None:
    assert resolve_url("https://h/o/r", "../x.git") == "https://h/o/x.git"
    assert resolve_url("https://h/o/r/", "../../p/x") == "https://h/p/x"
    assert resolve_url("https://h/o/r", "./x") == "https://h/o/r/x"
    assert resolve_url("git@h.example:o/r", "../x") == "git@h.example:o/x"
    assert resolve_url("", "../x") == ""


@pytest.fixture
def with_pointer(repo: Path) -> Path:
    (repo / ".gitattributes").write_text("*.bin filter=lfs -text\n")
    (repo / "large.bin").write_text(POINTER)
    (repo / "lost.bin").write_text(POINTER.replace(OID, "0" * 64))
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "Pointers")
    return repo


async def test_lfs_content_is_fetched_and_verified(
    home: Path, with_pointer: Path
) -> None:
    served = home / "served"
    served.mkdir()
    git(served, "clone", "-q", "--bare", str(with_pointer), "project.git")
    with serve(served) as server:
        server.lfs = {OID: CONTENT, "0" * 64: CONTENT}
        policy = SourcePolicy(frozenset(), frozenset({server.host}))
        cache = RepositoryCache(home / "state", policy=policy)
        found = await cache.checkout(await cache.resolve(server.url("project")))
    assert (found.path / "large.bin").read_bytes() == CONTENT
    assert (found.path / "lost.bin").read_text().startswith("version")
    assert found.extras == ("large.bin",)
    (note,) = found.notes
    assert "lost.bin" in note
    assert "other content" in note


async def test_lfs_content_of_a_local_clone_is_taken_from_it(
    home: Path, with_pointer: Path
) -> None:
    store = with_pointer / ".git" / "lfs" / "objects" / OID[:2] / OID[2:4]
    store.mkdir(parents=True)
    (store / OID).write_bytes(CONTENT)
    scenario: dict[str, Any] = {
        "lanes": {
            "default": [
                {"calls": [{"bash": {"command": "wc -c < large.bin > size.txt"}}]},
                {"calls": [{"bash": {"command": "echo more >> large.bin"}}]},
                {"say": "Done."},
            ]
        }
    }
    async with user(home, with_pointer, scenario) as me:
        done = await me.asks_and_waits(checks=[])
        patch = await me.app.patch(done.id, 1)
    assert b"+5000\n" in patch
    verdict = done.variations[0].verdict
    assert verdict is not None
    assert verdict.paths == ("size.txt",)
    assert any(
        note.startswith("large.bin is a submodule, or") for note in verdict.notes
    )
    assert any("lost.bin" in note for note in verdict.notes)


async def test_a_change_inside_a_submodule_is_left_out_and_named(
    home: Path, nested: Path
) -> None:
    command = "cat libs/one/one.txt > seen.txt; echo more >> libs/one/one.txt"
    scenario: dict[str, Any] = {
        "lanes": {
            "default": [{"calls": [{"bash": {"command": command}}]}, {"say": "."}]
        }
    }
    async with user(home, nested, scenario) as me:
        done = await me.asks_and_waits(checks=[])
    verdict = done.variations[0].verdict
    assert verdict is not None, done.failure
    assert verdict.paths == ("seen.txt",)
    assert any(note.startswith("libs/one is a submodule") for note in verdict.notes)


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
async def test_a_clone_that_the_real_git_lfs_made_is_read(
    home: Path, repo: Path
) -> None:
    def lfs(*arguments: str) -> None:
        command = ["git", "-C", str(repo), *arguments]
        subprocess.run(command, check=True, capture_output=True)

    lfs("lfs", "install", "--local")
    lfs("lfs", "track", "*.bin")
    (repo / "large.bin").write_bytes(CONTENT)
    lfs("add", "-A")
    lfs("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qm", "Large")
    cache = RepositoryCache(home / "state", policy=LOCAL)
    found = await cache.checkout(await cache.resolve(str(repo)))
    assert found.notes == ()
    assert (found.path / "large.bin").read_bytes() == CONTENT
