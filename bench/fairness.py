"""Fairness: a sandbox's share of the processor beside N busy processes.

    python -m bench.fairness [--sandboxes 4] [--busy 20] [--seconds 5]

Each sandbox runs one process that never sleeps. Printed is the processor time that one
of them gets beside N such processes of other sessions, as a ratio to what one of those
gets: 1.00 is fair. Before: with the weight of one process for all sandboxes together,
which is what a control group has by itself. After: as this version sets it.

Then how late a process beside them wakes up that sleeps most of the time, as a server
does.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import Limits, Tree
from aideator.sandbox.bubblewrap.cgroup import Cgroup, sandboxes_share
from aideator.sandbox.bubblewrap.parent_group import settle, write_setting
from aideator.sandbox.registry import open_backend
from bench.sandbox import make_home

SPIN = "while True: pass"
SLEEP_SECONDS, WORK_SECONDS = 0.01, 0.001
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """Shares of one processor, and how late the sleeper woke, in milliseconds."""

    sandbox: float
    other: float
    late: list[float]

    def print(self, name: str) -> None:
        """Print a line."""
        late = statistics.quantiles(self.late, n=100)
        ratio = self.sandbox / max(self.other, 0.001)
        print(
            f"{name:8} sandbox {self.sandbox:6.3f} CPU   other {self.other:6.3f} CPU"
            f"   sandbox / other {ratio:5.2f}"
            f"   sleeper late p50 {late[49]:5.1f} ms, p99 {late[98]:6.1f} ms"
        )


@contextmanager
def busy_processes(number: int) -> Iterator[list[int]]:
    """Keep processes busy, each in a session of its own."""
    started = [
        subprocess.Popen([sys.executable, "-c", SPIN], start_new_session=True)
        for _ in range(number)
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def used(pids: list[int]) -> float:
    """Return the processor seconds of the processes, on average."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS / max(1, len(pids))


def wake_up(until: float, late: list[float]) -> None:
    """Sleep and work in turn, and note how much longer each turn took."""
    while (began := time.monotonic()) < until:
        time.sleep(SLEEP_SECONDS)
        worked = time.thread_time()
        while time.thread_time() - worked < WORK_SECONDS:
            pass
        took = time.monotonic() - began
        late.append((took - SLEEP_SECONDS - WORK_SECONDS) * 1000)


def measure(sandboxes: list[int], others: list[int], seconds: float) -> Measured:
    late = list[float]()
    before = used(sandboxes), used(others)
    began = time.monotonic()
    wake_up(began + seconds, late)
    took = time.monotonic() - began
    after = used(sandboxes), used(others)
    return Measured((after[0] - before[0]) / took, (after[1] - before[1]) / took, late)


def spinning_in(parent: Path) -> list[int]:
    """Return the busiest process of each sandbox below a parent group."""
    found = []
    for group in sorted(parent.glob("*/")):
        pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
        found.append(max(pids, key=lambda pid: used([pid])))
    return found


def weigh_as_one(parent: Path) -> None:
    write_setting(parent / "cpu.shares", 1024)
    write_setting(parent / "cpu.weight", 100)


async def main(sandboxes: int, busy: int, seconds: float) -> None:
    home = make_home()
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    limits = Limits(cpus=float(os.cpu_count() or 1))
    try:
        async with AsyncExitStack() as opened:
            for _ in range(sandboxes):
                sandbox = await opened.enter_async_context(
                    backend.open(Tree((home / "base",)), limits)
                )
                await sandbox.spawn(["sh", "-c", "while :; do :; done"])
            if sandboxes_share() is None:
                print("SKIP: no control group divides the processor here")
                return
            parent = _parent()
            with busy_processes(busy) as others:
                await asyncio.sleep(1.0)
                inside = spinning_in(parent)
                print(f"{sandboxes} sandboxes beside {busy} busy processes")
                weigh_as_one(parent)
                before = await asyncio.to_thread(measure, inside, others, seconds)
                before.print("before")
                settle(parent)
                after = await asyncio.to_thread(measure, inside, others, seconds)
                after.print("after")
                ratio = after.sandbox / max(before.sandbox, 0.001)
                print(f"a sandbox's share, after / before {ratio:.2f}")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _parent() -> Path:
    """Return this process's parent group in the hierarchy that divides processors."""
    trial = Cgroup.create("trial", Limits())
    parents = [group.parent for group in trial.groups]
    trial.remove()
    return next(
        parent
        for parent in parents
        if (parent / "cpu.shares").exists() or (parent / "cpu.weight").exists()
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--sandboxes", type=int, default=4)
    parser.add_argument("--busy", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.sandboxes, arguments.busy, arguments.seconds))
