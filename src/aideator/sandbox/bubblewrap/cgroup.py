"""Memory, CPU and process limits for one sandbox, by whatever control groups this machine grants.

Version 2 and version 1 may share the work on one machine (systemd's hybrid layout), and
any part may be read-only or missing (containers, users without delegation). So nothing
is guessed: each limit is written, and `Cgroup.enforced` names those that the kernel
took. Its interface: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.

Our groups lie below the server's own group where that is possible, so that they stay
under the limits that the server itself was given, and below the root of the hierarchy
otherwise. Each is named `NAME.PIDNS.PID` after its server, so that a later start can
tell whose it was.
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

PARENT = "aideator"
"""The directory, in each hierarchy, that holds our groups and nothing else."""

_CPU_PERIOD_US = 100_000
_TRIES, _PAUSE_SECONDS = 400, 0.005


@dataclass(frozen=True)
class _Hierarchy:
    """One mounted tree of groups.

    Each of v1's trees serves some controllers; the one of v2 serves the rest.
    """

    version: int
    controllers: frozenset[str]
    """Of v1's mount options; v2 says for each group what it may use."""
    places: tuple[Path, ...]
    """Where our parent directory may be made, best first."""


def _own_groups() -> dict[str, str]:
    """This process's group in each hierarchy, by controller; `""` is v2."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    groups = (line.split(":", 2) for line in lines)
    return {
        controller: path
        for _, controllers, path in groups
        for controller in controllers.split(",")
    }


@functools.cache
def _hierarchies() -> tuple[_Hierarchy, ...]:
    """What is mounted, best read once: `_step_aside` may change our own group later."""
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
    """The files to write for each limit, the decisive one first.

    Later ones are not on every kernel.
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


def _write(file: Path, value: int | str) -> bool:
    """Write one setting in one write, as the kernel wants it. Whether it was taken."""
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


def _members(group: Path) -> list[int]:
    """The processes in a group.

    One of another pid namespace reads as 0, and `kill(0)` would be us: left out.
    """
    with suppress(OSError):
        return [
            pid
            for pid in map(int, (group / "cgroup.procs").read_text().split())
            if pid > 0
        ]
    return []


def _step_aside(place: Path) -> None:
    """Move this process into a leaf if it is alone in its v2 group, since a group with members cannot be divided."""
    leaf = place / "aideator-server"
    if _members(place) == [os.getpid()]:
        with suppress(OSError):
            leaf.mkdir(exist_ok=True)
            _write(leaf / "cgroup.procs", os.getpid())


def _hand_down(place: Path, controllers: frozenset[str]) -> None:
    """Let the groups below our parent directory use the controllers (v2), as far as the kernel allows."""
    _step_aside(place)
    for group in (place, place / PARENT):
        for controller in sorted(controllers):
            _write(group / "cgroup.subtree_control", f"+{controller}")


def _usable(group: Path) -> frozenset[str]:
    with suppress(OSError):
        return frozenset((group / "cgroup.controllers").read_text().split())
    return frozenset()


def _make_group(
    hierarchy: _Hierarchy, name: str, wanted: frozenset[str]
) -> Path | None:
    """A new group in the place that gives most of the wanted controllers, or None where none may be made."""
    best, best_gives = None, -1
    for place in hierarchy.places:
        group = place / PARENT / name
        try:
            group.parent.mkdir(exist_ok=True)
            if hierarchy.version == 2:
                _hand_down(place, wanted)
            group.mkdir()
        except OSError:
            continue
        gives = len(wanted & (hierarchy.controllers or _usable(group)))
        worse, best, best_gives = (
            (best, group, gives) if gives > best_gives else (group, best, best_gives)
        )
        if worse:
            worse.rmdir()
        if best_gives == len(wanted):
            break
    return best


def _remove(group: Path) -> bool:
    """Remove an empty group.

    Its last processes leave some milliseconds after they were killed: try for a while.
    """
    for _ in range(_TRIES):
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _kill(group: Path) -> None:
    """Kill every process in a group: at once where the kernel can (v2, Linux 5.14), else by turns with forks off."""
    if _write(group / "cgroup.kill", 1):
        return
    _write(group / "pids.max", 0)
    for _ in range(_TRIES):
        members = _members(group)
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not members:
            return
        time.sleep(_PAUSE_SECONDS)


