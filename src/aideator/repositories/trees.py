"""Folders that belong to us and may hold anything: locked, measured and removed without following a link.

Locks are flocks, so that a server and a command line may share a state directory;
asyncio needs no second kind. They end with the process, however that ends.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aideator.domain.errors import Conflict, NotFound

PART = ".part"
"""The end of a name whose folder is half-made or half-removed."""
PERSONAL = 0o711
"""The mode of our folders: the sandbox's uid must pass through; only what it owns can
be read."""
_MOVED = ".moved-"


def discard(path: Path) -> None:
    """Remove a tree that nobody holds.

    A crash in the middle leaves nothing under its own name.

    Raises:
        Conflict: if it is in use.
    """
    with locked_directory(path):
        part = path.with_name(path.name + PART)
        if part.exists():
            remove_tree(part)
        path.rename(part)
    remove_tree(part)


def disk_use(folder: Path) -> int:
    """Bytes that a folder takes on disk. What vanishes meanwhile counts nothing."""
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_blocks * 512
    return total


@asynccontextmanager
async def held(lock: Path) -> AsyncIterator[None]:
    """Hold a lock file, waiting for it."""
    # Polled, because a thread that waits in flock() cannot be cancelled.
    while (descriptor := try_hold(lock)) is None:  # noqa: ASYNC110 (no event tells)
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)


def read_regular(file: Path, limit: int = 2**20) -> bytes:
    """The beginning of a regular file; empty for anything else, such as a link or a pipe."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return (
            os.read(descriptor, limit)
            if stat.S_ISREG(os.fstat(descriptor).st_mode)
            else b""
        )
    finally:
        os.close(descriptor)


def try_hold(lock: Path) -> int | None:
    """Hold a lock file until the returned descriptor is closed; None if somebody else does."""
    lock.parent.mkdir(mode=PERSONAL, parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked_directory(path: Path, *, exclusive: bool = True) -> Iterator[None]:
    """Hold a directory, without waiting.

    Raises:
        Conflict: if somebody else holds it.
        NotFound: if it is not there any more.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise NotFound(f"{path.name} is gone") from None
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

    Folders found inside are moved up beside their ancestors first and emptied there. So
    nothing recurses, no path grows long and two descriptors suffice, where
    `shutil.rmtree` takes one descriptor and one stack frame per level.
    """
    top = open_directory(root, None)
    try:
        pending = _remove_files(top)
        while pending:
            name = pending.pop()
            inner = open_directory(name, top)
            try:
                for folder in _remove_files(inner):
                    os.close(
                        open_directory(folder, inner)
                    )  # a folder moves only where its owner may write to it
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


def open_directory(name: Path | str, parent: int | None) -> int:
    """Open a directory of ours, whatever its mode, and no link to one."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        # A folder of mode 000 (overlayfs makes one: work/work) opens for its owner only
        # after this.
        os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 (the path is the descriptor)
        return os.open(f"/proc/self/fd/{handle}", os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(handle)
