"""Ends a sandbox that fills the disk, where no file system quota can be had.

The tree is hostile and changes while it is walked: only descriptors, no links, no path
is ever put together, and never more than two descriptors, however deep it is. Space in
files that are open but deleted is seen by the floor alone.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aideator.domain.errors import AideatorError, DiskLimitExceeded

FREE_FLOOR_BYTES = 256 * 2**20
"""Every sandbox that writes to a disk is ended when less than this is free on it."""
_PERIOD_SECONDS = 1.0
_SHARE = 0.1
"""The part of a core that looking may cost, for each sandbox."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


async def watch_disk(
    upper: Path, limit: int, fail: Callable[[AideatorError], None]
) -> None:
    """Look once a second, and fail when there is too much.

    Args:
        upper: Where the sandbox's writes go.
        limit: How many bytes they may take.
        fail: Called once, with what is wrong.
    """
    while True:
        began = time.monotonic()
        # The directory may be on its way out together with the sandbox.
        with suppress(OSError):
            used, free = await asyncio.to_thread(_look, upper)
            if used > limit:
                fail(
                    DiskLimitExceeded(
                        f"{used / 2**20:.0f} MiB written, {limit / 2**20:.0f} MiB allowed"
                    )
                )
                return
            if free < FREE_FLOOR_BYTES:
                fail(DiskLimitExceeded("the disk of this machine is nearly full"))
                return
        await asyncio.sleep(max(_PERIOD_SECONDS, (time.monotonic() - began) / _SHARE))


def _look(upper: Path) -> tuple[int, int]:
    system = os.statvfs(upper)
    return disk_usage(upper), system.f_bavail * system.f_frsize


def disk_usage(root: Path) -> int:
    """The bytes that everything below `root` takes on the disk.

    What cannot be read is left out.
    """
    here = os.open(root, _DIRECTORY)
    try:
        total, names = _measure(here)
        unseen, way = [names], [_identity(here)]
        while unseen:
            if unseen[-1]:
                try:
                    below = os.open(unseen[-1].pop(), _DIRECTORY, dir_fd=here)
                except OSError:
                    continue
                os.close(here)
                here = below
                size, names = _measure(here)
                total += size
                unseen.append(names)
                way.append(_identity(here))
                continue
            unseen.pop()
            way.pop()
            if unseen:
                above = os.open("..", _DIRECTORY, dir_fd=here)
                os.close(here)
                here = above
                if _identity(here) != way[-1]:
                    # Somebody moved the directory while we were in it: `..` may lead
                    # anywhere.
                    break
        return total
    finally:
        os.close(here)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _measure(directory: int) -> tuple[int, list[str]]:
    """What the entries take, a hard link its share, and which of them are directories."""
    total, below = 0, list[str]()
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                total += status.st_blocks * 512 // max(1, status.st_nlink)
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
    return total, below
