"""Routes for the page: the server, runs at a glance, a repository, the demo."""

from pathlib import Path

import httpx2
import pytest

from aideator.domain.run import RunStatus
from aideator.testing import scripted_model
from tests.actions import server, stream
from tests.api.stage import Stage


async def test_the_server_says_what_may_be_submitted(stage: Stage) -> None:
    told = (await stage.client.get("/api/v1/server")).json()
    assert told["caller"] == "this machine"
    assert told["local"] is True
    assert (
        told["min_prompt_length"],
        told["max_prompt_length"],
        told["max_variations"],
    ) == (3, 2000, 5)
    assert told["model_ready"] is False
    assert "github.com" in told["git_hosts"]


async def test_a_run_at_a_glance_says_how_far_it_is(stage: Stage) -> None:
    run_id = await stage.run(variations=2, status=RunStatus.FINISHED)
    found = (await stage.client.get("/api/v1/overview", params={"limit": 1})).json()[
        "runs"
    ][0]
    assert found["id"] == run_id
    assert [slot["status"] for slot in found["variations"]] == ["finished", "finished"]
    assert (found["status"], found["prompt"]) == ("finished", "Make addition add")


async def test_a_run_is_named_and_put_away(stage: Stage) -> None:
    run_id = await stage.run(status=RunStatus.FINISHED)
    at = f"/api/v1/runs/{run_id}/labels"
    wanted = {"title": " Sums ", "archived": True}
    named = (await stage.client.post(at, json=wanted)).json()
    assert (named["title"], named["status"]) == ("Sums", "finished")
    assert named["archived_at"] is not None

    async def listed(**query: str) -> list[str]:
        found = await stage.client.get("/api/v1/overview", params=query)
        return [run["id"] for run in found.json()["runs"]]

    assert run_id not in await listed(search="sums")
    assert await listed(search="sums", archived="true") == [run_id]
    back = (await stage.client.post(at, json={"archived": False})).json()
    assert (back["title"], back["archived_at"]) == ("Sums", None)
    assert await listed(search="sums") == [run_id]
    missing = at.replace(run_id, "0" * 8 + run_id[8:])
    assert (await stage.client.post(missing, json={})).status_code == 404


async def test_every_model_is_told_with_its_price_and_efforts(stage: Stage) -> None:
    (builtin,) = (await stage.client.get("/api/v1/agents")).json()
    models = {model["id"]: model for model in builtin["known"]}
    default = models[builtin["models"]["default"]]
    assert default["output_usd"] > default["input_usd"] > 0
    assert default["context_tokens"] > 100_000
    assert default["efforts"] == ["low", "medium", "high", "xhigh", "max"]


async def test_settings_are_told_in_groups(stage: Stage) -> None:
    told = (await stage.client.get("/api/v1/settings")).json()
    groups = {setting["name"]: setting["group"] for setting in told}
    assert groups["AIDEATOR_PORT"] == "Server"
    assert groups["AGENT_PIDS_LIMIT"] == "Sandboxes"
    assert "" not in groups.values()


async def test_the_overview_is_searched_by_words_filtered_and_paged(
    stage: Stage,
) -> None:
    running = await stage.run(status=RunStatus.RUNNING)
    await stage.run(status=RunStatus.FINISHED)

    async def ids(**query: str | int | list[str]) -> list[str]:
        answer = await stage.client.get(
            "/api/v1/overview", params=httpx2.QueryParams(query)
        )
        return [run["id"] for run in answer.json()["runs"]]

    assert running not in await ids(status=["finished", "decided"])
    assert running in await ids(search="ADDITION user/repo", limit=200)
    assert await ids(search="addition of_nothing") == []
    assert await ids(search="100%") == [], "a wildcard is a character like any other"
    first = (await stage.client.get("/api/v1/overview", params={"limit": 1})).json()
    assert first["next"] == first["runs"][0]["id"]
    assert first["next"] not in await ids(cursor=first["next"], limit=200)


async def test_the_doctor_names_the_limits_that_hold(stage: Stage) -> None:
    findings = (await stage.client.get("/api/v1/doctor", timeout=60)).json()
    assert {"git", "model", "state"} <= {each["name"] for each in findings}


@pytest.mark.slow
async def test_a_repository_is_looked_at_before_a_run(home: Path, repo: Path) -> None:
    async with (
        scripted_model("one_edit") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        told = (
            await client.post("/repositories/inspect", json={"repo_url": str(repo)})
        ).json()
        assert len(told["commit"]) == 40
        assert [check["command"] for check in told["checks"]] == [
            "python3 -m unittest discover"
        ]
        refused = await client.post(
            "/repositories/inspect", json={"repo_url": "https://evil.example/x"}
        )
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "repo_url"


@pytest.mark.slow
async def test_the_demo_runs_without_a_key_and_only_the_demo_is_scripted(
    home: Path, repo: Path
) -> None:
    async with (
        server(home, "https://127.0.0.1:9") as running,
        running.client() as client,
    ):
        demo = (await client.post("/demo")).json()["run_id"]
        ordinary = {
            "repo_url": str(repo),
            "prompt": "Make the failing test pass",
            "variations": 1,
            "checks": [],
        }
        other = (await client.post("/runs", json=ordinary)).json()["run_id"]
        await stream(client, demo)
        details = (await client.get(f"/runs/{demo}")).json()
        assert details["status"] == "finished"
        assert details["ranking"]["recommended"] is not None
        told = (await client.get("/server")).json()
        assert details["spec"]["repo_url"] == told["demo_repo"]
        assert details["variations"][0]["usage"]["cost_usd"] > 0
        assert told["latest_costs"] == [], "nobody was charged"
        await client.post(f"/runs/{other}/cancel")
        unscripted = (await client.get(f"/runs/{other}")).json()
        assert unscripted["variations"][0]["usage"]["requests"] == 0, (
            "nobody answers it: the script is for the demo"
        )
