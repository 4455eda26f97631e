"""Submitting, looking and deciding over HTTP."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.api.server import open_server
from aideator.domain.run import RunStatus
from aideator.settings import Settings
from aideator.testing import scripted_model
from tests.api.stage import Frame, Stage, frames, open_stage
from tests.conftest import PATIENCE

SUBMISSION: dict[str, Any] = {
    "github_url": "https://github.com/user/repo",
    "prompt": "Refactor the main function",
    "variations": 3,
}


@pytest.fixture(scope="module")
async def working(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server that carries out runs, but may not reach github.com."""
    home = tmp_path_factory.mktemp("working", numbered=True)
    settings = Settings(_env_file=None, aideator_home=home, aideator_port=0)
    async with (
        open_server(settings) as server,
        httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as client,
    ):
        yield client


async def test_the_literal_submission_is_accepted(working: httpx2.AsyncClient) -> None:
    answer = await working.post("/api/v1/runs", json=SUBMISSION)
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["location"] == f"/api/v1/runs/{accepted['run_id']}"
    assert accepted["stream_url"] == f"/api/v1/runs/{accepted['run_id']}/stream"
    assert accepted["status"] == "accepted"
    assert accepted["estimated_duration_seconds"] > 0
    shown = (await working.get(answer.headers["location"])).json()
    assert shown["spec"]["repo_url"] == SUBMISSION["github_url"]
    assert [v["number"] for v in shown["variations"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"variations": 0}, "variations", "at least 1; not 0"),
        ({"variations": 6}, "variations", "at most 5 (MAX_VARIATIONS)"),
        ({"variations": "3"}, "variations", "a whole number"),
        ({"prompt": "too short"}, "prompt", "at least 10"),
        ({"prompt": "x" * 2001}, "prompt", "at most 2000"),
        ({"prompt": "lone \ud800 surrogate"}, "prompt", "valid Unicode"),
        ({"github_url": "file:///etc"}, "repo_url", "file: is not supported"),
        ({"github_url": "https://evil.example/x/y"}, "repo_url", "ALLOWED_GIT_HOSTS"),
        ({"github_url": "https://a:b@github.com/x/y"}, "repo_url", "credentials"),
        (
            {"agent_config": {"temperature": 3}},
            "agent_config.temperature",
            "at most 1; not 3",
        ),
        (
            {"lineup": [{}, {}], "variations": 3},
            "body",
            "the lineup has 2 agents, but variations is 3",
        ),
        ({"comparison": {"judge": {}}}, "comparison.judge", "no ANTHROPIC_API_KEY"),
        ({"unknown": 1}, "unknown", "there is no such field"),
    ],
)
async def test_a_wrong_field_is_named(
    working: httpx2.AsyncClient, change: dict[str, Any], field: str, words: str
) -> None:
    body = json.dumps(SUBMISSION | change)
    answer = await working.post(
        "/api/v1/runs", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["type"]) == (422, "/docs#problem-422")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert words in problem["errors"][0]["message"]


async def test_a_short_prompt_is_taken_where_the_caller_says_that_a_person_typed_it(
    working: httpx2.AsyncClient,
) -> None:
    short = SUBMISSION | {"prompt": "Add CI"}
    refused = await working.post("/api/v1/runs", json=short)
    assert refused.status_code == 422
    assert "at least 10 characters; not 'Add CI'" in refused.json()["detail"]
    assert "short_prompt=true" in refused.json()["hint"]
    taken = await working.post("/api/v1/runs?short_prompt=true", json=short)
    assert taken.status_code == 202
    shorter = SUBMISSION | {"prompt": "CI"}
    again = await working.post("/api/v1/runs?short_prompt=true", json=shorter)
    assert "at least 3 characters" in again.json()["detail"]


async def test_a_repository_that_cannot_be_found_leaves_no_run(
    working: httpx2.AsyncClient, repo: Path
) -> None:
    before = (await working.get("/api/v1/runs")).json()["runs"]
    for wrong in (
        {"github_url": str(repo), "ref": "nosuch"},
        {"github_url": str(repo / "nowhere")},
    ):
        answer = await working.post("/api/v1/runs", json=SUBMISSION | wrong)
        assert answer.status_code == 422, answer.text
    elsewhere = {"github_url": "https://127.0.0.1:9/user/repo"}
    answer = await working.post(
        "/api/v1/runs?find_first=true", json=SUBMISSION | elsewhere
    )
    assert answer.status_code == 422, answer.text
    after = (await working.get("/api/v1/runs")).json()["runs"]
    assert [run["id"] for run in after] == [run["id"] for run in before]


async def test_an_agent_that_does_not_exist_is_named(
    working: httpx2.AsyncClient,
) -> None:
    lineup = {"lineup": [{"agent": "nobody"}], "variations": 1}
    answer = await working.post("/api/v1/runs", json=SUBMISSION | lineup)
    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    assert error["field"] == "agent"
    assert error["message"].startswith("there is no agent 'nobody'; there are: builtin")


