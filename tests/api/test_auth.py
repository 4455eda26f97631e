"""Who gets in: Host and Origin, keys and sessions, and what opens without either."""

import asyncio
import re
from pathlib import Path

import pytest

from aideator.api import auth, sessions
from tests.api.stage import Stage, open_stage

OPEN = {
    ("get", "/health/live"),
    ("get", "/health/ready"),
    ("post", "/api/v1/session"),
    ("delete", "/api/v1/session"),
}
"""What answers without a key: probes, and the way to a session."""


async def raw(stage: Stage, *head: str) -> int:
    """The status of a request whose head is sent as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    writer.write("\r\n".join([*head, "Connection: close", "", ""]).encode())
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST:8000",
        "[::1]",
        "[::1]:8000",
        "127.0.0.2:1",
        "app.localhost",
        "localhost.",
    ],
)
async def test_loopback_names_are_answered(stage: Stage, host: str) -> None:
    assert await raw(stage, "GET /api/v1/runs HTTP/1.1", f"Host: {host}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "evil.example.localhost.example",
        "169.254.169.254",
        "[::2]:8000",
        "0.0.0.0:8000",
        "2130706433",
    ],
)
async def test_names_that_are_not_ours_are_misdirected(stage: Stage, host: str) -> None:
    for path in ("/api/v1/runs", "/health/live", "/docs", "/nowhere"):
        assert await raw(stage, f"GET {path} HTTP/1.1", f"Host: {host}") == 421


@pytest.mark.parametrize(
    "head",
    [
        ["Host:"],
        [],
        ["Host: localhost", "Host: evil.example"],
        ["Host: localhost@evil.example"],
        ["Host: localhost/evil"],
        ["Host: local host"],
        ["Host: [::1"],
        ["Host: localhost:80:80"],
    ],
)
async def test_a_host_that_cannot_be_read_is_refused(
    stage: Stage, head: list[str]
) -> None:
    assert await raw(stage, "GET /api/v1/runs HTTP/1.1", *head) == 400


async def test_allowed_hosts_adds_names_but_a_key_is_needed_there(home: Path) -> None:
    async with open_stage(home, allowed_hosts=("Aideator.Example",)) as stage:
        host = {"Host": "aideator.example"}
        assert (await stage.client.get("/health/live", headers=host)).status_code == 200
        assert (await stage.client.get("/api/v1/runs", headers=host)).status_code == 401


CROSS_SITE: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {
        "Origin": "https://evil.example",
        "Sec-Fetch-Site": "cross-site",
        "Content-Type": "text/plain",
    },
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {
        "Origin": "https://evil.example",
        "Content-Type": "application/x-www-form-urlencoded",
    },
]


@pytest.mark.parametrize("headers", CROSS_SITE)
async def test_a_page_of_another_site_changes_nothing(
    stage: Stage, headers: dict[str, str]
) -> None:
    run_id = await stage.finished_run()
    choice = b'{"winning_variation_id": 1}'
    answer = await stage.client.post(
        f"/api/v1/runs/{run_id}/select",
        content=choice,
        headers={"Content-Type": "application/json", **headers},
    )
    assert answer.status_code == 403
    assert (
        await stage.client.delete("/api/v1/session", headers=headers)
    ).status_code == 403
    assert (await stage.client.get(f"/api/v1/runs/{run_id}")).json()[
        "status"
    ] == "finished"


async def test_a_page_of_ours_and_a_program_may(stage: Stage) -> None:
    own: list[dict[str, str]] = [
        {"Origin": stage.url, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {},
    ]
    for headers in own:
        run_id = await stage.finished_run()
        url = f"/api/v1/runs/{run_id}/select"
        answer = await stage.client.post(
            url, json={"winning_variation_id": 1}, headers=headers
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""],
)
async def test_a_body_that_does_not_say_it_is_json_is_not_read(
    stage: Stage, kind: str
) -> None:
    run_id = await stage.finished_run()
    headers = {"Content-Type": kind} if kind else {}
    answer = await stage.client.post(
        f"/api/v1/runs/{run_id}/select",
        content=b'{"winning_variation_id": 1}',
        headers=headers,
    )
    assert answer.status_code == 422


async def test_another_origin_gets_cors_headers_only_when_it_is_allowed(
    home: Path,
) -> None:
    async with open_stage(home, allowed_origins=("https://page.example",)) as stage:
        run_id = await stage.finished_run()
        url = f"/api/v1/runs/{run_id}/select"
        ask = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-api-key",
        }
        good, bad = (
            {"Origin": "https://page.example"},
            {"Origin": "https://evil.example"},
        )
        preflight = await stage.client.options(url, headers=good | ask)
        assert (
            preflight.headers["access-control-allow-origin"] == "https://page.example"
        )
        assert (
            "access-control-allow-origin"
            not in (await stage.client.options(url, headers=bad | ask)).headers
        )
        assert (
            "access-control-allow-origin"
            not in (await stage.client.get("/api/v1/runs", headers=bad)).headers
        )
        assert (
            await stage.client.post(url, json={"winning_variation_id": 1}, headers=bad)
        ).status_code == 403
        answer = await stage.client.post(
            url, json={"winning_variation_id": 1}, headers=good
        )
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
            200,
            "https://page.example",
        )


async def calls(stage: Stage, run_id: str) -> list[tuple[str, str, str]]:
    """Return method, path as in the schema, and address of each operation on a run."""
    schema = (await stage.client.get("/openapi.json")).json()
    found = []
    for path, item in schema["paths"].items():
        url = re.sub(r"\{number\}", "1", path.replace("{run_id}", run_id))
        found += [(method, path, url) for method in item]
    return found


async def test_once_a_key_exists_nothing_else_opens_any_route(home: Path) -> None:
    async with open_stage(home) as stage:
        run_id = await stage.finished_run()
        _, key = await stage.app.create_key("test")
        closed = 0
        for method, path, url in await calls(stage, run_id):
            for headers in (
                {},
                {"X-API-Key": "aid_wrong"},
                {"Cookie": f"{auth.COOKIE}=x.9999999999.00"},
            ):
                answer = await stage.client.request(method, url, headers=headers)
                if (method, path) in OPEN:
                    assert answer.status_code != 401 or path.endswith("/session")
                else:
                    assert (answer.status_code, method, path) == (401, method, path)
                    assert answer.headers["www-authenticate"]
                    closed += 1
        assert closed > 30
        assert (
            await stage.client.get("/api/v1/runs", headers={"X-API-Key": key})
        ).status_code == 200


async def test_the_header_of_the_key_can_be_renamed(home: Path) -> None:
    async with open_stage(home, api_key_header="X-Team-Key") as stage:
        _, key = await stage.app.create_key("test")
        assert (
            await stage.client.get("/api/v1/runs", headers={"X-Team-Key": key})
        ).status_code == 200
        assert (
            await stage.client.get("/api/v1/runs", headers={"X-API-Key": key})
        ).status_code == 401


async def test_a_browser_trades_a_key_for_a_cookie_that_scripts_cannot_read(
    home: Path,
) -> None:
    async with open_stage(home) as stage:
        known, key = await stage.app.create_key("test")
        run_id = await stage.finished_run(events=2)
        assert (
            await stage.client.post("/api/v1/session", json={"api_key": "aid_wrong"})
        ).status_code == 401
        answer = await stage.client.post("/api/v1/session", json={"api_key": key})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/"))
        assert key not in answer.headers["set-cookie"]
        # The client keeps the cookie, as a browser does; EventSource can send nothing
        # else.
        async with stage.client.stream(
            "GET", f"/api/v1/runs/{run_id}/stream"
        ) as stream:
            assert stream.status_code == 200
        assert (await stage.client.get("/api/v1/runs")).status_code == 200
        await stage.app.revoke_key(known.id)
        await stage.app.create_key("another")
        assert (await stage.client.get("/api/v1/runs")).status_code == 401


async def test_logging_out_forgets_the_cookie(home: Path) -> None:
    async with open_stage(home) as stage:
        _, key = await stage.app.create_key("test")
        await stage.client.post("/api/v1/session", json={"api_key": key})
        assert (await stage.client.delete("/api/v1/session")).status_code == 204
        assert (await stage.client.get("/api/v1/runs")).status_code == 401


async def test_a_cookie_of_another_process_or_past_its_time_is_worth_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = sessions.Sessions()
    cookie = known.issue("key-1")
    found = known.find(cookie)
    assert found is not None
    assert found.key_id == "key-1"
    assert sessions.Sessions().find(cookie) is None
    forged = cookie.replace("key-1", "key-2")
    assert [
        known.find(bad) for bad in (forged, cookie[:-1], "", ".", "..", "é.1.2")
    ] == [None] * 6
    known.end(found)
    assert known.find(cookie) is None
    monkeypatch.setattr(sessions, "SESSION_SECONDS", -1)
    assert known.find(known.issue("key-1")) is None


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host"])
async def test_what_came_through_a_proxy_is_not_of_this_machine(
    stage: Stage, header: str
) -> None:
    answer = await stage.client.get("/api/v1/runs", headers={header: "127.0.0.1"})
    assert answer.status_code == 401


async def test_beyond_loopback_a_key_is_needed_whatever_the_name(home: Path) -> None:
    async with open_stage(home, host="0.0.0.0") as stage:
        assert (await stage.client.get("/api/v1/runs")).status_code == 401
        _, key = await stage.app.create_key("test")
        for host in ("localhost", "aideator.example"):
            answer = await stage.client.get(
                "/api/v1/runs", headers={"X-API-Key": key, "Host": host}
            )
            assert answer.status_code == 200


async def test_every_answer_carries_the_security_headers(stage: Stage) -> None:
    run_id = await stage.finished_run()
    answers = [
        await stage.client.get("/health/live"),
        await stage.client.get("/nowhere"),
        await stage.client.get(f"/api/v1/runs/{run_id}"),
        await stage.client.get(f"/api/v1/runs/{run_id}/stream"),
        await stage.client.get("/docs"),
        await stage.client.get("/api/v1/runs", headers={"Host": "evil.example"}),
        await stage.client.post("/api/v1/runs", content=b"x" * (2**20 + 1)),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "no-store" in answer.headers["cache-control"]
