"""Hold the limits of a container's processes, by reading /proc ten times a second.

Dagger gives an exec no limits of its own. The kernel holds those of each process
(rlimits). Those of all processes together are summed up here and held by signals: the
process with most memory is killed, and processes that take too much of the processors
are stopped for a while. Between two rounds anything can happen; the host reports these
limits as advisory.
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
"""Share of a core that measuring the disk may cost."""
_ANSWER_SECONDS = 0.5
MEMORY, DISK, WALL_CLOCK, PIDS = "memory", "disk", "wall clock", "pids"
"""Reasons for a kill, as in the final record."""


class UserProcesses:
    """All processes of one uid. They cannot hide: /proc shows them all to root."""

    def __init__(self, uid: int, spared: int) -> None:
        """Configure them.

        Args:
            uid: Their uid.
            spared: Process id of the shim, which is neither killed nor stopped.
        """
        self._uid, self._spared = uid, spared
        self._cpu: dict[int, float] = {}
        self._ended = 0.0
        self.memory: dict[int, int] = {}
        """Process → bytes; an upper bound: a shared page counts for each process."""
        self.cpu_seconds = 0.0

    def measure(self) -> None:
        """Read what they use."""
        memory, cpu = {}, {}
        for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            with suppress(OSError):  # it may have ended meanwhile
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
        """Return whether they use more bytes of memory, shared pages counted once."""
        if sum(self.memory.values()) <= limit:
            return False
        # Only now, because it costs a process: only one of their uid can read their
        # proportional shares.
        self.memory |= _proportional(self._uid, list(self.memory))
        return sum(self.memory.values()) > limit

    def kill_largest(self) -> None:
        """Kill the process with most memory, as the kernel would when out of memory."""
        others = {pid: size for pid, size in self.memory.items() if pid != self._spared}
        if others:
            _signal(max(others, key=others.__getitem__), signal.SIGKILL)

    def pause(self, *, on: bool) -> None:
        """Stop all but the shim, or continue them."""
        for pid in self.memory:
            if pid != self._spared:
                _signal(pid, signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        """Kill all of them by one system call, which no fork can outrun."""
        child = os.fork()
        if child == 0:
            try:
                os.setresuid(self._uid, self._uid, self._uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        os.waitpid(child, 0)


def _proportional(uid: int, pids: "list[int]") -> "dict[int, int]":
    """Return the proportional set size of each process, in bytes (`Pss` in proc(5)).

    Processes that cannot be read, or not in time, are left out.
    """
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
    # The child has their uid, so any of them may have stopped it. Without an answer
    # they count in full.
    answer = b""
    if select.select([reading], [], [], _ANSWER_SECONDS)[0]:
        answer = os.read(reading, 65_536)
    os.close(reading)
    _signal(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {int(pid): size for pid, size in json.loads(answer or b"{}").items()}


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


class CpuAllowance:
    """Token bucket of processor time, filled by the clock up to one second's worth."""

    def __init__(self, config: "dict[str, Any]", begun: float) -> None:
        self._config, self._begun, self._last = config, begun, begun
        self._left = 0.0

    def is_overdrawn(self, used: float, now: float) -> bool:
        """Take `used` seconds of processor time; return whether that was too much."""
        early = now - self._begun < self._config["start_seconds"]
        cpus = max(self._config["cpus"], self._config["start_cpus"] if early else 0.0)
        self._left = min(self._left + cpus * (now - self._last), cpus) - used
        self._last = now
        return self._left < 0


class DiskUsage:
    """Bytes written below the workspace. Large trees are measured more rarely."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._before = self._used()
        self._next = 0.0

    def grown(self, now: float) -> int:
        """Return the bytes more than at the start; 0 when it is not time to measure."""
        if now < self._next:
            return 0
        grown = self._used() - self._before
        self._next = now + max(0.5, (time.monotonic() - now) / _DISK_SHARE)
        return grown

    def _used(self) -> int:
        # A hard link counts its share, or the same bytes would count for each name.
        return sum(
            status.st_blocks * 512 // max(1, status.st_nlink)
            for _, status in entries(self._workspace)
            if status is not None
        )


def supervise(config: "dict[str, Any]", child: int) -> "dict[str, Any]":
    """Hold the limits until the child ends, then kill the rest.

    Args:
        config: The launcher's config, with the limits.
        child: The process to wait for, which is spared.

    Returns:
        The final record: exit code, reasons for kills, seconds of processor time.
    """
    processes = UserProcesses(config["uid"], child)
    disk, begun = DiskUsage(config["workspace"]), time.monotonic()
    allowance = CpuAllowance(config, begun)
    paused, reasons, code = False, list[str](), None
    while code is None:
        time.sleep(TICK_SECONDS)
        now, before = time.monotonic(), processes.cpu_seconds
        processes.measure()
        overdrawn = allowance.is_overdrawn(processes.cpu_seconds - before, now)
        if overdrawn or paused:
            processes.pause(on=overdrawn)
            paused = overdrawn
        if processes.takes_more_than(config["memory_bytes"]):
            reasons.append(MEMORY)
            processes.kill_largest()
        for reason, passed in (
            (DISK, disk.grown(now) > config["disk_bytes"]),
            (PIDS, len(processes.memory) > 2 * config["pids"]),
            (WALL_CLOCK, 0 < config["wall_seconds"] < now - begun),
        ):
            if passed:
                reasons.append(reason)
                processes.kill()
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
    processes.kill()
    return {
        "code": code if code >= 0 else 128 - code,
        "reasons": sorted(set(reasons)),
        "cpu_seconds": round(processes.cpu_seconds, 2),
    }
