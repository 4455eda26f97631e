"""A machine that fails beneath a server at work, and recovers.

The state directory has a file system of its own, which the test fills, exhausts or
makes read-only; it locks the database, and sets the clock that the server sees. The
machine's own disk and clock are never touched.
"""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.testing import scripted_model
from tests.actions import (
    PROMPT,
    Server,
    bodies,
    is_dense,
    server,
    stream,
    submit,
)
from tests.conftest import PATIENCE
from tests.torture.conftest import FACTOR, Leftovers
from tests.torture.test_kill import WORK, recorded

FAULT_SECONDS = 2.0
SETTLED = {"finished", "failed", "cancelled"}

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount a file system for the fault"
)


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    """A small file system for the state directory alone."""
    state = home / "state"
    state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1g,nr_inodes=40k", "tmpfs", str(state)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield state
    subprocess.run(["umount", "--lazy", str(state)], check=True)


@contextmanager
def full(state: Path) -> Iterator[None]:
    """No space is left on the disk."""
    filler = state / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(2**20))
    yield
    filler.unlink()


@contextmanager
def without_inodes(state: Path) -> Iterator[None]:
    """No file can be made any more."""
    filler = state / "fillers"
    filler.mkdir()
    with suppress(OSError):
        for number in range(10**6):
            (filler / str(number)).touch()
    yield
    shutil.rmtree(filler)


@contextmanager
def read_only(state: Path) -> Iterator[None]:
    """The disk went read-only, as after an error of the hardware."""
    # A bind mount can change while files are open for writing; a file system cannot.
    subprocess.run(["mount", "--bind", str(state), str(state)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True)
    yield
    subprocess.run(["umount", "--lazy", str(state)], check=True)


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Another process writes to the database and does not end."""
    with closing(sqlite3.connect(state / "aideator.db", isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 30000")
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


FAULTS = [full, without_inodes, read_only, locked] * max(1, FACTOR // 10)


async def run_beneath(
    home: Path, running: Server, repo: Path, fault: Any, chance: random.Random
) -> tuple[str, list[Any]]:
    """Submit a run, and let a fault come and go while it is at work."""
    asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2}
    async with running.client() as client:
        run_id = await submit(client, asked)
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        seen = await recorded(client, run_id)
        broken = fault(home / "state")
        await asyncio.to_thread(broken.__enter__)
        try:
            await asyncio.sleep(FAULT_SECONDS)
        finally:
            await asyncio.to_thread(broken.__exit__, None, None, None)
    return run_id, seen


async def ended(client: httpx2.AsyncClient, run_id: str) -> dict[str, Any]:
    """Wait until a run has reached an end, and return it."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(httpx2.TransportError):
                answer = await client.get(f"/runs/{run_id}")
                # Not while the fault is still felt: 503 then.
                if answer.status_code == 200 and answer.json()["status"] in SETTLED:
                    return dict(answer.json())
            await asyncio.sleep(0.1)


@needs_root
@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_disk_ends_in_an_end_and_the_next_run_works(
    fault: Callable[[Path], Any],
    disk: Path,
    repo: Path,
    chance: random.Random,
    leftovers: Leftovers,
) -> None:
    home = disk.parent
    async with scripted_model(WORK) as model:
        async with server(home, model.url, MAX_ATTEMPTS="100") as first:
            run_id, seen = await run_beneath(home, first, repo, fault, chance)
            leftovers.note()
            if first.process.returncode is None:
                async with first.client() as client:
                    await ended(client, run_id)
        async with (
            server(home, model.url, MAX_ATTEMPTS="100") as second,
            second.client() as client,
        ):
            await ended(client, run_id)
            whole = await stream(client, run_id)
            asked = {"repo_url": str(repo), "prompt": f"{PROMPT}!", "variations": 2}
            later = await ended(client, await submit(client, asked))
            leftovers.note()
    assert whole[: len(seen)] == seen
    assert is_dense(whole)
    assert len(bodies(whole, "complete")) >= 1
    assert whole[-1].body.kind == "complete"
    assert later["status"] == "finished"
    assert leftovers.found() == []


FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


@pytest.mark.slow
@pytest.mark.skipif(
    FAKETIME is None, reason="no libfaketime is installed, to set a server's clock"
)
@pytest.mark.parametrize("jump", ["-1d", "+1d"])
async def test_a_clock_that_jumps_by_a_day_ends_nothing_early_and_holds_nothing_up(
    jump: str, home: Path, repo: Path, leftovers: Leftovers
) -> None:
    clock = home / "clock"
    clock.write_text("+0d\n")
    env = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    async with (
        scripted_model(WORK) as model,
        server(home, model.url, **env) as running,
        running.client() as client,
    ):
        asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2}
        first = await submit(client, asked)
        await stream(client, first, stop_at=7)
        clock.write_text(f"{jump}\n")
        leftovers.note()
        run, whole = await ended(client, first), await stream(client, first)
        later = await ended(
            client, await submit(client, asked | {"prompt": f"{PROMPT}!"})
        )
        listed = [each["id"] for each in (await client.get("/runs")).json()["runs"]]
    for each in (run, later):
        assert each["status"] == "finished"
        assert {v["status"] for v in each["variations"]} == {"finished"}
        assert {v["attempt"] for v in each["variations"]} == {1}
    assert is_dense(whole)
    assert sorted(listed) == sorted([run["id"], later["id"]])
    days = abs(whole[-1].at - whole[0].at).total_seconds() / 86_400
    assert days == pytest.approx(1, abs=0.1), "the server did not see the jump"
    assert leftovers.found() == []
