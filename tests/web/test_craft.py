"""Every view is accessible in both themes and on a phone, small, and locked down."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from aideator.domain.check import CheckResult
from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    CheckRun,
    DiffContent,
    EventBody,
    PlanEntry,
    RunStarted,
    TextContent,
    ToolCall,
    VariationFailed,
    VariationStarted,
)
from aideator.domain.run import AgentSpec, RunStatus
from aideator.eventlog.base import Draft
from aideator.web import DIST
from tests.api.stage import Stage, open_stage
from tests.web.judged import judged_run
from tests.web.visitor import Visitor

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIRST_LOAD_BYTES = 300_000
WORK: tuple[EventBody, ...] = (
    VariationStarted(spec=AgentSpec(model="claude-opus-5-5", effort="high"), attempt=1),
    AgentOutput(
        channel="thought",
        text="The loop never cuts a single word. " * 20,
        message_id="t",
    ),
    AgentOutput(
        channel="message",
        text="I look at **the code**.\n\n- one\n- two",
        message_id="m",
    ),
    ToolCall(
        tool_call_id="a",
        title="python3 -m pytest -q",
        tool_kind="execute",
        status="failed",
        content=(TextContent(text="\x1b[31mFAILED\x1b[0m test_wrap\n" * 20),),
    ),
    ToolCall(
        tool_call_id="b",
        title="edit wrap.py",
        tool_kind="edit",
        status="completed",
        content=(DiffContent(path="wrap.py", old_text="a\nb", new_text="a\nc"),),
    ),
    AgentPlan(
        entries=(
            PlanEntry(content="Repair", status="in_progress"),
            PlanEntry(content="Test"),
        )
    ),
    CheckRun(result=CheckResult(check="unit", exit_code=0, seconds=1.2, output="ok")),
    VariationFailed(
        reason="AgentTimeout",
        message="The agent did not finish within its wall-clock limit.",
    ),
)


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with open_stage(home) as opened:
        yield opened


async def shown_run(stage: Stage) -> str:
    run_id = await stage.run(variations=2, status=RunStatus.FINISHED)
    begun = RunStarted(
        repo_url="/srv/project",
        commit="4672a81c",
        prompt="Make it work",
        variations=2,
        checks=(),
    )
    await stage.log.append(run_id, [Draft(begun)])
    for number in (1, 2):
        await stage.log.append(
            run_id, [Draft(body) for body in WORK], variation_id=number
        )
    await stage.complete(run_id)
    return run_id


async def violations(visitor: Visitor) -> list[str]:
    """What axe finds wrong, each with the element that it is about."""
    # Evaluated rather than added as a script: the page's own policy would refuse that,
    # and it should.
    await visitor.page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await visitor.page.evaluate(
        f"axe.run({{runOnly: {json.dumps(RULES)}}})"
    )
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: make check")
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1440), ("light", 390)])
async def test_every_view_is_accessible(
    stage: Stage, chromium: Browser, scheme: str, width: int
) -> None:
    run_id = await shown_run(stage)
    looks = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 844},
        "reduced_motion": "reduce",
    }
    async with Visitor.open(chromium, **looks) as visitor:
        page = visitor.page
        for path, sign in {
            "/": "New run",
            f"/runs/{run_id}?race=1": "AgentTimeout",
            f"/runs/{run_id}?focus=2": "AgentTimeout",
            "/login": "API key",
            "/nowhere": "Page not found",
        }.items():
            await visitor.goes_to(stage.url, path)
            await expect(page.get_by_text(sign).first).to_be_attached()
            await page.wait_for_load_state("networkidle")
            assert await violations(visitor) == [], path
        assert visitor.trouble == []


async def test_a_phone_shows_one_lane_without_sideways_scrolling(
    stage: Stage, chromium: Browser
) -> None:
    run_id = await shown_run(stage)
    judged = await judged_run(
        stage, prompt="Cut words that are longer than the line. " * 5
    )
    async with Visitor.open(
        chromium, viewport={"width": 390, "height": 844}
    ) as visitor:
        for path in (f"/runs/{judged}/compare", "/", f"/runs/{run_id}?race=1"):
            await visitor.goes_to(stage.url, path)
            await visitor.page.wait_for_load_state("networkidle")
            wide = await visitor.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, path
        await (
            visitor.page.get_by_role("navigation", name="Variations")
            .get_by_role("button")
            .nth(1)
            .click()
        )
        await expect(
            visitor.page.get_by_role("region", name="Variation 2,")
        ).to_be_visible()
        await expect(
            visitor.page.get_by_role("region", name="Variation 1,")
        ).to_be_hidden()


async def test_a_chosen_theme_holds_over_a_reload(
    stage: Stage, visitor: Visitor
) -> None:
    await visitor.goes_to(stage.url)
    await visitor.page.get_by_role("button", name="Theme: system").click()
    await visitor.page.get_by_role("button", name="Theme: light").click()
    await visitor.page.reload()
    dark = "getComputedStyle(document.documentElement).colorScheme"
    assert await visitor.page.evaluate(dark) == "dark"


async def test_what_a_server_does_not_answer_is_said(
    home: Path, visitor: Visitor
) -> None:
    async with open_stage(home) as stage:
        await visitor.goes_to(stage.url)
        await visitor.page.get_by_role("button", name="New run").click()
    await visitor.page.get_by_label("Prompt", exact=True).fill(
        "Make the failing test pass"
    )
    await visitor.page.get_by_label("Repository").fill("/srv/project")
    await visitor.page.get_by_role("button", name="Start 3 agents").click()
    await expect(visitor.page.get_by_role("alert")).to_contain_text(
        "The server does not answer"
    )


async def test_the_page_is_locked_down(stage: Stage) -> None:
    page = await stage.client.get("/", headers={"Accept": "text/html"})
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; worker-src 'self'; frame-src "
        f"*.localhost:{stage.port}; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/runs/x/compare", "text/html,*/*", 200),
        ("/api/v1/nope", "text/html", 404),
        ("/api/v1", "text/html", 404),
        ("/nope.js", "*/*", 404),
        ("/assets/../../pyproject.toml", "*/*", 404),
        ("/assets/%2e%2e/%2e%2e/__init__.py", "*/*", 404),
        ("/.vite/manifest.json", "*/*", 404),
    ],
)
async def test_only_what_was_built_is_served_and_only_a_visitor_gets_the_page(
    stage: Stage, path: str, accept: str, status: int
) -> None:
    answer = await stage.client.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    if status == 404:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_files_are_compressed_and_kept_as_long_as_their_names_last(
    stage: Stage,
) -> None:
    script = next(path for path in (DIST / "assets").glob("index-*.js"))
    answer = await stage.client.get(
        f"/assets/{script.name}", headers={"Accept-Encoding": "gzip"}
    )
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.content == script.read_bytes()
    plain = await stage.client.get(
        f"/assets/{script.name}", headers={"Accept-Encoding": "identity"}
    )
    assert "content-encoding" not in plain.headers


async def test_the_first_load_of_a_run_stays_small(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await shown_run(stage)
    await visitor.goes_to(stage.url, f"/runs/{run_id}")
    await visitor.page.wait_for_load_state("networkidle")
    sizes: list[int] = await visitor.page.evaluate(
        "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
        ".filter(each => !each.name.includes('/api/')).map(each => "
        "each.encodedBodySize)"
    )
    assert 50_000 < sum(sizes) <= FIRST_LOAD_BYTES
