"""Faults, as often as is wanted.

`make torture` repeats each fault many times, any other run of the tests a few. What is
chosen by chance comes from a seed that is printed when a test fails:

    TORTURE=100 TORTURE_SEED=1234 pytest tests/torture
"""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aideator.sandbox.leftovers import marker
from aideator.store.home import runtime_dir

FACTOR = int(os.environ.get("TORTURE", "1"))
"""How many times as often as in an ordinary run of the tests a fault is repeated."""


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers, which the same TORTURE_SEED repeats."""
    seed = os.environ.get("TORTURE_SEED") or str(random.SystemRandom().randrange(10**9))
    sys.stdout.write(f"TORTURE_SEED={seed}\n")
    return random.Random(f"{seed} {request.node.name}")


class Leftovers:
    """What servers of a state directory may have left on the machine."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._state = home / "state"
        self._sandboxes = set[str]()

    def note(self) -> None:
        """Note which sandboxes are open, before a server is killed."""
        run = runtime_dir(self._state)
        self._sandboxes |= {path.name for path in run.glob("*") if path.is_dir()}

    def found(self) -> list[str]:
        """Return what is left: processes, mounts, control groups, sockets, files."""
        return [*self._processes(), *self._mounts(), *self._groups(), *self._files()]

    def _processes(self) -> Iterator[str]:
        ((name, value),) = marker(runtime_dir(self._state).absolute()).items()
        signs = (f"{name}={value}".encode(), os.fsencode(self._home))
        for process in Path("/proc").glob("[0-9]*"):
            try:
                said = (process / "environ").read_bytes()
                said += (process / "cmdline").read_bytes()
            except OSError:  # gone
                continue
            if any(sign in said for sign in signs):
                yield f"process {process.name}: {said[-200:]!r}"

    def _mounts(self) -> Iterator[str]:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            if f"{self._state}/" in line:
                yield f"mount {line}"

    def _groups(self) -> Iterator[str]:
        for top, names, _ in os.walk("/sys/fs/cgroup"):
            for name in self._sandboxes.intersection(names):
                yield f"control group {top}/{name}"

    def _files(self) -> Iterator[str]:
        for folder in (runtime_dir(self._state), self._state / "forks"):
            for path in folder.glob("*"):
                yield f"file {path}"


@pytest.fixture
def leftovers(home: Path) -> Leftovers:
    return Leftovers(home)