async def test_the_same_idempotency_key_leads_to_the_same_run(
    working: httpx2.AsyncClient,
) -> None:
    key = {"Idempotency-Key": "once"}
    first = await working.post("/api/v1/runs", json=SUBMISSION, headers=key)
    again = await working.post("/api/v1/runs", json=SUBMISSION, headers=key)
    other = await working.post(
        "/api/v1/runs", json=SUBMISSION | {"variations": 1}, headers=key
    )
    assert first.json()["run_id"] == again.json()["run_id"]
    assert other.status_code == 409
    # A third time when the run has ended: it must not be started once more.
    async with working.stream("GET", first.json()["stream_url"]) as stream:
        assert [frame.kind async for frame in frames(stream)][-1] == "complete"
    last = await working.post("/api/v1/runs", json=SUBMISSION, headers=key)
    assert last.json()["run_id"] == first.json()["run_id"]
    assert (await working.get("/health/ready")).status_code == 200


async def test_a_path_on_this_machine_is_for_clients_on_this_machine(
    working: httpx2.AsyncClient, repo: Path
) -> None:
    here = SUBMISSION | {"github_url": str(repo)}
    assert (await working.post("/api/v1/runs", json=here)).status_code == 202
    proxied = await working.post(
        "/api/v1/runs", json=here, headers={"X-Forwarded-For": "203.0.113.9"}
    )
    assert proxied.status_code == 401


async def test_with_a_key_through_a_proxy_a_path_on_this_machine_is_refused(
    home: Path, repo: Path
) -> None:
    async with open_stage(home) as stage:
        _, key = await stage.app.create_key("proxied")
        answer = await stage.client.post(
            "/api/v1/runs",
            json=SUBMISSION | {"github_url": str(repo)},
            headers={"X-API-Key": key, "X-Forwarded-For": "203.0.113.9"},
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "repo_url"


@pytest.mark.slow
async def test_a_run_from_submission_to_decision(home: Path, repo: Path) -> None:
    async with scripted_model("one_edit") as model:
        settings = Settings(
            _env_file=None,
            aideator_home=home / "state",
            aideator_port=0,
            anthropic_base_url=model.url,
            anthropic_api_key=None,
        )
        async with (
            open_server(settings) as server,
            httpx2.AsyncClient(base_url=server.url, timeout=PATIENCE) as client,
        ):
            prompt = "Make the failing test pass, please"
            answer = await client.post(
                "/api/v1/runs",
                json={"repo_url": str(repo), "prompt": prompt, "variations": 1},
            )
            run = answer.headers["location"]
            heard = await _hear(client, f"{run}/stream")
            assert heard[-1].data["body"] == {"kind": "complete", "status": "finished"}

            patch = await client.get(f"{run}/variations/1/patch")
            assert patch.headers["content-type"] == "text/x-patch; charset=utf-8"
            assert patch.headers["content-disposition"].startswith("attachment")
            assert patch.text.startswith("diff --git a/calc.py")
            (diff,) = (await client.get(f"{run}/variations/1/diff")).json()
            assert (diff["path"], diff["status"]) == ("calc.py", "modified")

            chosen = await client.post(
                f"{run}/select", json={"winning_variation_id": 1, "reason": "it works"}
            )
            assert chosen.status_code == 200
            assert (chosen.json()["status"], chosen.json()["winner"]) == ("decided", 1)
            events = (await client.get(f"{run}/events", params={"limit": 1000})).json()[
                "events"
            ]
            assert events[: len(heard)] == [frame.data for frame in heard]
            assert [event["body"]["kind"] for event in events[len(heard) :]] == [
                "selected",
                "complete",
            ]


async def _hear(client: httpx2.AsyncClient, url: str) -> list[Frame]:
    async with client.stream("GET", url) as stream:
        return [frame async for frame in frames(stream)]


async def test_two_selections_at_once_agree_on_one_winner(stage: Stage) -> None:
    run_id = await stage.finished_run()
    url = f"/api/v1/runs/{run_id}/select"
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(stage.client.post(url, json={"winning_variation_id": n}))
            for n in (1, 2, 1, 2, 1, 2)
        ]
    assert {task.result().status_code for task in asked} == {200}
    winner = (await stage.client.get(f"/api/v1/runs/{run_id}")).json()["winner"]
    chosen = [
        json.loads(entry.data)["body"]["winning_variation_id"]
        for entry in await stage.log.read(run_id)
        if entry.kind == "selected"
    ]
    assert chosen[-1] == winner


async def test_choosing_before_the_end_or_what_is_not_there_is_refused(
    stage: Stage,
) -> None:
    running = await stage.run(status=RunStatus.RUNNING)
    early = await stage.client.post(
        f"/api/v1/runs/{running}/select", json={"winning_variation_id": 1}
    )
    assert early.status_code == 409
    assert "the run is running" in early.json()["detail"]
    finished = await stage.finished_run()
    missing = await stage.client.post(
        f"/api/v1/runs/{finished}/select", json={"winning_variation_id": 9}
    )
    assert missing.status_code == 404


