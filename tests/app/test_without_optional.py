"""The program without its optional packages: it starts, and carries a run out."""

import shutil
from pathlib import Path

import httpx2
import pytest

import aideator
from aideator.optional import PACKAGES
from aideator.testing import scripted_model
from tests.actions import PROMPT, command, server, stream

ROUTES = {
    "/runs/import": "post",
    "/runs/{run_id}/export": "get",
    "/runs/{run_id}/publish": "post",
    "/runs/{run_id}/variations/{number}/previews": "post",
    "/runs/{run_id}/variations/{number}/terminals": "get",
    "/previews/{preview_id}": "delete",
    "/stats": "get",
    "/terminals/{terminal_id}/stream": "get",
}
COMMANDS = ("shell", "publish", "export", "import", "stats")


@pytest.fixture
def core(home: Path) -> dict[str, str]:
    """An environment in which Python finds the program without optional packages."""
    source = Path(aideator.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, home / "core/aideator", ignore=ignored)
    for package in PACKAGES:
        shutil.rmtree(home / "core/aideator" / package)
    return {"PYTHONPATH": str(home / "core")}


def commands_of(home: Path, env: dict[str, str]) -> set[str]:
    """The first words of the lines of `aideator --help`."""
    done = command("--help", home=home, env=env)
    assert done.returncode == 0, done.stderr
    lines = [line.strip("│ ").split() for line in done.stdout.splitlines()]
    return {words[0] for words in lines if words}


async def paths_of(client: httpx2.AsyncClient) -> dict[str, dict[str, object]]:
    """The paths of the API with their methods."""
    answer = await client.get(str(client.base_url.join("/openapi.json")))
    answer.raise_for_status()
    paths = answer.json()["paths"].items()
    return {path.removeprefix("/api/v1"): methods for path, methods in paths}


def test_without_them_the_command_line_offers_only_the_core(
    home: Path, core: dict[str, str]
) -> None:
    offered = commands_of(home, core)
    assert {"run", "serve", "demo", "watch", "apply"} <= offered
    assert not offered.intersection(COMMANDS)
    assert command("publish", "3f2a91c0", home=home, env=core).returncode == 2


@pytest.mark.slow
async def test_without_them_a_server_carries_a_run_out_and_lacks_their_routes(
    home: Path, repo: Path, core: dict[str, str]
) -> None:
    async with (
        scripted_model("one_edit") as model,
        server(home, model.url, **core) as running,
        running.client() as client,
    ):
        paths = await paths_of(client)
        assert "/runs/{run_id}/select" in paths
        assert not paths.keys() & ROUTES.keys()
        for path, method in ROUTES.items():
            address = path.format(run_id="x", number=1, preview_id="x", terminal_id="x")
            answer = await client.request(method, address)
            # GET /runs/{run_id} takes /runs/import, but not by POST.
            assert answer.status_code == (405 if path == "/runs/import" else 404)
        asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 1}
        accepted = await client.post("/runs", json=asked)
        assert accepted.status_code == 202, accepted.text
        events = await stream(client, accepted.json()["run_id"])
        assert events[-1].body.kind == "complete"
        run = (await client.get(f"/runs/{accepted.json()['run_id']}")).json()
        assert run["status"] == "finished"


async def test_with_them_every_route_and_command_is_there(home: Path) -> None:
    assert set(COMMANDS) <= commands_of(home, {})
    async with (
        scripted_model("one_edit") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        paths = await paths_of(client)
        assert all(method in paths[path] for path, method in ROUTES.items())