def _owner_tag() -> str:
    return f"{Path('/proc/self/ns/pid').stat().st_ino}.{os.getpid()}"


@dataclass(frozen=True)
class Cgroup:
    """The groups, one per hierarchy, that hold one sandbox.

    Only `kill` and `remove` block, mostly for milliseconds.
    """

    enforced: Mapping[str, str]
    """Limit → by what, such as `{"memory": "cgroup v1"}`. A limit that is missing here
    is not enforced by a group."""
    groups: tuple[Path, ...]

    @classmethod
    def create(cls, name: str, limits: Limits) -> "Cgroup":
        """Make the groups and set the limits, as far as this machine lets us.

        Never fails: read `enforced`.

        Args:
            name: Unique within this server; letters, digits, `-` and `_`.
            limits: What the processes may use together; memory includes tmpfs pages,
                and swap does not come on top.
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
            group = _make_group(hierarchy, f"{name}.{_owner_tag()}", frozenset(wanted))
            if group is None:
                continue
            groups.append(group)
            for limit in sorted(wanted):
                taken = [_write(group / file, value) for file, value in settings[limit]]
                if taken[0]:
                    enforced[limit] = f"cgroup v{hierarchy.version}"
        return cls(enforced, tuple(groups))

    def add(self, pid: int) -> None:
        """Put a process, and so all that it will start, under the limits.

        Raises:
            ProcessLookupError: if there is no such process.
        """
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(pid))

    def limit_cpus(self, cpus: float) -> None:
        """Change how many CPUs the processes may use together, where that is enforced."""
        for group in self.groups:
            version = 2 if (group / "cgroup.controllers").exists() else 1
            for file, value in _cpu_settings(version, cpus):
                _write(group / file, value)

    def kill(self) -> None:
        """End every process in here."""
        for group in self.groups:
            _kill(group)

    def remove(self) -> bool:
        """Remove the groups once they are empty.

        Whether that was so within some two seconds.
        """
        return all([_remove(group) for group in self.groups])

    def oom_killed(self) -> bool:
        """Whether the kernel has killed a process in here because of the memory limit."""
        return any(
            count > 0
            for count in self._read(
                r"^oom_kill (\d+)$", "memory.events", "memory.oom_control"
            )
        )

    def memory_peak(self) -> int | None:
        """The most memory that was in use at one time, in bytes, or None where the kernel does not tell."""
        return max(
            self._read(r"^(\d+)$", "memory.peak", "memory.max_usage_in_bytes"),
            default=None,
        )

    def _read(self, pattern: str, *files: str) -> list[int]:
        found = list[str]()
        for file in (group / name for group in self.groups for name in files):
            with suppress(OSError):
                found += re.findall(pattern, file.read_text(), re.MULTILINE)
        return [int(number) for number in found]


def available() -> dict[str, str]:
    """Which limits groups can enforce here and by what, found by making one and removing it."""
    trial = Cgroup.create("trial", Limits())
    trial.remove()
    return dict(trial.enforced)


def remove_stale(prefix: str = "") -> int:
    """Kill and remove the groups that a crashed server left, and return how many.

    Groups of a server in another pid namespace are left alone: whether it lives cannot
    be seen from here.
    """
    namespace, _ = _owner_tag().split(".")
    removed = 0
    for place in (place for hierarchy in _hierarchies() for place in hierarchy.places):
        for group in (place / PARENT).glob(f"{prefix}*.{namespace}.*"):
            if Path("/proc", group.name.rpartition(".")[2]).is_dir():
                continue
            _kill(group)
            removed += _remove(group)
    return removed


def rlimits(limits: Limits, enforced: Mapping[str, str]) -> dict[str, int]:
    """What is left where groups do not enforce a limit: per-process resource limits, named as prlimit(1) names them.

    Apply them *inside*, after the user namespace exists: the kernel then counts `nproc`
    for this sandbox alone (Linux 5.14); set earlier it would count all processes of the
    uid, and sandboxes would starve each other.

    `data` is advisory: it holds for each process by itself, and shared anonymous
    mappings escape it. Not `as`: node reserves more address space than it uses and
    would not start.
    """
    found = dict[str, int]()
    if "memory" not in enforced:
        found["data"] = limits.memory_bytes
    if "pids" not in enforced:
        found["nproc"] = limits.pids
    return found
