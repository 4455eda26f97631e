"""What is in a user's working tree but in no commit: tell it, and take it along.

The user's index, files and refs stay as they are: a commit is made with a copy of the
index and an object directory of its own. Nothing that the repository's own
configuration names is run: hooks and fsmonitor are off (`git.HARDENED`), filters are
those of the user's own configuration, and submodules, whose configuration is not ours
to read, are passed by.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from aideator.domain.errors import RepositoryError
from aideator.domain.project import Uncommitted
from aideator.repositories.git import git, quote_alternate, user_environment

HEAD = frozenset({None, "HEAD"})
"""Refs that stand for what is checked out in a working tree."""
WORKTREE_INCLUDE = ".worktreeinclude"
"""Names ignored files, in the syntax of gitignore(5), that working copies need."""
MAX_INCLUDED_FILES = 200
MAX_INCLUDED_BYTES = 16 * 2**20
_MESSAGE = b"Uncommitted changes\n\nMade by AIdeator as the base of a run.\n"
_IDENTITY = {"NAME": "AIdeator", "EMAIL": "aideator@localhost"}
_CHANGED, _CONFLICT, _UNTRACKED = b"1", b"u", b"?"
"""First characters of the rows of git-status(1), porcelain format version 2."""
_PATH_FIELD = {_CHANGED: 8, _CONFLICT: 10, _UNTRACKED: 1}
"""Fields before a row's path."""


