"""Holds the limits of one container's processes as far as somebody can who only looks, a few times a second.

Dagger gives an exec no limits of its own. What one process may do is held by the kernel
(rlimits); what all may do together is summed up here, from /proc, and answered with
signals: what takes most memory is killed, what takes too much of the processors is
stopped for a while. Between two looks anything can happen, and the host is told so.
"""

import json
import os
import select
import signal
import time
from contextlib import suppress
from typing import Any

from aideator.sandbox.dagger.inside.change import entries

TICK_SECONDS = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_DISK_SHARE = 0.1
"""The part of a core that looking at the disk may cost."""
_ANSWER_SECONDS = 0.5
MEMORY, DISK, WALL_CLOCK, PIDS = "memory", "disk", "wall clock", "pids"
"""Why something was killed."""


class Crowd:
    """All processes of one uid, whatever they hide: /proc shows a uid's processes to root."""

    def __init__(self, uid: int, spared: int) -> None:
        """Say whose they are, and which of them is ours: the one that talks to the host."""
        self._uid, self._spared = uid, spared
        self._cpu: dict[int, float] = {}
        self._ended = 0.0
        self.memory: dict[int, int] = {}
        """Process → bytes, at most: a page that several share counts for each."""
        self.cpu_seconds = 0.0

    def look(self) -> None:
        """Count what they use."""
        memory, cpu = {}, {}
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            with suppress(OSError):  # it may have just ended
                fields = _status(pid)
                if fields.get("Uid", "").split()[:1] == [str(self._uid)]:
                    memory[pid] = sum(
                        _bytes(fields.get(name, "0 kB"))
                        for name in ("RssAnon", "RssShmem", "VmSwap")
                    )
                    cpu[pid] = _cpu_seconds(pid)
        self._ended += sum(
            seconds for pid, seconds in self._cpu.items() if pid not in cpu
        )
        self._cpu, self.memory = cpu, memory
        self.cpu_seconds = self._ended + sum(cpu.values())

    def takes_more_than(self, limit: int) -> bool:
        """Whether they use more memory than that, pages that several of them share counted once."""
        if sum(self.memory.values()) <= limit:
            return False
        # Only now, for it costs a process: what each may be charged with can only be
        # read by one of their own.
        self.memory |= _proportional(self._uid, list(self.memory))
        return sum(self.memory.values()) > limit

    def kill_largest(self) -> None:
        """Do what the kernel would when memory runs out. Ours holds next to nothing."""
        others = {pid: size for pid, size in self.memory.items() if pid != self._spared}
        if others:
            _signal(max(others, key=others.__getitem__), signal.SIGKILL)

    def pause(self, *, on: bool) -> None:
        """Stop all but ours, or let them go on."""
        for pid in self.memory:
            if pid != self._spared:
                _signal(pid, signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        """End all of them, in one call of the kernel's, however fast they multiply."""
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(self._uid, self._uid, self._uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def _proportional(uid: int, pids: "list[int]") -> "dict[int, int]":
    """Process → bytes, what it shares divided by those who share it; without what cannot be read, or not in time."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            found = {}
            for pid in pids:
                with suppress(OSError):
                    found[pid] = _pss(pid)
            os.write(writing, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writing)
    # It has their uid, so any of them may have stopped it: then it is of no use, and
    # they count in full.
    told = (
        os.read(reading, 65_536)
        if select.select([reading], [], [], _ANSWER_SECONDS)[0]
        else b""
    )
    os.close(reading)
    _signal(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {int(pid): size for pid, size in json.loads(told or b"{}").items()}


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.partition(":")[::2] for line in file)
    return sum(_bytes(fields[name]) for name in ("Pss_Anon", "Pss_Shmem", "SwapPss"))


def _status(pid: int) -> "dict[str, str]":
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return dict(line.rstrip("\n").partition(":\t")[::2] for line in file)


def _bytes(field: str) -> int:
    return int(field.split()[0]) * 1024


def _cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Share:
    """An allowance of processor time: it grows with the clock up to what one second gives, and use is taken from it."""

    def __init__(self, order: "dict[str, Any]", begun: float) -> None:
        self._order, self._begun, self._last = order, begun, begun
        self._left = 0.0

    def is_overdrawn(self, used: float, now: float) -> bool:
        """Whether more was used than there is, after `used` more seconds of processor time."""
        early = now - self._begun < self._order["start_seconds"]
        cpus = max(self._order["cpus"], self._order["start_cpus"] if early else 0.0)
        self._left = min(self._left + cpus * (now - self._last), cpus) - used
        self._last = now
        return self._left < 0


class Disk:
    """How much has been written below the workspace.

    Where looking takes long, it happens more rarely.
    """

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._before = self._used()
        self._next = 0.0

    def grown(self, now: float) -> int:
        """Bytes more than at the start; 0 when it is not time to look."""
        if now < self._next:
            return 0
        grown = self._used() - self._before
        self._next = now + max(0.5, (time.monotonic() - now) / _DISK_SHARE)
        return grown

    def _used(self) -> int:
        # A hard link counts its share, or the same bytes would count for each name.
        statuses = (
            status for _, status in entries(self._workspace) if status is not None
        )
        return sum(
            status.st_blocks * 512 // max(1, status.st_nlink) for status in statuses
        )


def supervise(order: "dict[str, Any]", child: int) -> "dict[str, Any]":
    """Hold the limits until the child ends, then end the rest, and say how it went."""
    crowd, disk, begun = (
        Crowd(order["uid"], child),
        Disk(order["workspace"]),
        time.monotonic(),
    )
    share, paused, reasons, code = Share(order, begun), False, list[str](), None
    while code is None:
        time.sleep(TICK_SECONDS)
        now, before = time.monotonic(), crowd.cpu_seconds
        crowd.look()
        overdrawn = share.is_overdrawn(crowd.cpu_seconds - before, now)
        if overdrawn or paused:
            crowd.pause(on=overdrawn)
            paused = overdrawn
        if crowd.takes_more_than(order["memory_bytes"]):
            reasons.append(MEMORY)
            crowd.kill_largest()
        for reason, passed in (
            (DISK, disk.grown(now) > order["disk_bytes"]),
            (PIDS, len(crowd.memory) > 2 * order["pids"]),
            (WALL_CLOCK, 0 < order["wall_seconds"] < now - begun),
        ):
            if passed:
                reasons.append(reason)
                crowd.kill()
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
    crowd.kill()
    return {
        "code": code if code >= 0 else 128 - code,
        "reasons": sorted(set(reasons)),
        "cpu_seconds": round(crowd.cpu_seconds, 2),
    }
