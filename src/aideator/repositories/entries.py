"""Entries of the state directory: folders that are complete or absent, with locks.

An entry that is being made or removed has the suffix `.part` and is renamed when it is
complete, so a crash never leaves a half-made one under its final name.

Locks are flocks: a server and a command line may share a state directory, and a lock
ends with its process, however that ends. One kind suffices, because flocks of two
descriptors exclude each other within a process as well.
"""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aideator.domain.errors import Conflict, NotFound
from aideator.repositories.untrusted_tree import remove_tree

PART_SUFFIX = ".part"
"""The end of the name of an entry that is half-made or half-removed."""
DIRECTORY_MODE = 0o711
"""The mode of the state directory's folders: the sandbox's uid must be able to pass
through them, and can read only what it owns."""
_FACTS = "facts.json"
_POLL_SECONDS = 0.02


def write_facts(entry: Path, facts: Mapping[str, Any]) -> None:
    """Record beside an entry's content what is known of it, as JSON.

    Args:
        entry: The folder of a checkout or an environment.
        facts: Include `bytes`, the entry's size on disk.
    """
    (entry / _FACTS).write_text(json.dumps(facts))


def read_facts(entry: Path) -> dict[str, Any]:
    """Return what `write_facts` recorded for an entry."""
    facts: dict[str, Any] = json.loads((entry / _FACTS).read_text())
    return facts


def recorded_size(entry: Path) -> int:
    """Return the entry's size on disk in bytes, as measured when it was made."""
    return int(read_facts(entry)["bytes"])


def remove_entry(path: Path) -> None:
    """Remove an entry that is not in use.

    It is renamed first: a crash in the middle leaves nothing under its own name.

    Raises:
        Conflict: if the entry is in use.
    """
    with locked_directory(path):
        part = path.with_name(path.name + PART_SUFFIX)
        if part.exists():
            remove_tree(part)
        path.rename(part)
    remove_tree(part)


@asynccontextmanager
async def hold_lock(lock: Path) -> AsyncIterator[None]:
    """Wait for a lock file and hold it until the context ends."""
    # Polled, because a thread that waits in flock() cannot be cancelled.
    while (descriptor := try_lock(lock)) is None:  # noqa: ASYNC110 (no event tells)
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def try_lock(lock: Path) -> int | None:
    """Take a lock file without waiting.

    Returns:
        A descriptor that holds the lock until it is closed; None if the lock is taken.
    """
    lock.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def locked_directory(path: Path, *, exclusive: bool = True) -> Iterator[None]:
    """Lock a directory, without waiting, until the context ends.

    Args:
        path: The directory.
        exclusive: Whether other holders are excluded; a shared lock excludes exclusive
            ones only.

    Raises:
        Conflict: if the lock is taken.
        NotFound: if the directory does not exist any more.
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
