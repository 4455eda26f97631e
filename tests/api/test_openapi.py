"""What the API says about itself is true."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from aideator.api import reference
from aideator.api.app import create_app
from aideator.api.problems import KINDS
from aideator.api.server import open_server
from aideator.app import open_app
from aideator.settings import Settings
from tests.api.stage import Stage

ROOT = Path(__file__).parents[2]


def described(**settings: Any) -> dict[str, Any]:
    schema: dict[str, Any] = create_app(Settings(_env_file=None, **settings)).openapi()
    return schema


@pytest.mark.slow
@pytest.mark.parametrize("with_key", [False, True], ids=["no key", "with a key"])
async def test_every_operation_keeps_what_the_schema_promises(
    home: Path, repo: Path, *, with_key: bool
) -> None:
    settings = Settings(_env_file=None, aideator_home=home / "state", aideator_port=0)
    header: tuple[str, ...] = ()
    if with_key:
        async with open_app(settings, work=False) as app:
            _, secret = await app.create_key("schemathesis")
        header = ("--header", f"{settings.api_key_header}: {secret}")
    async with open_server(settings) as server:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("schemathesis"),
            *(
                "run",
                f"{server.url}/openapi.json",
                "--checks",
                "all",
                "--max-examples",
                "3",
                "--seed",
                "1",
            ),
            *header,
            *(
                "--generation-deterministic",
                "--phases",
                "examples,coverage,fuzzing",
                "--continue-on-failure",
            ),
            # Endless answers, and files that it cannot make:
            # https://github.com/schemathesis/schemathesis/issues/3633
            *("--exclude-path-regex", "/(stream|import)$"),
            cwd=home,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks",
                "SCHEMATHESIS_REPOSITORY": str(repo),
                "PYTHONPATH": str(ROOT),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def test_the_operators_bounds_stand_in_the_schema() -> None:
    schemas = described(max_variations=7, max_prompt_length=99)["components"]["schemas"]
    assert schemas["RunSpec"]["properties"]["variations"]["maximum"] == 7
    assert schemas["RunSpec"]["properties"]["prompt"]["maxLength"] == 99
    assert schemas["FollowUp"]["properties"]["prompt"]["maxLength"] == 99


def test_every_operation_is_explained_and_every_problem_is_a_problem_document() -> None:
    for path, item in described()["paths"].items():
        for method, operation in item.items():
            assert operation["description"], (method, path)
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], (
                        method,
                        path,
                        status,
                    )
                    assert int(status) in KINDS


def test_every_reference_leads_somewhere() -> None:
    schema = described()
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema)):
        assert name in schema["components"]["schemas"]
    assert "HTTPValidationError" not in schema["components"]["schemas"]


async def test_usual_addresses_answer(stage: Stage) -> None:
    described = (await stage.client.get("/openapi.json")).json()
    moved = await stage.client.get("/api/v1/openapi.json")
    assert moved.json() == described
    assert (await stage.client.get("/health")).json() == {"status": "ok"}
    docs = [await stage.client.get(path) for path in ("/docs", "/redoc")]
    assert docs[0].text == docs[1].text
    for accept in ("*/*", "application/json", "text/html"):
        page = await stage.client.get("/", headers={"Accept": accept})
        # Not built here: it says so, which is no 404 either.
        assert (page.status_code, "<!doctype html>" in page.text.lower()) in {
            (200, True),
            (503, False),
        }
    assert (await stage.client.get("/nowhere")).status_code == 404


async def test_the_page_for_people_needs_nothing_from_elsewhere(stage: Stage) -> None:
    answer = await stage.client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "POST /api/v1/runs/{run_id}/select" in answer.text
    assert not re.findall(
        r"(?:src|href)=\"(?:https?:)?//|<script|@import|url\(", answer.text
    )
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for status in KINDS:
        assert f'id="problem-{status}"' in answer.text


def test_the_reference_in_the_documentation_is_in_step() -> None:
    written = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    assert written == reference.markdown(described()), (
        "python -m aideator.api.app > docs/reference/api.md"
    )