@dataclass(frozen=True)
class _WorkingTree:
    """A user's working tree, and how git is to be run in it."""

    root: Path
    config: Mapping[str, str]
    env: Mapping[str, str]

    async def git(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> bytes:
        """Run git in it."""
        return await git(
            *arguments,
            cwd=self.root,
            config=self.config,
            env={**self.env, **(env or {})},
            stdin=stdin,
            timeout=None,
        )


async def find_uncommitted(root: Path) -> Uncommitted | None:
    """Return what is in a working tree but not in its HEAD; None for nothing.

    Args:
        root: The root of a repository. A bare one has no working tree.

    Raises:
        GitError: if git cannot tell.
    """
    tree = await _open(root)
    rows = await _status(tree) if tree else {}
    counts = {kind: len(paths) for kind, paths in rows.items() if paths}
    if not counts:
        return None
    return Uncommitted(
        changed=counts.get(_CHANGED, 0) + counts.get(_CONFLICT, 0),
        untracked=counts.get(_UNTRACKED, 0),
    )


@dataclass(frozen=True)
class Snapshot:
    """A commit of what was in a working tree, and where its objects are."""

    sha: str
    objects: Path


@asynccontextmanager
async def commit_uncommitted(root: Path) -> AsyncIterator[Snapshot]:
    """Commit a working tree as it is, on top of HEAD, beside the repository.

    The same content gives the same commit. Its objects are removed at the end.

    Raises:
        RepositoryError: if there is no working tree, or a merge is not finished.
        GitError: if git fails, for example because a file cannot be read.
    """
    tree = await _open(root)
    if tree is None:
        raise RepositoryError(
            f"{root} has no working tree, so there is nothing uncommitted",
            hint="leave out --include-uncommitted",
        )
    rows = await _status(tree)
    if conflicts := rows[_CONFLICT]:
        raise RepositoryError(
            f"{len(conflicts)} files are in conflict: {_shown(conflicts)}",
            hint="finish the merge first, or leave out --include-uncommitted",
        )
    with tempfile.TemporaryDirectory(prefix="aideator-uncommitted-") as scratch:
        objects = Path(tempfile.mkdtemp(dir=scratch))
        index = Path(scratch, "index")
        yield Snapshot(await _commit(tree, rows, index, objects), objects)


async def _commit(
    tree: _WorkingTree, rows: Mapping[bytes, list[bytes]], copy: Path, objects: Path
) -> str:
    own = await _git_path(tree, "objects")
    place = {
        "GIT_INDEX_FILE": str(copy),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": quote_alternate(own),
    }
    index = await _git_path(tree, "index")
    if index.exists():
        shutil.copy(index, copy)
    else:
        await tree.git("read-tree", "HEAD", env=place)
    # A folder with a slash at its end is a repository of its own.
    paths = [
        path for path in (*rows[_CHANGED], *rows[_UNTRACKED]) if not path.endswith(b"/")
    ]
    listed = b"".join(path + b"\0" for path in paths)
    update = ("update-index", "--add", "--remove", "--replace", "-z", "--stdin")
    await tree.git(*update, stdin=listed, env=place)
    written = (await tree.git("write-tree", env=place)).decode().strip()
    head = (await tree.git("rev-parse", "HEAD", "HEAD^{tree}")).decode().split()
    if written == head[1]:
        return head[0]
    date = await tree.git("show", "-s", "--no-show-signature", "--format=%ct")
    when = f"{date.decode().strip()} +0000"
    identity = {
        f"GIT_{role}_{field}": value
        for role, (field, value) in product(
            ("AUTHOR", "COMMITTER"), {**_IDENTITY, "DATE": when}.items()
        )
    }
    made = await tree.git(
        "commit-tree", written, "-p", head[0], env=place | identity, stdin=_MESSAGE
    )
    return made.decode().strip()


async def find_ignored_to_include(root: Path) -> tuple[str, ...]:
    """Return the ignored files that the tree's `.worktreeinclude` names, sorted.

    Links are left out: they may lead anywhere.

    Raises:
        RepositoryError: if there are too many.
        GitError: if git cannot tell.
    """
    tree = await _open(root)
    patterns = root / WORKTREE_INCLUDE
    if tree is None or not _is_file(patterns):
        return ()
    others = ("ls-files", "--others", "--ignored", "-z", f"--exclude-from={patterns}")
    named = await tree.git(*others)
    ignored = set((await tree.git(*others[:4], "--exclude-standard")).split(b"\0"))
    both = sorted(ignored.intersection(named.split(b"\0")[:-1]))
    files = tuple(path for path in map(os.fsdecode, both) if _is_file(root / path))
    if len(files) > MAX_INCLUDED_FILES:
        raise RepositoryError(
            f"{WORKTREE_INCLUDE} names {len(files)} ignored files; the limit is"
            f" {MAX_INCLUDED_FILES}",
            hint="name single files such as .env; set-up installs dependencies",
        )
    return files


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


async def _open(root: Path) -> _WorkingTree | None:
    """Return how to work in a tree; None if there is none."""
    if not (root / ".git").exists():
        return None
    env = user_environment()
    found = await git("rev-parse", "--absolute-git-dir", cwd=root, env=env)
    place = {
        "GIT_DIR": os.fsdecode(found).removesuffix("\n"),
        "GIT_WORK_TREE": str(root),
    }
    listed = await git(
        *("config", "--list", "--show-scope", "-z"), cwd=root, env=env | place
    )
    config = _users_filters(os.fsdecode(listed)) | {"core.splitIndex": "false"}
    return _WorkingTree(root, config, env | place)


def _users_filters(listed: str) -> dict[str, str]:
    """Return settings that undo the filters of a repository's own configuration.

    Args:
        listed: What `git config --list --show-scope -z` prints.
    """
    fields = listed.split("\0")[:-1]
    trusted, own = dict[str, str](), set[str]()
    for scope, setting in zip(fields[::2], fields[1::2], strict=True):
        key, _, value = setting.partition("\n")
        if key.startswith("filter."):
            if scope in {"system", "global"}:
                trusted[key] = value
            else:
                own.add(key)
    # An empty command is none; see gitattributes(5), filter.
    return {
        key: trusted.get(key, "false" if key.endswith(".required") else "")
        for key in own
    }


async def _status(tree: _WorkingTree) -> dict[bytes, list[bytes]]:
    """Return the paths that differ from HEAD, by kind of row."""
    listed = await tree.git(
        *("status", "--porcelain=v2", "-z", "--untracked-files=all"),
        *("--ignore-submodules=all", "--no-renames"),
    )
    rows: dict[bytes, list[bytes]] = {kind: [] for kind in _PATH_FIELD}
    for row in listed.split(b"\0")[:-1]:
        kind = row[:1]
        if kind in rows:
            rows[kind].append(row.split(b" ", _PATH_FIELD[kind])[-1])
    return rows


async def _git_path(tree: _WorkingTree, name: str) -> Path:
    found = await tree.git("rev-parse", "--path-format=absolute", "--git-path", name)
    return Path(os.fsdecode(found).removesuffix("\n"))


def _shown(paths: list[bytes]) -> str:
    names = [path.decode(errors="backslashreplace") for path in paths[:5]]
    return ", ".join(names) + (", …" if len(paths) > len(names) else "")
