"""What becomes of runs over HTTP."""

import asyncio
from pathlib import Path

from aideator.domain.run import RunStatus, VariationStatus
from aideator.domain.verdict import (
    Change,
    CheckChange,
    Flag,
    FlagKind,
    PatchStats,
    Verdict,
)
from aideator.store import claims
from aideator.testing import scripted_model
from tests.actions import PROMPT, server, stream
from tests.api.stage import Stage
from tests.conftest import git

V1 = "/api/v1"


async def test_a_decision_is_undone_once_and_both_are_heard(stage: Stage) -> None:
    run = await stage.finished_run()
    chosen = {"winning_variation_id": 1, "reason": "smallest"}
    assert (await stage.client.post(f"{V1}/runs/{run}/select", json=chosen)).json()[
        "decided_at"
    ]
    for _ in range(2):
        undone = await stage.client.post(f"{V1}/runs/{run}/deselect")
        assert (
            undone.status_code,
            undone.json()["status"],
            undone.json()["winner"],
        ) == (200, "finished", None)
    kinds = [
        event["body"]["kind"]
        for event in (await stage.client.get(f"{V1}/runs/{run}/events")).json()[
            "events"
        ]
    ]
    assert kinds[-4:] == ["selected", "complete", "deselected", "complete"]


async def test_flags_are_cleared_with_a_reason_and_ranked_anew(stage: Stage) -> None:
    run = await stage.run(status=RunStatus.FINISHED)
    flag = Flag(
        kind=FlagKind.DELETED_TEST, path="test_calc.py", message="a test is gone"
    )
    async with stage.database.write() as session:
        await claims.requeue(session, run, 1, "again")
        attempt = await claims.claim(session, run, 1)
        fixed = CheckChange(check="add", change=Change.FIXED)
        verdict = Verdict(
            variation_id=1, patch=PatchStats(files=1), checks=(fixed,), flags=(flag,)
        )
        await claims.finish(
            session,
            run,
            1,
            attempt,
            VariationStatus.FINISHED,
            verdict=verdict,
            patch=b"x",
        )
    nothing = await stage.client.post(
        f"{V1}/runs/{run}/variations/2/clear", json={"reason": "why not"}
    )
    assert (nothing.status_code, nothing.json()["detail"]) == (
        409,
        "variation 2 has no flags",
    )
    empty = await stage.client.post(
        f"{V1}/runs/{run}/variations/1/clear", json={"reason": ""}
    )
    assert empty.status_code == 422
    cleared = await stage.client.post(
        f"{V1}/runs/{run}/variations/1/clear", json={"reason": "it was wrong"}
    )
    assert cleared.json()["variations"][0]["cleared"] == "it was wrong"
    assert not cleared.json()["ranking"]["standings"][0]["gate"]
    assert cleared.json()["ranking"]["recommended"] == 1
    events = (await stage.client.get(f"{V1}/runs/{run}/events")).json()["events"]
    assert [(e["variation_id"], e["body"]["kind"]) for e in events] == [
        *((1, "cleared"), (None, "verdict"), (None, "complete")),
    ]


async def test_publishing_without_a_winner_and_a_branch_with_a_bad_name(
    stage: Stage,
) -> None:
    run = await stage.finished_run()
    undecided = await stage.client.post(f"{V1}/runs/{run}/publish", json={})
    assert (undecided.status_code, undecided.json()["hint"]) == (
        409,
        "select a variation first",
    )
    await stage.client.post(f"{V1}/runs/{run}/select", json={"winning_variation_id": 1})
    for branch in ("../main", "a b", "x.lock", "-x", "refs/heads/..", "a//b", "x/"):
        named = await stage.client.post(
            f"{V1}/runs/{run}/publish", json={"branch": branch}
        )
        assert (named.status_code, named.json()["errors"][0]["field"]) == (
            422,
            "branch",
        ), branch


