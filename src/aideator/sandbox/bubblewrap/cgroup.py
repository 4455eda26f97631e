"""Memory, CPU and process limits of a sandbox, by the control groups of this machine.

Versions 1 and 2 may both be in use on one machine (systemd's hybrid layout), and any
part may be read-only or missing (containers, users without delegation). So nothing is
guessed: each limit is written, and `Cgroup.enforced` names those that the kernel
accepted. The interface: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the
kernel.

Our groups are below the server's own group where that is possible, so that the server's
limits hold for them too, and otherwise below the root of the hierarchy. Those of one
server have a parent of their own (`parent_group.py`), by whose name a later server can
tell whose they were.
"""

import functools
import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import Limits
from aideator.sandbox.bubblewrap.parent_group import (
    SERVER_LEAF,
    Share,
    changing,
    parent_name,
    settle,
    share,
    stale_parents,
    write_setting,
)

_CPU_PERIOD_US = 100_000
_TRIES, _PAUSE_SECONDS = 400, 0.005


@dataclass(frozen=True)
class _Hierarchy:
    """One mounted tree of groups.

    Each tree of version 1 has some controllers; the one of version 2 has the rest.
    """

    version: int
    controllers: frozenset[str]
    """From the mount options of v1. Empty for v2, where each group has a list."""
    places: tuple[Path, ...]
    """Directories in which our parent directory may be created, best first."""


def _own_groups() -> dict[str, str]:
    """Return this process's group in each hierarchy, by controller; `""` is v2."""
    groups = dict[str, str]()
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    return groups


@functools.cache
def _hierarchies() -> tuple[_Hierarchy, ...]:
    """Return what is mounted. Read once: `_move_to_leaf` may change our group later."""
    own, found = _own_groups(), dict[frozenset[str], _Hierarchy]()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        where, _, what = line.partition(" - ")
        kind, _, options = what.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        controllers = (
            frozenset(options.split(",")).intersection(own)
            if kind == "cgroup"
            else frozenset[str]()
        )
        root, mount = where.split(" ")[3:5]
        path = own.get(min(controllers, default=""), "/")
        below = path.removeprefix(root) if path.startswith(root) else ""
        places = dict.fromkeys((Path(mount) / below.lstrip("/"), Path(mount)))
        version = 1 if kind == "cgroup" else 2
        found.setdefault(
            controllers,
            _Hierarchy(version, controllers, tuple(p for p in places if p.is_dir())),
        )
    return tuple(found.values())


def _cpu_settings(version: int, cpus: float) -> list[tuple[str, int | str]]:
    quota = max(1000, int(cpus * _CPU_PERIOD_US))
    if version == 2:
        return [("cpu.max", f"{quota} {_CPU_PERIOD_US}")]
    return [("cpu.cfs_quota_us", quota), ("cpu.cfs_period_us", _CPU_PERIOD_US)]


def _settings(version: int, limits: Limits) -> dict[str, list[tuple[str, int | str]]]:
    """Return the files to write for each limit.

    The first decides whether the limit holds; not every kernel has the others.
    """
    if version == 2:
        return {
            "memory": [
                ("memory.max", limits.memory_bytes),
                ("memory.swap.max", 0),
                ("memory.oom.group", 1),
            ],
            "pids": [("pids.max", limits.pids)],
            "cpu": _cpu_settings(2, limits.cpus),
        }
    return {
        "memory": [
            ("memory.limit_in_bytes", limits.memory_bytes),
            ("memory.memsw.limit_in_bytes", limits.memory_bytes),
            ("memory.swappiness", 0),
        ],
        "pids": [("pids.max", limits.pids)],
        "cpu": _cpu_settings(1, limits.cpus),
    }


def _members(group: Path) -> list[int]:
    """Return the processes in a group.

    Those of another pid namespace read as 0 and are left out: `kill(0)` would kill us.
    """
    with suppress(OSError):
        pids = map(int, (group / "cgroup.procs").read_text().split())
        return [pid for pid in pids if pid > 0]
    return []


def _move_to_leaf(place: Path) -> None:
    """Move this process into a leaf if it is alone in its v2 group.

    A group with members cannot have groups with controllers below it.
    """
    leaf = place / SERVER_LEAF
    if _members(place) == [os.getpid()]:
        with suppress(OSError):
            leaf.mkdir(exist_ok=True)
            write_setting(leaf / "cgroup.procs", os.getpid())


def _delegate(place: Path, controllers: frozenset[str]) -> None:
    """Enable controllers for groups below our parent directory, where allowed (v2)."""
    _move_to_leaf(place)
    for group in (place, place / parent_name()):
        for controller in sorted(controllers):
            write_setting(group / "cgroup.subtree_control", f"+{controller}")


def _usable(group: Path) -> frozenset[str]:
    with suppress(OSError):
        return frozenset((group / "cgroup.controllers").read_text().split())
    return frozenset()


def _make_group(
    hierarchy: _Hierarchy, name: str, wanted: frozenset[str]
) -> Path | None:
    """Create a group in the place that has most of the wanted controllers.

    Return None where none may be created.
    """
    best, best_gives = None, -1
    for place in hierarchy.places:
        group = _make_group_in(place, hierarchy.version, name, wanted)
        if group is None:
            continue
        gives = len(wanted & (hierarchy.controllers or _usable(group)))
        worse, best = (group, best) if gives <= best_gives else (best, group)
        best_gives = max(gives, best_gives)
        if worse:
            worse.rmdir()
            settle(worse.parent)
        if best_gives == len(wanted):
            break
    return best


