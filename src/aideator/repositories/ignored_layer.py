"""Ignored files of a user's working tree, such as `.env`, for the sandboxes of one run.

They lie in a layer of their own above checkout and environment, for as long as the run
works: no cache keeps them, set-up (which has a network) does not see them, and patches
leave them out by name.
"""

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.errors import RepositoryError
from aideator.repositories.entries import (
    DIRECTORY_MODE,
    locked_directory,
    remove_entry,
)
from aideator.repositories.uncommitted import (
    MAX_INCLUDED_BYTES,
    WORKTREE_INCLUDE,
    find_ignored_to_include,
)
from aideator.repositories.untrusted_tree import read_head, remove_tree
from aideator.sandbox.base import sandbox_uid


@dataclass(frozen=True)
class IgnoredLayer:
    """A layer with files that sandboxes see beside those of the commit."""

    path: Path
    files: tuple[str, ...]
    """Their paths, relative to the repository's root."""
    digest: str
    """Hash of their names and contents."""


@asynccontextmanager
async def ignored_layer(
    home: Path, name: str, repository: Path, wanted: Sequence[str]
) -> AsyncIterator[IgnoredLayer | None]:
    """Copy ignored files of a repository into a layer; remove it at the context's end.

    Args:
        home: The state directory.
        name: The layer's name, unique among existing forks.
        repository: The root of the user's working tree.
        wanted: The files.

    Raises:
        RepositoryError: naming a file that `.worktreeinclude` does not name, that is
            not ignored, or that cannot be read.
    """
    if not wanted:
        yield None
        return
    named = await find_ignored_to_include(repository)
    if others := sorted(set(wanted).difference(named)):
        raise RepositoryError(
            f"{others[0]} is not an ignored file that {WORKTREE_INCLUDE} names",
            hint="`aideator inspect` shows those that it names",
        )
    root = home / "forks" / name
    root.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    if root.exists():
        await asyncio.to_thread(remove_entry, root)
    root.mkdir(mode=DIRECTORY_MODE)
    with locked_directory(root, exclusive=False):
        try:
            layer = root / "layer"
            digest = await asyncio.to_thread(_copy, repository, layer, wanted)
            yield IgnoredLayer(layer, tuple(wanted), digest)
        finally:
            await asyncio.to_thread(remove_tree, root)


def _copy(repository: Path, layer: Path, files: Sequence[str]) -> str:
    """Copy files into a new layer; return a hash of their names and contents."""
    uid, left = sandbox_uid(), MAX_INCLUDED_BYTES
    digest = hashlib.sha256()
    layer.mkdir(mode=0o755)
    for name in sorted(files):
        data = _read(repository, name, left)
        left -= len(data)
        digest.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape") + data)
        target = layer / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        executable = (repository / name).stat().st_mode & stat.S_IXUSR
        target.chmod(0o700 if executable else 0o600)
    if uid is not None:
        for path in (layer, *layer.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)
    return digest.hexdigest()


def _read(repository: Path, name: str, most: int) -> bytes:
    try:
        data = read_head(repository / name, most + 1)
    except OSError as error:
        raise RepositoryError(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > most:
        raise RepositoryError(
            f"the ignored files are larger than {MAX_INCLUDED_BYTES // 2**20} MB"
            f" together, with {name}",
            hint=f"name fewer in {WORKTREE_INCLUDE}",
        )
    return data
