"""A look at a repository before a run, over HTTP."""

from pathlib import Path

import httpx2

from aideator.api.server import open_server
from aideator.settings import Settings
from tests.conftest import PATIENCE, git
from tests.setup.test_egress import serving

INSPECT = "/api/v1/repositories/inspect"


async def test_it_says_what_a_run_would_do_and_where_that_is_from(
    home: Path, repo: Path
) -> None:
    (repo / ".aideator.toml").write_text('checks = ["make check"]\n')
    (repo / "package.json").write_text('{"dependencies": {"a": "1"}}')
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "Says how it is checked")
    settings = Settings(
        _env_file=None,
        aideator_home=home / "state",
        aideator_port=0,
        setup_allowed_hosts=("none",),
    )
    async with (
        open_server(settings) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as client,
    ):
        found = await client.post(INSPECT, json={"repo_url": str(repo), "ref": "main"})
        assert found.status_code == 200, found.text
        project = found.json()
        assert project["commit"] == git(repo, "rev-parse", "HEAD")
        assert [check["command"] for check in project["checks"]] == ["make check"]
        assert project["sources"] == {
            "setup": "guess",
            "checks": "file",
            "protected": "guess",
        }
        assert "npm install" in project["notes"][0]

        (repo / ".aideator.toml").write_text("checks = 3\n")
        git(repo, "commit", "-qam", "Says nothing")
        refused = await client.post(INSPECT, json={"repo_url": str(repo)})
        assert (refused.status_code, refused.json()["detail"][:23]) == (
            422,
            ".aideator.toml: checks:",
        )


async def test_it_reaches_no_further_than_a_run_would(home: Path) -> None:
    settings = Settings(
        _env_file=None,
        aideator_home=home / "state",
        aideator_port=0,
        setup_allowed_hosts=("none",),
    )
    async with (
        serving() as host,
        open_server(settings) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as client,
    ):
        for url in (
            f"http://{host.name}/x",
            "https://evil.example/x/y",
            "file:///etc",
            "--upload-pack=x",
        ):
            answer = await client.post(INSPECT, json={"repo_url": url})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == "repo_url"
        assert host.heard == []
        assert (
            await client.post(INSPECT, json={"repo_url": "/x", "more": 1})
        ).status_code == 422
