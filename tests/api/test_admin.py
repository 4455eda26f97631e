"""What whoever runs a server asks it for: settings, disk, keys."""

from pathlib import Path
from typing import Any

import httpx2

from aideator.store import keys
from tests.api.stage import Stage, open_stage


async def _key(stage: Stage, name: str = "first") -> dict[str, str]:
    async with stage.database.write() as session:
        _, key = await keys.create(session, name)
    return {"X-API-Key": key}


async def test_settings_are_told_without_any_secret(home: Path) -> None:
    told: dict[str, Any] = {
        "anthropic_api_key": "sk-ant-canary",
        "github_token": "ghp-canary",
        "git_tokens": {"g.example": "canary"},
        "anthropic_base_url": "https://user:canary@models.example",
        "redis_url": "redis://:canary@redis.example/0",
        "max_variations": 7,
    }
    async with open_stage(home, **told) as stage:
        answer = await stage.client.get("/api/v1/settings")
    assert "canary" not in answer.text
    found = {each["name"]: each for each in answer.json()}
    assert found["ANTHROPIC_API_KEY"]["value"] == "set"
    assert found["GIT_TOKENS"]["value"] == "g.example"
    assert found["ANTHROPIC_BASE_URL"]["value"] == "https://…@models.example"
    assert (
        found["MAX_VARIATIONS"]["value"],
        found["MAX_VARIATIONS"]["is_default"],
    ) == ("7", False)
    assert found["AGENT_MEMORY_LIMIT"]["value"] == "512m"
    assert found["AGENT_TIMEOUT"]["is_default"] is True
    assert found["MAX_VARIATIONS"]["meaning"].startswith("The most variations")


async def test_the_disk_is_measured_part_by_part(stage: Stage) -> None:
    folder = stage.app.settings.aideator_home / "checkouts"
    folder.mkdir(exist_ok=True)
    (folder / "large").write_bytes(b"x" * 3_000_000)
    (stage.app.settings.aideator_home / "elsewhere").symlink_to("/usr")
    told = (await stage.client.get("/api/v1/disk")).json()
    assert told["parts"][0]["name"] == "checkouts"
    assert told["parts"][0]["bytes"] >= 3_000_000
    assert "aideator.db" in {part["name"] for part in told["parts"]}
    assert "elsewhere" not in {part["name"] for part in told["parts"]}
    assert 0 < told["free"] < told["total"]


async def test_keys_are_made_used_and_revoked_with_a_key(home: Path) -> None:
    async with open_stage(home) as stage:
        holder = await _key(stage)
        made = (
            await stage.client.post(
                "/api/v1/keys", json={"name": "laptop"}, headers=holder
            )
        ).json()
        with_new = {"X-API-Key": made["key"]}
        listed = await stage.client.get("/api/v1/keys", headers=with_new)
        assert made["key"] not in listed.text, "the key itself is told once"
        assert [(each["name"], each["mine"]) for each in listed.json()] == [
            ("first", False),
            ("laptop", True),
        ]

        revoked = await stage.client.delete(
            f"/api/v1/keys/{made['id']}", headers=holder
        )
        assert revoked.json()["revoked_at"] is not None
        assert (
            await stage.client.get("/api/v1/keys", headers=with_new)
        ).status_code == 401
        assert (
            await stage.client.delete("/api/v1/keys/nothing", headers=holder)
        ).status_code == 404


async def test_without_a_key_nobody_manages_keys(stage: Stage) -> None:
    answers = [
        await stage.client.get("/api/v1/keys"),
        await stage.client.post("/api/v1/keys", json={"name": "mine"}),
        await stage.client.delete("/api/v1/keys/any"),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "aideator key create" in answers[0].json()["hint"]


async def test_a_stranger_is_told_nothing(home: Path) -> None:
    async with open_stage(home) as stage:
        await _key(stage)
        async with httpx2.AsyncClient(base_url=stage.url) as stranger:
            for path in ("settings", "disk", "keys"):
                assert (await stranger.get(f"/api/v1/{path}")).status_code == 401