async def test_cancelling_twice_changes_nothing_the_second_time(
    working: httpx2.AsyncClient,
) -> None:
    run = (await working.post("/api/v1/runs", json=SUBMISSION)).headers["location"]
    first = await working.post(f"{run}/cancel")
    again = await working.post(f"{run}/cancel")
    assert first.status_code == again.status_code == 200
    assert first.json()["status"] == again.json()["status"] in {"cancelled", "failed"}
    assert (await working.post(f"{run}/variations/1/cancel")).status_code == 200
    assert (await working.post(f"{run}/variations/9/cancel")).status_code == 404


async def test_runs_are_listed_in_pages_newest_first(home: Path) -> None:
    async with open_stage(home) as stage:
        made = [
            await stage.run(status=status)
            for status in (RunStatus.FINISHED, RunStatus.RUNNING) * 3
        ]
        seen, cursor = [], ""
        while cursor is not None:
            page = (
                await stage.client.get(
                    "/api/v1/runs", params={"limit": 4, "cursor": cursor or "z"}
                )
            ).json()
            seen += [run["id"] for run in page["runs"]]
            cursor = page["next"]
        assert seen == made[::-1]
        running = (
            await stage.client.get("/api/v1/runs", params={"status": "running"})
        ).json()["runs"]
        assert {run["status"] for run in running} == {"running"}
        assert len(running) == 3


async def test_events_come_in_pages_too(stage: Stage) -> None:
    run_id = await stage.finished_run(events=5)
    url = f"/api/v1/runs/{run_id}/events"
    first = (await stage.client.get(url, params={"limit": 3})).json()
    rest = (
        await stage.client.get(url, params={"after": first["next"], "limit": 3})
    ).json()
    assert [event["seq"] for event in first["events"] + rest["events"]] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert rest["next"] is None


async def test_a_diff_is_structured(stage: Stage) -> None:
    run_id = await stage.finished_run()
    (file,) = (
        await stage.client.get(f"/api/v1/runs/{run_id}/variations/1/diff")
    ).json()
    kinds = [(line["kind"], line["text"]) for line in file["hunks"][0]["lines"]]
    assert ("removed", "    return a - b") in kinds
    assert ("added", "    return a + b") in kinds


async def test_a_follow_up_that_is_too_short_is_refused(stage: Stage) -> None:
    run_id = await stage.finished_run()
    answer = await stage.client.post(
        f"/api/v1/runs/{run_id}/variations/1/prompt", json={"prompt": "no"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "prompt")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/nowhere", b"", 404),
        ("GET", "/api/v1/runs/nope", b"", 404),
        ("GET", "/api/v1/runs/%00", b"", 404),
        ("GET", "/api/v1/runs/..%2f..%2fetc", b"", 404),
        ("PUT", "/api/v1/runs", b"", 405),
        ("POST", "/api/v1/runs", b"{", 400),
        ("POST", "/api/v1/runs", b"\xff\xfe", 400),
        ("POST", "/api/v1/runs", b"[" * 100_000, 400),
        ("POST", "/api/v1/runs", b"[]", 422),
        ("POST", "/api/v1/runs", b"", 422),
        ("POST", "/api/v1/runs", b'"' + b"x" * 2**20 + b'"', 413),
        ("GET", "/api/v1/runs?limit=0", b"", 422),
        ("GET", "/api/v1/runs?status=unheard", b"", 422),
        ("GET", f"/api/v1/runs/x/events?after={10**30}", b"", 422),
    ],
)
async def test_every_error_is_a_problem_document(
    stage: Stage, method: str, path: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"} if content else {}
    answer = await stage.client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/docs#problem-{status}"
    assert problem["title"]
    assert problem["detail"]


async def test_a_method_that_an_address_does_not_take_is_told_which_it_takes(
    stage: Stage,
) -> None:
    assert (await stage.client.delete("/api/v1/runs")).headers["allow"] == "GET, POST"


async def test_a_body_that_hides_its_length_is_cut_off(stage: Stage) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 2**16

    answer = await stage.client.post(
        "/api/v1/runs", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


async def test_a_bug_is_a_problem_document_that_gives_nothing_away(home: Path) -> None:
    async with open_stage(home) as stage:
        run_id = await stage.run()
        async with stage.database.write() as session:
            connection = await session.connection()
            await connection.exec_driver_sql("DROP TABLE variation")
        answer = await stage.client.get(f"/api/v1/runs/{run_id}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert not re.search(r"variation|sqlite|Traceback|\.py", answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_probes_metrics_and_the_catalogue_answer(stage: Stage) -> None:
    assert (await stage.client.get("/health/live")).json() == {"status": "ok"}
    assert (await stage.client.get("/health/ready")).json() == {"status": "ok"}
    metrics = (await stage.client.get("/metrics")).text
    assert (
        'route="/api/v1/runs/{run_id}"' in metrics
        or "aideator_http_request_seconds" in metrics
    )
    (builtin,) = (await stage.client.get("/api/v1/agents")).json()
    assert (builtin["name"], builtin["available"]) == ("builtin", False)
    assert "ANTHROPIC_API_KEY" in builtin["missing"]