def _make_group_in(
    place: Path, version: int, name: str, wanted: frozenset[str]
) -> Path | None:
    """Create a group below this server's parent in a directory; None if refused."""
    group = place / parent_name() / name
    try:
        group.parent.mkdir(exist_ok=True)
        if version == 2:
            _delegate(place, wanted)
        group.mkdir()
    except OSError:
        return None
    finally:
        settle(group.parent)
    return group


def _remove(group: Path) -> bool:
    """Remove an empty group; return its success.

    The last processes leave it some milliseconds after they were killed: retry.
    """
    for _ in range(_TRIES):
        with changing, suppress(OSError):
            group.rmdir()
        if not group.exists():
            with changing:
                settle(group.parent)
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _kill(group: Path) -> None:
    """Kill every process in a group.

    In one step where the kernel can (v2, Linux 5.14), else one by one with forks off.
    """
    if write_setting(group / "cgroup.kill", 1):
        return
    write_setting(group / "pids.max", 0)
    for _ in range(_TRIES):
        members = _members(group)
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return
        time.sleep(_PAUSE_SECONDS)


@dataclass(frozen=True)
class Cgroup:
    """The groups of one sandbox, one per hierarchy.

    Only `kill` and `remove` block, usually for milliseconds.
    """

    enforced: Mapping[str, str]
    """Limit → its enforcer, such as `{"memory": "cgroup v1"}`. Limits that no group
    enforces are missing."""
    groups: tuple[Path, ...]

    @classmethod
    def create(cls, name: str, limits: Limits) -> "Cgroup":
        """Create the groups and set the limits, as far as this machine allows.

        Never fails: see `enforced`.

        Args:
            name: Unique within this server; letters, digits, `-` and `_`.
            limits: Resources for all processes together. Memory includes tmpfs pages;
                there is no swap beyond it.
        """
        enforced, groups = dict[str, str](), list[Path]()
        on_v1 = frozenset[str]().union(
            *(hierarchy.controllers for hierarchy in _hierarchies())
        )
        for hierarchy in _hierarchies():
            settings = _settings(hierarchy.version, limits)
            wanted = (
                settings.keys() & hierarchy.controllers
                if hierarchy.version == 1
                else settings.keys() - on_v1
            )
            if hierarchy.version == 1 and not wanted:
                continue
            with changing:
                group = _make_group(hierarchy, name, frozenset(wanted))
            if group is None:
                continue
            groups.append(group)
            for limit in sorted(wanted):
                accepted = [
                    write_setting(group / file, value)
                    for file, value in settings[limit]
                ]
                if accepted[0]:
                    enforced[limit] = f"cgroup v{hierarchy.version}"
        return cls(enforced, tuple(groups))

    def add(self, pid: int) -> None:
        """Put a process, and those that it will start, under the limits.

        Raises:
            ProcessLookupError: if there is no such process.
        """
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(pid))

    def limit_cpus(self, cpus: float) -> None:
        """Change how many CPUs the processes may use together, where enforced."""
        for group in self.groups:
            version = 2 if (group / "cgroup.controllers").exists() else 1
            for file, value in _cpu_settings(version, cpus):
                write_setting(group / file, value)

    def kill(self) -> None:
        """Kill every process in the groups."""
        for group in self.groups:
            _kill(group)

    def remove(self) -> bool:
        """Remove the groups; return whether they became empty within two seconds."""
        return all([_remove(group) for group in self.groups])

    def oom_killed(self) -> bool:
        """Return whether the kernel killed a process because of the memory limit."""
        counts = self._read(r"^oom_kill (\d+)$", "memory.events", "memory.oom_control")
        return any(counts)

    def memory_peak(self) -> int | None:
        """Return the peak memory use in bytes, or None where it is unknown."""
        return max(
            self._read(r"^(\d+)$", "memory.peak", "memory.max_usage_in_bytes"),
            default=None,
        )

    def _read(self, pattern: str, *files: str) -> list[int]:
        found = list[str]()
        for group in self.groups:
            for name in files:
                with suppress(OSError):
                    text = (group / name).read_text()
                    found += re.findall(pattern, text, re.MULTILINE)
        return [int(number) for number in found]


def available() -> dict[str, str]:
    """Return the limits that groups enforce here, found out by creating a group."""
    trial = Cgroup.create("trial", Limits())
    trial.remove()
    return dict(trial.enforced)


def remove_stale() -> int:
    """Kill and remove the groups that crashed servers left; return their number."""
    removed = 0
    for hierarchy in _hierarchies():
        for place in hierarchy.places:
            for parent in stale_parents(place):
                # Another server may be removing them as well.
                for group in parent.glob("*/"):
                    _kill(group)
                    removed += _remove(group)
                with changing:
                    settle(parent)
    return removed


def sandboxes_share() -> Share | None:
    """Return the share of the processor of this server's open sandboxes together.

    None where no control group weighs them.
    """
    for hierarchy in _hierarchies():
        for place in hierarchy.places:
            if found := share(place / parent_name()):
                return found
    return None


def rlimits(limits: Limits, enforced: Mapping[str, str]) -> dict[str, int]:
    """Return per-process limits where groups enforce none, named as in prlimit(1).

    They must be set inside, after the user namespace exists: the kernel then counts
    `nproc` for this sandbox alone (Linux 5.14). Set earlier it would count all
    processes of the uid, and sandboxes would starve each other.

    `data` is advisory: it holds for each process by itself, and shared anonymous
    mappings escape it. `as` is not used: node reserves more address space than it uses
    and would not start.
    """
    found = dict[str, int]()
    if "memory" not in enforced:
        found["data"] = limits.memory_bytes
    if "pids" not in enforced:
        found["nproc"] = limits.pids
    return found
