"""The group above all sandboxes of one server, and its share of a busy processor.

The kernel divides a busy processor among the processes and groups of the same parent by
weight. A group weighs as much as one process, however many are in it: without more,
all sandboxes of a server together would get what one of sixty compilers gets. So the
weight of the parent follows the number of sandboxes in it. Only a processor that others
want as well is divided; the limit of each sandbox is another matter.
(sched-design-CFS.rst and cgroup-v2.rst, "Weights", of the kernel's documentation.)

The parent is named after its server, and exists while that has an open sandbox.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "aideator"
"""First part of a parent's name, `PREFIX.PIDNS.PID.START`."""
SERVER_LEAF = "aideator-server"
"""Beside the parent, the server's own group where it has one (v2)."""
changing = threading.Lock()
"""Held while a group is made or removed in this server's parents."""


@dataclass(frozen=True)
class _Weight:
    """A file with a weight: what one process has, and what the kernel takes at most."""

    file: str
    one: int
    most: int


_WEIGHTS = (_Weight("cpu.shares", 1024, 2**18), _Weight("cpu.weight", 100, 10_000))
"""Of version 1 and of version 2."""


def write_setting(file: Path, value: int | str) -> bool:
    """Write a setting in one write, as the kernel requires; return its success."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.write(descriptor, str(value).encode()) > 0
    except OSError:
        return False
    finally:
        os.close(descriptor)


def parent_name() -> str:
    """Return the name of this server's parent group.

    The start time tells a server from an earlier process of the same number.
    """
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    pid = os.getpid()
    return f"{PREFIX}.{namespace}.{pid}.{_start_time(str(pid))}"


def _start_time(pid: str) -> str:
    """Return when a process started (field 22 in proc_pid_stat(5)), or ""."""
    with suppress(OSError):
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[19]
    return ""


def stale_parents(place: Path) -> Iterator[Path]:
    """Yield the parents of dead servers in a directory.

    Those of servers in other pid namespaces are left alone: from here it cannot be
    seen whether such a server lives.
    """
    _, namespace, _, _ = parent_name().split(".")
    for parent in place.glob(f"{PREFIX}.{namespace}.*.*"):
        _, _, pid, start = parent.name.split(".")
        if _start_time(pid) != start:
            yield parent


def settle(parent: Path) -> None:
    """Set a parent's weight by the sandboxes in it; remove it if there are none.

    The server's own group weighs as much as all its sandboxes: it goes first. Hold
    `changing` meanwhile.
    """
    sandboxes = _count(parent)
    if not sandboxes:
        with suppress(OSError):
            parent.rmdir()
        return
    for weight in _WEIGHTS:
        value = min(sandboxes * weight.one, weight.most)
        if write_setting(parent / weight.file, value):
            write_setting(parent.with_name(SERVER_LEAF) / weight.file, value)


def _count(parent: Path) -> int:
    with suppress(OSError), os.scandir(parent) as entries:
        return sum(entry.is_dir() for entry in entries)
    return 0


@dataclass(frozen=True)
class Share:
    """How a server's open sandboxes are weighed, as the kernel has it."""

    sandboxes: int
    processes: float
    """As many ordinary processes weigh the same."""
    setting: str
    """The file that says so."""


def share(parent: Path) -> Share | None:
    """Return the share of the sandboxes in a parent; None where groups have none."""
    for weight in _WEIGHTS:
        with suppress(OSError):
            value = int((parent / weight.file).read_text())
            return Share(_count(parent), value / weight.one, weight.file)
    return None
