"""A place for one attempt to write: an empty overlay above a checkout, made and removed in no time.

Everything below `upper` is hostile. It is looked at by file descriptor and name, never by path through a link.
"""

import asyncio
import fcntl
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.errors import Conflict
from aideator.sandbox.base import Tree, sandbox_uid
from aideator.workspace.checkout import Checkout

_MOVED = ".moved-"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}")


@dataclass(frozen=True)
class Fork:
    """One attempt's own view of a checkout."""

    checkout: Checkout
    upper: Path
    """What the attempt has changed, as overlayfs keeps it: files, and character devices 0:0 for what is gone."""
    work: Path

    @property
    def tree(self) -> Tree:
        """What the attempt sees and may write to."""
        return Tree(layers=(self.checkout.path,), upper=self.upper, work=self.work)

    @property
    def result(self) -> Tree:
        """The same, read-only."""
        return Tree(layers=(self.checkout.path, self.upper))


@asynccontextmanager
async def fork(checkout: Checkout, home: Path, name: str) -> AsyncIterator[Fork]:
    """Fork a checkout; O(1) in time and space, whatever its size. The fork is removed at the end.

    While it lives, a lock (flock) on its folder and on the checkout's says so to every process on this machine.

    Args:
        checkout: What the fork starts as.
        home: The state directory.
        name: The fork's name, unique among those that live.

    Raises:
        Conflict: if a fork of this name is in use.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a fork: {name!r}")
    root = home / "forks" / name
    root.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with locked_directory(checkout.path.parent, exclusive=False):
        if root.exists():
            await asyncio.to_thread(remove_unused, root)
        root.mkdir(mode=0o711)
        with locked_directory(root):
            made = Fork(checkout, upper=root / "upper", work=root / "work")
            for path in (made.upper, made.work):
                path.mkdir(mode=0o755)
                if (uid := sandbox_uid()) is not None:
                    os.chown(path, uid, uid)
            try:
                yield made
            finally:
                await asyncio.to_thread(remove_tree, root)


def remove_unused(root: Path) -> None:
    """Remove a folder that nobody holds.

    Raises:
        Conflict: if it is in use.
    """
    with locked_directory(root):
        remove_tree(root)


@contextmanager
def locked_directory(path: Path, *, exclusive: bool = True) -> Iterator[None]:
    """Hold a directory, without waiting. The lock ends with the process, however that ends.

    Raises:
        Conflict: if somebody else holds it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(descriptor, path.name, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, name: str, kind: int) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(f"{name} is in use") from None


def remove_tree(root: Path) -> None:
    """Remove a hostile tree: any depth, any mode, any name, no link followed.

    Folders found inside are moved up beside their ancestors first and emptied there. So nothing recurses, no path grows
    long and two descriptors suffice, where `shutil.rmtree` takes one descriptor and one stack frame per level.
    """
    top = _open_directory(root, None)
    try:
        pending = _remove_files(top)
        while pending:
            name = pending.pop()
            inner = _open_directory(name, top)
            try:
                for folder in _remove_files(inner):
                    os.close(_open_directory(folder, inner))  # a folder moves only where its owner may write to it
                    moved = f"{_MOVED}{secrets.token_hex(8)}"
                    os.rename(folder, moved, src_dir_fd=inner, dst_dir_fd=top)
                    pending.append(moved)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    root.rmdir()


def _remove_files(directory: int) -> list[str]:
    folders = []
    for entry in os.listdir(directory):
        try:
            os.unlink(entry, dir_fd=directory)
        except IsADirectoryError:
            folders.append(entry)
    return folders


def _open_directory(name: Path | str, parent: int | None) -> int:
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        # A folder of mode 000 (overlayfs makes one: work/work) opens for its owner only after this.
        os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 (the path is the descriptor)
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(handle)
