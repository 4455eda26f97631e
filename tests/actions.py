"""The verbs of a user, for stories: ask, follow, decide.

All of it is real but the model, which is scripted.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from pydantic import TypeAdapter

from aideator.app import Aideator, open_app
from aideator.domain.events import Event, EventBody
from aideator.domain.run import Run, RunDetails, RunSpec
from aideator.settings import Settings
from aideator.testing import ScriptedModel, scripted_model
from tests.conftest import PATIENCE

PROMPT = "Make the failing test pass, please"


@dataclass
class User:
    """Somebody who uses an AIdeator in this process."""

    app: Aideator
    repo: Path
    model: ScriptedModel

    async def asks(self, prompt: str = PROMPT, **options: Any) -> Run:
        """Submit a run on the repository."""
        options = {
            "repo_url": str(self.repo),
            "prompt": prompt,
            "variations": 1,
        } | options
        spec = RunSpec.model_validate(options)
        return await self.app.submit(spec, local=True, own=True)

    async def waits(self, run_id: str) -> RunDetails:
        """Follow a run to its end."""
        await self.hears(run_id)
        return await self.app.get(run_id)

    async def hears(
        self, run_id: str, *, until: str | None = None, after: int = 0
    ) -> list[Event]:
        """Listen to a run, to its end or to the first event of a kind."""
        heard: list[Event] = []
        async with aclosing(self.app.follow(run_id, after=after)) as batches:
            async for batch in batches:
                heard += [Event.model_validate_json(entry.data) for entry in batch]
                if until is not None and any(
                    event.body.kind == until for event in heard
                ):
                    return heard
        return heard

    async def asks_and_waits(self, prompt: str = PROMPT, **options: Any) -> RunDetails:
        """Submit a run and follow it to its end."""
        return await self.waits((await self.asks(prompt, **options)).id)


@asynccontextmanager
async def user(
    home: Path, repo: Path, scenario: str | dict[str, Any], **settings: Any
) -> AsyncIterator[User]:
    """Open an application on a state directory, with a scripted model behind it."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model(scenario))
        told: dict[str, Any] = {
            "anthropic_base_url": model.url,
            "anthropic_api_key": None,
            "_env_file": None,
        } | settings
        # Set-up of a test asks no registry, and its sandboxes see the same on every
        # machine, unless the test or whoever runs it says otherwise.
        for name in ("setup_allowed_hosts", "sandbox_toolchains"):
            if name.upper() not in os.environ:
                told.setdefault(name, ("none",))
        told = {
            "agent_cpu_limit": 2
        } | told  # half a CPU makes every agent start slowly, and the tests with it
        app = await stack.enter_async_context(
            open_app(Settings(aideator_home=home / "state", **told))
        )
        yield User(app, repo, model)


def bodies(
    events: list[Event], kind: str, variation: int | None = None
) -> list[EventBody]:
    """What the events of one kind say."""
    return [
        e.body
        for e in events
        if e.body.kind == kind and (variation is None or e.variation_id == variation)
    ]


def is_dense(events: list[Event]) -> bool:
    """Whether nothing is missing and nothing is doubled."""
    return [event.seq for event in events] == list(range(1, len(events) + 1))


def environment(home: Path) -> dict[str, str]:
    """The variables that a user's processes have in a test."""
    return {
        "PATH": os.environ["PATH"],
        "AIDEATOR_HOME": str(home / "state"),
        "HOME": str(home),
        "COLUMNS": "120",
        "SETUP_ALLOWED_HOSTS": "none",
        "SANDBOX_TOOLCHAINS": "none",
    }


def command(
    *arguments: str, home: Path, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run `aideator` as in a shell, with nothing of the environment but PATH."""
    return subprocess.run(
        [sys.executable, "-m", "aideator", *arguments],
        env=environment(home) | more.pop("env", {}),
        capture_output=True,
        text=True,
        timeout=more.pop("timeout", PATIENCE),
        check=False,
        cwd=more.pop("cwd", home),
        **more,
    )


@dataclass
class Server:
    """`aideator serve` as a process of its own, which a test may kill."""

    process: asyncio.subprocess.Process
    url: str

    def client(self, **headers: str) -> httpx2.AsyncClient:
        """An HTTP client of its API."""
        return httpx2.AsyncClient(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=PATIENCE
        )

    async def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        await self.process.wait()


async def start_server(
    home: Path, model_url: str, *, port: int = 0, **env: str
) -> Server:
    """Start `aideator serve` and wait until it says where it listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aideator", "serve", "--port", str(port)),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
            "ANTHROPIC_BASE_URL": model_url,
            "AGENT_CPU_LIMIT": "2",
            "SETUP_ALLOWED_HOSTS": "none",
            "SANDBOX_TOOLCHAINS": "none",
            **env,
        },
        cwd=home,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    seen = ""
    while line := (await process.stderr.readline()).decode():
        seen += line
        if "serves http" in line:
            return Server(process, line.split("serves ")[1].split()[0])
    raise AssertionError(f"the server did not start:\n{seen}")


@asynccontextmanager
async def server(home: Path, model_url: str, **env: str) -> AsyncIterator[Server]:
    """A server that is stopped in good order at the end, unless the test killed it."""
    running = await start_server(home, model_url, port=0, **env)
    try:
        yield running
    finally:
        if running.process.returncode is None:
            running.process.terminate()
            await asyncio.wait_for(running.process.communicate(), PATIENCE)


async def submit(client: httpx2.AsyncClient, spec: Mapping[str, object]) -> str:
    """Submit a run over HTTP and return its id."""
    answer = await client.post("/runs", json=spec)
    return str(answer.json()["run_id"])


async def stream(
    client: httpx2.AsyncClient,
    run_id: str,
    *,
    after: int = 0,
    stop_at: int | None = None,
) -> list[Event]:
    """Read a run's Server-Sent Events to their end, or to one sequence number."""
    events: list[Event] = []
    headers = {"Last-Event-ID": str(after)} if after else {}
    async with client.stream(
        "GET", f"/runs/{run_id}/stream", headers=headers, timeout=PATIENCE
    ) as answer:
        assert answer.status_code == 200, (answer.status_code, await answer.aread())
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                events.append(_EVENT.validate_python(json.loads(line[6:])))
                if stop_at is not None and events[-1].seq >= stop_at:
                    break
    return events


_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
