"""Remove what sandboxes have left whose server is gone: processes and directories.

A sandbox dies with its server, but for one moment of its start: bubblewrap's child
waits for its parent before it asks to die with it, and holds both ends of what it waits
for. A server and a bubblewrap that are killed right then leave it waiting for ever,
outside any control group.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)
_VARIABLE = "AIDEATOR_SANDBOXES_OF"
"""Marks a sandbox's processes until bubblewrap has cleared their environment."""


def marker(runtime_dir: Path) -> dict[str, str]:
    """Return the environment by which sandboxes of a runtime directory are found.

    It is a hash: what runs inside may see it, and no path of the host.
    """
    path = os.fsencode(runtime_dir)
    return {_VARIABLE: hashlib.sha256(path).hexdigest()[:32]}


def remove_leftovers(runtime_dir: Path) -> None:
    """Remove what dead servers have left of the sandboxes of a runtime directory.

    Only the process that works in the directory may do that, before it opens sandboxes.
    """
    _end_processes(runtime_dir)
    remove_unlocked(runtime_dir)


def remove_unlocked(runtime_dir: Path, *, older_than: float = 0.0) -> None:
    """Remove the directories of sandboxes that are not open: those have a lock.

    Args:
        runtime_dir: Where they are.
        older_than: Seconds; another process may not have locked a newer one yet.
    """
    for directory in runtime_dir.glob("*"):
        with suppress(OSError):  # no directory, locked, or gone
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - directory.stat().st_mtime >= older_than:
                    shutil.rmtree(directory)
            finally:
                os.close(lock)


def _end_processes(runtime_dir: Path) -> None:
    ((name, value),) = marker(runtime_dir).items()
    sought, killed = f"{name}={value}".encode(), 0
    for process in Path("/proc").glob("[0-9]*"):
        # Gone, or another user's.
        with suppress(OSError):
            if sought in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
    if killed:
        _log.warning("ended %d processes of sandboxes without a server", killed)