async def test_a_run_is_exported_and_imported_and_a_large_file_is_let_through(
    stage: Stage,
) -> None:
    run = await stage.finished_run()
    file = await stage.client.get(f"{V1}/runs/{run}/export")
    assert file.headers["content-type"] == "application/zip"
    assert (
        file.headers["content-disposition"]
        == f'attachment; filename="aideator-{run[-12:]}.zip"'
    )
    again = await stage.client.post(f"{V1}/runs/import", content=file.content)
    assert (again.status_code, again.json()["id"]) == (201, run)
    noise = await stage.client.post(f"{V1}/runs/import", content=b"\0" * 2**21)
    assert (noise.status_code, noise.json()["title"]) == (
        422,
        "The submission is not valid",
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write(
        f"POST {V1}/runs/import HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Length: {2**30}\r\n\r\n".encode()
    )
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()
    elsewhere = await stage.client.post(
        f"{V1}/runs/{run}/select", content=b"\0" * 2**21
    )
    assert elsewhere.status_code == 413


async def test_statistics_and_what_goes_on_need_an_engine_or_not(stage: Stage) -> None:
    stats = (await stage.client.get(f"{V1}/stats")).json()
    assert stats["runs"] >= stats["decided"] >= 0
    assert set(stats["followed"]) == {"count", "of", "share", "low", "high"}
    run = await stage.finished_run()
    for path, body in {
        "prompt": {"prompt": "Now subtract as well"},
        "variations": {"agent": "builtin"},
        "compose": {"parts": [{"variation_id": 1, "path": "calc.py"}]},
    }.items():
        answer = await stage.client.post(f"{V1}/runs/{run}/{path}", json=body)
        assert answer.status_code == 503, (path, answer.text)
    assert (
        await stage.client.post(f"{V1}/runs/{run}/compose", json={"parts": []})
    ).status_code == 422


async def test_a_winner_is_composed_decided_and_published_over_http(
    home: Path, repo: Path
) -> None:
    async with (
        scripted_model("three_ways") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        asked = {"repo_url": str(repo), "prompt": PROMPT, "variations": 1}
        run = (await client.post("/runs", json=asked)).json()["run_id"]
        await stream(client, run)
        added = await client.post(
            f"/runs/{run}/variations", json={"instructions": "Use sum()."}
        )
        assert (added.status_code, len(added.json()["variations"])) == (202, 2)
        await stream(client, run)
        parts = {"parts": [{"variation_id": 2, "path": "calc.py", "hunks": [0]}]}
        composed = await client.post(f"/runs/{run}/compose", json=parts)
        assert composed.status_code == 202, composed.text
        assert composed.json()["variations"][2]["composed"] == [
            {"variation_id": 2, "path": "calc.py", "hunks": [0]}
        ]
        events = await stream(client, run)
        assert (
            next(e.body.kind for e in events if e.variation_id == 3)
            == "variation_added"
        )
        strange = await client.post(
            f"/runs/{run}/compose",
            json={"parts": [{"variation_id": 1, "path": "calc.py", "hunks": [7]}]},
        )
        assert strange.status_code == 404
        assert strange.json()["errors"] == [
            {
                "field": "parts.0.hunks",
                "message": "there is no hunk 7; the hunks are 0 … 0",
            },
        ]
        both = {
            "parts": [
                {"variation_id": n, "path": "calc.py", "hunks": [0]} for n in (1, 2)
            ]
        }
        refused = await client.post(f"/runs/{run}/compose", json=both)
        assert (refused.status_code, "calc.py: hunk 0" in refused.json()["detail"]) == (
            409,
            True,
        )
        await client.post(f"/runs/{run}/select", json={"winning_variation_id": 3})
        made = await client.post(f"/runs/{run}/publish", json={"branch": "sum"})
        assert (
            made.status_code,
            made.json()["branch"],
            made.json()["pull_request"],
        ) == (200, "aideator/sum", None)
    assert "sum((a, b))" in git(repo, "show", "aideator/sum:calc.py")
