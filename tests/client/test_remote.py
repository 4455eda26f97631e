"""The client of a server at an address, against a real one."""

import asyncio
import subprocess
import sys
from pathlib import Path

from aideator.client import open_async_client, open_client
from aideator.client.remote import open_remote
from aideator.domain.events import AgentOutput, Event
from aideator.testing import scripted_model
from tests.actions import command, environment, server, submit
from tests.conftest import PATIENCE

SEPARATORS = "one\u2028two\u2029three\x85four"
"""Characters at which Python ends a line, and JSON does not."""


async def test_events_with_unusual_line_ends_arrive_whole(
    home: Path, repo: Path
) -> None:
    scenario = {"lanes": {"default": [{"say": SEPARATORS}]}}
    asked = {"repo_url": str(repo), "prompt": "Say something", "variations": 1}
    async with (
        scripted_model(scenario) as model,
        server(home, model.url) as running,
        running.client() as client,
        open_remote(
            running.url, prefix="/api/v1", header="X-API-Key", key=None
        ) as remote,
    ):
        run_id = await submit(client, asked)
        bodies = [
            Event.model_validate_json(entry.data).body
            async for batch in remote.follow(run_id)
            for entry in batch
        ]
    said = [body.text for body in bodies if isinstance(body, AgentOutput)]
    assert "".join(said) == SEPARATORS


async def test_a_missing_key_is_told_with_the_variable_that_takes_it(
    home: Path,
) -> None:
    command("key", "create", "alice", home=home)
    async with server(home, "http://127.0.0.1:9") as running:
        refused = await asyncio.to_thread(
            command, "list", "--server", running.url, home=home
        )
        own = await asyncio.to_thread(command, "list", home=home)
    assert own.returncode == 0, "over its socket, the server's user needs no key"
    assert refused.returncode == 1
    assert "export AIDEATOR_API_KEY=" in refused.stderr


def test_an_address_without_a_scheme_is_told(home: Path) -> None:
    refused = command("list", "--server", "127.0.0.1:8000", home=home)
    assert refused.returncode == 2
    assert "did you mean http://127.0.0.1:8000" in refused.stderr


async def test_what_a_server_refuses_is_told_in_the_words_of_the_command_line(
    home: Path, repo: Path
) -> None:
    async with server(home, "http://127.0.0.1:9"):
        many = await asyncio.to_thread(
            command, "run", str(repo), "Fix it", "-n", "6", home=home
        )
        nowhere = await asyncio.to_thread(
            command, "run", str(repo), "Fix it", "--ref", "nosuch", home=home
        )
        listed = await asyncio.to_thread(command, "list", "--json", home=home)
    assert many.returncode == 2
    assert "--variations: at most 5 (MAX_VARIATIONS); not 6" in many.stderr
    assert "next: aideator run . " in many.stderr
    assert "`errors`" not in many.stderr
    assert "has no branch or tag 'nosuch'" in nowhere.stderr
    assert "next: it has main" in nowhere.stderr
    assert listed.stdout == "[]\n"


PROGRAM = """
import sys
from aideator.client import RunSpec, open_client

with open_client() as client:
    spec = RunSpec(repo_url=sys.argv[1], prompt="Make it pass, please", variations=1)
    run = client.submit(spec)
    kinds = [entry.kind for batch in client.follow(run.id) for entry in batch]
    details = client.get(run.id)
    (newest,) = client.list(limit=1).runs
    assert newest.id == client.resolve("@") == run.id
    print(kinds[-1], details.status)
    print(client.patch(run.id, 1).decode())
"""


async def test_a_program_without_an_event_loop_takes_a_run_to_its_result(
    home: Path, repo: Path
) -> None:
    async with scripted_model("one_edit") as model:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", PROGRAM, str(repo)],
            env=environment(home) | {"ANTHROPIC_BASE_URL": model.url},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.returncode == 0, done.stderr
    first, _, patch = done.stdout.partition("\n")
    assert first == "complete finished"
    assert patch.startswith("diff --git a/calc.py")


async def test_both_clients_know_the_same_and_a_server_at_an_address(
    home: Path, repo: Path
) -> None:
    async with (
        server(home, "http://127.0.0.1:9") as running,
        open_async_client(running.url) as client,
    ):
        project = await client.inspect(str(repo))
        with open_client(running.url) as blocking:
            assert await asyncio.to_thread(blocking.inspect, str(repo)) == project
