"""Measure a hostile tree, and end a sandbox that fills the disk.

Used where no file system quota can be had. The tree changes while it is walked, so the
walk uses descriptors only: it follows no link, joins no paths, and holds two
descriptors at most, however deep the tree is. Only the floor of free space sees the
space of files that are open but deleted.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aideator.domain.errors import AideatorError, DiskLimitExceeded

FREE_FLOOR_BYTES = 256 * 2**20
"""Free bytes of a disk below which every sandbox that writes to it is ended."""
FREE_FLOOR_INODES = 2_000
"""Free inodes below which the same happens, where a file system has a fixed number."""
_ENTRY_BYTES = 4096
"""What an entry counts at least: empty files take no space, but inodes."""
_PERIOD_SECONDS = 1.0
_SHARE = 0.1
"""Share of a core that measuring may cost, for each sandbox."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


async def watch_disk(
    upper: Path, limit: int, fail: Callable[[AideatorError], None]
) -> None:
    """Measure about once a second, and fail the sandbox when it wrote too much.

    Args:
        upper: Directory that receives the sandbox's writes.
        limit: Bytes that they may take.
        fail: Called once, with the reason.
    """
    while True:
        began = time.monotonic()
        # The directory may be removed meanwhile, together with the sandbox.
        with suppress(OSError):
            used, nearly_full = await asyncio.to_thread(_measure_disk, upper)
            if used > limit:
                written, allowed = used / 2**20, limit / 2**20
                fail(
                    DiskLimitExceeded(
                        f"{written:.0f} MiB written, {allowed:.0f} MiB allowed"
                    )
                )
                return
            if nearly_full:
                fail(DiskLimitExceeded("the disk of this machine is nearly full"))
                return
        await asyncio.sleep(max(_PERIOD_SECONDS, (time.monotonic() - began) / _SHARE))


def _measure_disk(upper: Path) -> tuple[int, bool]:
    system = os.statvfs(upper)
    nearly_full = system.f_bavail * system.f_frsize < FREE_FLOOR_BYTES
    if system.f_files:  # 0 where inodes are made as they are needed
        nearly_full |= system.f_favail < FREE_FLOOR_INODES
    return disk_usage(upper), nearly_full


def disk_usage(root: Path) -> int:
    """Return the bytes of disk that everything below `root` takes.

    A hard link counts its share, an entry at least a page. Entries that cannot be read
    are left out. Safe in a tree that others change meanwhile.

    Raises:
        OSError: if `root` cannot be opened, or is no directory.
    """
    here = os.open(root, _DIRECTORY)
    try:
        total, names = _measure_entries(here)
        unseen, way = [names], [_identity(here)]
        while unseen:
            if unseen[-1]:
                try:
                    below = os.open(unseen[-1].pop(), _DIRECTORY, dir_fd=here)
                except OSError:
                    continue
                os.close(here)
                here = below
                size, names = _measure_entries(here)
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
                    # The directory was moved meanwhile: `..` may lead anywhere.
                    break
        return total
    finally:
        os.close(here)


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _measure_entries(directory: int) -> tuple[int, list[str]]:
    """Return the bytes of the entries, and the names of those that are directories."""
    total, below = 0, list[str]()
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                size = max(status.st_blocks * 512, _ENTRY_BYTES)
                total += size // max(1, status.st_nlink)
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
    return total, below
