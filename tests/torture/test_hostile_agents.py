"""Agents that take all they can get, beside a neighbour that does its work."""

from pathlib import Path
from typing import Any

import pytest

from aideator.testing import scripted_model
from tests.actions import PROMPT, is_dense, server, stream, submit
from tests.torture.conftest import Leftovers

REPAIR = "sed -i 's/a - b/a + b/' calc.py"
HOSTILE = {
    "memory": "python3 -c 'x = [bytearray(2**20) for _ in range(10**6)]'; echo $?",
    "processes": "python3 -c 'import os\nwhile True: os.fork()' 2>&1 | tail -1",
    "disk": "head -c 10G /dev/zero > big; ls -l big",
    "files": "mkdir many; cd many; seq 300000 | xargs touch; ls | wc -l",
    "output": "head -c 1G /dev/zero | tr '\\0' x",
}


def lane(command: str) -> list[dict[str, Any]]:
    call = {"bash": {"command": command, "timeout_ms": 30_000}}
    return [{"say": "Now.", "calls": [call]}, {"say": "Done."}]


def scenario(*commands: str) -> dict[str, Any]:
    lanes = {number: lane(command) for number, command in enumerate(commands, 1)}
    return {"lanes": lanes}


@pytest.mark.slow
async def test_a_neighbour_of_hostile_agents_has_the_same_result_as_alone(
    home: Path, repo: Path, leftovers: Leftovers
) -> None:
    asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 1}
    limits = {"AGENT_DISK_LIMIT": "209715200", "AGENT_MEMORY_LIMIT": "268435456"}
    async with (
        scripted_model(scenario(REPAIR)) as model,
        server(home, model.url, **limits) as running,
        running.client() as client,
    ):
        run_id = await submit(client, asked)
        await stream(client, run_id)
        (alone,) = (await client.get(f"/runs/{run_id}")).json()["variations"]
        patch = await client.get(f"/runs/{run_id}/variations/1/patch")
    limits["MAX_PARALLEL_VARIATIONS"] = limits["MAX_VARIATIONS"] = str(len(HOSTILE) + 1)
    async with (
        scripted_model(scenario(*HOSTILE.values(), REPAIR)) as model,
        server(home, model.url, **limits) as running,
        running.client() as client,
    ):
        together = {"variations": len(HOSTILE) + 1, "fresh": True}
        run_id = await submit(client, asked | together)
        leftovers.note()
        whole = await stream(client, run_id)
        *hostile, neighbour = (await client.get(f"/runs/{run_id}")).json()["variations"]
        beside = await client.get(
            f"/runs/{run_id}/variations/{neighbour['number']}/patch"
        )
        leftovers.note()
    assert is_dense(whole)
    assert whole[-1].body.kind == "complete"
    assert (beside.status_code, patch.status_code) == (200, 200), beside.text
    assert beside.content == patch.content
    assert neighbour["status"] == alone["status"] == "finished"
    rows = [
        [(row["check"], row["change"]) for row in each["verdict"]["checks"]]
        for each in (neighbour, alone)
    ]
    assert rows[0] == rows[1]
    assert {each["status"] for each in hostile} <= {"finished", "failed"}
    assert leftovers.found() == []
