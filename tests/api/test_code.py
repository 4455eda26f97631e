"""The code around a change over HTTP: what is compressed, and who may change files."""

from pathlib import Path

from tests.api.stage import Stage, open_stage

ZIPPED = {"Accept-Encoding": "gzip"}


async def test_json_is_compressed_where_that_gains_something(stage: Stage) -> None:
    run_id = await stage.finished_run()
    long = await stage.client.get(f"/api/v1/runs/{run_id}/events", headers=ZIPPED)
    assert long.headers["content-encoding"] == "gzip"
    assert long.json()["events"]
    whole = {"Accept-Encoding": "identity"}
    plain = await stage.client.get(f"/api/v1/runs/{run_id}/events", headers=whole)
    assert "content-encoding" not in plain.headers
    assert plain.json() == long.json()
    short = await stage.client.get("/api/v1/health", headers=ZIPPED)
    assert "content-encoding" not in short.headers


async def test_a_change_is_applied_to_a_local_repository_only(stage: Stage) -> None:
    run_id = await stage.finished_run()
    answer = await stage.client.post(
        f"/api/v1/runs/{run_id}/variations/1/apply", json={}
    )
    assert answer.status_code == 409
    assert "not on this machine" in answer.json()["detail"]


async def test_a_caller_from_elsewhere_changes_no_checkout(home: Path) -> None:
    async with open_stage(home) as stage:
        run_id = await stage.finished_run()
        _, key = await stage.app.create_key("proxied")
        answer = await stage.client.post(
            f"/api/v1/runs/{run_id}/variations/1/apply",
            json={},
            headers={"X-API-Key": key, "X-Forwarded-For": "203.0.113.9"},
        )
    assert answer.status_code == 403
    assert "aideator apply" in answer.json()["hint"]
