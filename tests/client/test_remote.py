"""The client of a server at an address, against a real one."""

from pathlib import Path

from aideator.client.remote import open_remote
from aideator.domain.events import AgentOutput, Event
from aideator.testing import scripted_model
from tests.actions import server, submit

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
