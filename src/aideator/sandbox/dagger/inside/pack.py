"""Write what has changed to standard output, after killing what still runs.

    pack.py ROOT MANIFEST

It runs in the container as the ordinary user, when the work is done. The shim, its
parent, is spared.
"""

import json
import os
import signal
import sys
from contextlib import suppress

from aideator.sandbox.dagger.inside.change import write_changes

ROUNDS = 20


def end_others() -> None:
    """Stop, then kill, every other process of this user.

    Processes that fork faster only spoil their own change.
    """
    spared = {os.getpid(), os.getppid()}
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for _ in range(ROUNDS):
            pids = map(int, filter(str.isdigit, os.listdir("/proc")))
            others = {pid for pid in pids if _is_ours(pid)} - spared
            if not others:
                return
            for pid in others:
                with suppress(OSError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP and all(_is_stopped(pid) for pid in others):
                break


def _is_ours(pid: int) -> bool:
    with (
        suppress(OSError),
        open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file,
    ):
        fields = dict(line.partition(":\t")[::2] for line in file)
        is_zombie = fields.get("State", "").startswith("Z")
        return fields.get("Uid", "").split()[:1] == [str(os.getuid())] and not is_zombie
    return False


def _is_stopped(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[:1] == [b"T"]
    return True


def main() -> None:
    """Kill the other processes, then write the change."""
    _, root, manifest = sys.argv
    end_others()
    with open(manifest, encoding="ascii") as file:
        known = json.load(file)
    with os.fdopen(1, "wb", buffering=2**20) as output:
        write_changes(root, known, output)
