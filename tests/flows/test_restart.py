"""A server that dies loses no recorded event; the next start continues the work."""

import os
from pathlib import Path
from typing import Any

import pytest

from aideator.testing import scripted_model
from tests.actions import PROMPT, bodies, is_dense, server, start_server, stream, submit
from tests.conftest import comes_true

SLOW: dict[str, Any] = {
    "lanes": {
        "default": [
            {
                "say": "I look.",
                "calls": [{"bash": {"command": "sleep 1; cat calc.py"}}],
            },
            {
                "calls": [
                    {
                        "bash": {
                            "command": (
                                "sed -i 's/return a - b/return a + b/' calc.py "
                                "&& sleep 1"
                            )
                        }
                    }
                ]
            },
            {"say": "Done."},
        ]
    }
}


def asked(repo: Path, variations: int = 2) -> dict[str, object]:
    return {"repo_url": str(repo), "prompt": PROMPT, "variations": variations}


@pytest.mark.slow
async def test_after_kill_9_in_mid_run_the_next_start_completes_it_without_a_gap(
    home: Path, repo: Path
) -> None:
    async with scripted_model(SLOW) as model:
        first = await start_server(home, model.url)
        async with first.client() as client:
            run_id = await submit(client, asked(repo))
            before = await stream(client, run_id, stop_at=7)
        await first.kill()

        async with server(home, model.url) as second, second.client() as client:
            after = await stream(client, run_id, after=before[-1].seq)
            whole = await stream(client, run_id)
            run = (await client.get(f"/runs/{run_id}")).json()
    assert is_dense(whole)
    assert [*before, *after] == whole
    assert run["status"] == "finished"
    assert {v["attempt"] for v in run["variations"]} == {2}
    assert len(bodies(whole, "complete")) == 1
    assert not list((home / "state" / "forks").glob("*"))


@pytest.mark.slow
async def test_nothing_that_ran_in_a_sandbox_outlives_a_killed_server(
    home: Path, repo: Path
) -> None:
    marker = f"31{os.getpid()}.7"
    lanes = {
        "default": [
            {"calls": [{"bash": {"command": f"sleep {marker}"}}]},
            {"say": "Done."},
        ]
    }
    async with scripted_model({"lanes": lanes}) as model:
        running = await start_server(home, model.url)
        async with running.client() as client:
            await client.post("/runs", json=asked(repo, 1))
            await comes_true(lambda: sleepers(marker) > 0)
        await running.kill()
        await comes_true(lambda: sleepers(marker) == 0)


@pytest.mark.slow
async def test_a_server_that_is_stopped_in_good_order_hands_its_work_back(
    home: Path, repo: Path
) -> None:
    async with scripted_model(SLOW) as model:
        async with (
            server(home, model.url, MAX_ATTEMPTS="1") as first,
            first.client() as client,
        ):
            run_id = await submit(client, asked(repo, 1))
            await stream(client, run_id, stop_at=7)
        assert first.process.returncode == 0
        # A stop in good order does not count towards the crash loop, whose cap is one
        # here.
        async with (
            server(home, model.url, MAX_ATTEMPTS="1") as second,
            second.client() as client,
        ):
            await stream(client, run_id)
            assert (await client.get(f"/runs/{run_id}")).json()["status"] == "finished"


@pytest.mark.slow
async def test_a_variation_that_never_gets_far_ends_as_a_crash_loop(
    home: Path, repo: Path
) -> None:
    async with scripted_model(SLOW) as model:
        first = await start_server(home, model.url, MAX_ATTEMPTS="1")
        async with first.client() as client:
            run_id = await submit(client, asked(repo, 1))
            await stream(client, run_id, stop_at=5)
        await first.kill()
        async with (
            server(home, model.url, MAX_ATTEMPTS="1") as second,
            second.client() as client,
        ):
            events = await stream(client, run_id)
            run = (await client.get(f"/runs/{run_id}")).json()
    assert is_dense(events)
    assert run["status"] == "failed"
    assert run["variations"][0]["failure"]["reason"] == "CrashLoop"


def sleepers(marker: str) -> int:
    """How many processes of the machine sleep for the marker's seconds."""
    count = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += f"sleep\0{marker}\0".encode() == process.read_bytes()
        except OSError:
            continue
    return count
