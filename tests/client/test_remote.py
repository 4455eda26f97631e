"""The client of a server at an address, against a real one."""

import asyncio
from pathlib import Path

from aideator.client.remote import open_remote
from aideator.domain.events import AgentOutput, Event
from aideator.testing import scripted_model
from tests.actions import command, server, submit

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
