"""kill -9: at every await of a run's end, and at random moments of a whole server."""

import asyncio
import random
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.events import Event
from aideator.domain.run import RunStatus
from aideator.engine.run import conclude
from aideator.eventlog.sql import open_event_log
from aideator.sandbox.leftovers import marker
from aideator.store import runs
from aideator.store.home import runtime_dir
from aideator.store.session import open_database
from aideator.testing import scripted_model
from tests.actions import PROMPT, bodies, is_dense, server, start_server, stream, submit
from tests.engine.test_conclude import Context
from tests.torture.conftest import FACTOR, Leftovers

CONCLUDE_AND_DIE = Path(__file__).with_name("conclude_and_die.py")
WORK: dict[str, Any] = {
    "lanes": {
        "default": [
            {"say": "I look.", "calls": [{"bash": {"command": "cat calc.py"}}]},
            {
                "calls": [
                    {"bash": {"command": "sed -i 's/a - b/a + b/' calc.py; sleep 0.3"}}
                ]
            },
            {"say": "Done."},
        ]
    }
}
RUN_SECONDS = 4.0
"""About what such a run takes, from the submission to its end."""


@pytest.mark.slow
async def test_a_server_killed_at_any_await_of_a_run_s_end_ends_it_once_later(
    home: Path,
) -> None:
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(CONCLUDE_AND_DIE), str(home)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    places = int(killed.stdout)
    assert places > 10
    for place in range(places):
        async with (
            open_database(f"sqlite+aiosqlite:///{home}/{place}.db") as database,
            open_event_log(database) as log,
        ):
            context: Any = Context(database, log)
            for _ in range(2):  # as the next start does, and the one after it
                assert await conclude(context, "run")
            async with database.read() as session:
                run = await runs.get(session, "run")
                assert run.status is RunStatus.FINISHED
                assert await runs.unannounced(session) == []
            entries = await log.read("run")
        events = [Event.model_validate_json(entry.data) for entry in entries]
        assert is_dense(events), f"killed at await {place}"
        assert len(bodies(events, "complete")) == 1, f"killed at await {place}"
        assert events[-1].body.kind == "complete", f"killed at await {place}"


@pytest.mark.slow
@pytest.mark.parametrize("number", range(FACTOR))
async def test_a_server_killed_at_a_random_moment_loses_nothing(
    number: int,
    home: Path,
    repo: Path,
    chance: random.Random,
    leftovers: Leftovers,
) -> None:
    kills = chance.randint(1, 4)
    seen: list[Event] = []
    async with scripted_model(WORK) as model:
        asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2}
        run_id = ""
        for _ in range(kills):
            running = await start_server(home, model.url, MAX_ATTEMPTS="100")
            async with running.client() as client:
                run_id = run_id or await submit(client, asked)
                with suppress(TimeoutError):
                    async with asyncio.timeout(chance.uniform(0, RUN_SECONDS)):
                        await stream(client, run_id)
                seen = await recorded(client, run_id)
                leftovers.note()
                await running.kill()
        async with (
            server(home, model.url, MAX_ATTEMPTS="100") as last,
            last.client() as client,
        ):
            whole = await stream(client, run_id)
            run = (await client.get(f"/runs/{run_id}")).json()
    assert run["status"] == "finished"
    assert {v["verdict"]["patch"]["additions"] for v in run["variations"]} == {1}
    assert whole[: len(seen)] == seen
    assert is_dense(whole)
    assert len(bodies(whole, "complete")) == 1
    assert leftovers.found() == []


async def recorded(client: Any, run_id: str) -> list[Event]:
    """Return the events that are stored now."""
    page = await client.get(f"/runs/{run_id}/events", params={"limit": 1000})
    return [Event.model_validate(event) for event in page.json()["events"]]


@pytest.mark.slow
async def test_a_bubblewrap_killed_at_any_moment_of_its_start_is_gone_after_the_next(
    home: Path, repo: Path, chance: random.Random, leftovers: Leftovers
) -> None:
    """Kills the server's children while sandboxes open, and then the server."""
    async with scripted_model(WORK) as model:
        asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2}
        for _ in range(2 + FACTOR // 5):
            running = await start_server(home, model.url, MAX_ATTEMPTS="100")
            async with running.client() as client:
                await submit(client, asked)
                await first_sandbox(running.process.pid)
                await asyncio.sleep(chance.uniform(0, 0.03))
                leftovers.note()
                await running.kill()
        async with (
            server(home, model.url, MAX_ATTEMPTS="100") as last,
            last.client() as client,
        ):
            for run in (await client.get("/runs")).json()["runs"]:
                await stream(client, run["id"])
    assert leftovers.found() == []


async def first_sandbox(server_pid: int) -> None:
    """Wait until a server has started a program that opens a sandbox.

    The program's name can be seen for some milliseconds: it becomes another one. On a
    busy machine all may be missed, so the wait ends where the run may have.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(RUN_SECONDS):
            while True:
                if opens_sandbox(server_pid):
                    return
                await asyncio.sleep(0.002)  # no event tells


def opens_sandbox(server_pid: int) -> bool:
    # The kernel lists the children of each thread apart.
    listed = Path(f"/proc/{server_pid}/task").glob("*/children")
    for pid in " ".join(children.read_text() for children in listed).split():
        with suppress(OSError):  # gone
            if re.search(rb"bwrap|unshare", Path(f"/proc/{pid}/cmdline").read_bytes()):
                return True
    return False


async def test_a_process_without_its_server_is_ended_at_the_next_start(
    home: Path, repo: Path, leftovers: Leftovers
) -> None:
    left = await asyncio.create_subprocess_exec(
        "sleep", "1000", env=marker(runtime_dir(home / "state"))
    )
    other = await asyncio.create_subprocess_exec(
        "sleep", "1000", env=marker(Path("/elsewhere"))
    )
    async with scripted_model(WORK) as model, server(home, model.url):
        assert await left.wait() == -signal.SIGKILL
        assert other.returncode is None
    other.kill()
    await other.wait()
    assert leftovers.found() == []
