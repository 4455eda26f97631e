"""More views: accessible in both themes and on a phone, whatever an agent wrote."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from aideator.domain.ranking import (
    Confidence,
    CrossOutcome,
    CrossTest,
    Evidence,
    Opinion,
    Ranking,
    Standing,
)
from aideator.domain.run import AgentSpec
from aideator.domain.verdict import Change, CheckChange, Flag, FlagKind, TestChange
from aideator.store import keys, runs
from tests.api.stage import Stage, open_stage
from tests.web.judged import BASE, FIVE, Made, judged_run, patch_of
from tests.web.test_craft import AXE, violations
from tests.web.test_hostile import PAYLOADS
from tests.web.visitor import Visitor

PHONE = {"width": 390, "height": 844}


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with open_stage(home) as opened:
        yield opened


async def decided_run(stage: Stage) -> str:
    run_id = await judged_run(stage)
    async with stage.database.write() as session:
        await runs.select_winner(
            session, run_id, 3, "It cuts the words, and has a test that says so."
        )
    return run_id


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: make check")
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1440), ("light", 390)])
async def test_every_view_is_accessible(
    stage: Stage, chromium: Browser, scheme: str, width: int
) -> None:
    open_, decided = await judged_run(stage), await decided_run(stage)
    cell = "?to=5&cell=unit%20%C2%BB%20test_quote%3A%3Atest_quote%404"
    looks = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 844},
        "reduced_motion": "reduce",
    }
    async with Visitor.open(chromium, **looks) as visitor:
        page = visitor.page
        for path, sign in {
            f"/runs/{open_}/compare{cell}": "Test message",
            f"/runs/{decided}/compare?from=1&to=3": "Decision record",
            f"/runs/{decided}/record": "Not published.",
            "/agents": "AIdeator's own agent",
            "/stats": "Wins by agent",
            "/doctor": "Check again",
            "/settings": "AIDEATOR_HOME",
        }.items():
            await visitor.goes_to(stage.url, path)
            await expect(
                page.get_by_text(sign).or_(page.get_by_label(sign)).first
            ).to_be_attached()
            await page.wait_for_load_state("networkidle")
            if "compare" in path:
                await page.keyboard.press("d")
                await expect(page.locator("h3").first).to_be_visible()
            assert await violations(visitor) == [], path
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} scrolls sideways"
        await visitor.goes_to(stage.url, f"/runs/{open_}/compare")
        await expect(page.get_by_role("region", name="Recommendation")).to_be_visible()
        await page.keyboard.press("w")
        await expect(page.get_by_role("dialog")).to_be_visible()
        assert await violations(visitor) == []
        assert visitor.trouble == []


def hostile(payload: str) -> tuple[tuple[Made, ...], Evidence, Ranking]:
    """One payload in everything about a change that an agent has a hand in."""
    name = payload.replace("/", "∕").replace("\n", " ")[:60]
    test = TestChange(test=payload, change=Change.BROKEN, file=payload, message=payload)
    check = CheckChange(
        check="unit", change=Change.BROKEN, tests=(test,), counts={Change.BROKEN: 1}
    )
    flag = Flag(
        kind=FlagKind.SECRET, path=name, hunk=0, excerpt=payload, message=payload
    )
    changed = patch_of(
        BASE,
        BASE | {name: f"{payload}\n", "wrap.py": BASE["wrap.py"] + f"# {payload}\n"},
    )
    made = Made(
        changed,
        (check,),
        (flag,),
        AgentSpec(model=payload[:120], instructions=payload),
        output=payload,
    )
    cross = CrossTest(
        check="unit",
        test=payload,
        file=payload,
        authors=(1,),
        base=CrossOutcome.FAIL,
        outcomes={1: CrossOutcome.PASS, 2: CrossOutcome.FAIL},
        weight=0.5,
        why_not=payload,
        messages={2: payload},
    )
    opinion = Opinion(model=payload, among=(1, 2), preferred=1, reasons=(payload,))
    evidence = Evidence(cross_tests=(cross,), opinion=opinion, notes=(payload,))
    ranking = Ranking(
        order=(1, 2),
        recommended=1,
        confidence=Confidence.MEDIUM,
        reasons=(payload,),
        rule=payload,
        settle=payload,
        standings=(
            Standing(variation_id=1, gate=payload),
            Standing(variation_id=2, gate=payload, flagged=True),
        ),
    )
    return (made, FIVE[3]), evidence, ranking


@pytest.mark.parametrize("index", range(len(PAYLOADS)))
async def test_nothing_about_a_change_runs_loads_or_leads_away(
    index: int, stage: Stage, visitor: Visitor
) -> None:
    payload = PAYLOADS[index]
    made, evidence, ranking = hostile(payload)
    run_id = await judged_run(
        stage, made, evidence=evidence, ranking=ranking, prompt=f"{payload} and more"
    )
    async with stage.database.write() as session:
        await runs.select_winner(session, run_id, 1, payload)
    page = visitor.page
    for path in ("compare?to=1", "compare?from=2&to=1&view=split", "record"):
        await visitor.goes_to(stage.url, f"/runs/{run_id}/{path}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.wait_for_load_state("networkidle")
        if "compare" in path:
            matrix = page.get_by_role("table", name="Test results of each variation")
            await matrix.get_by_role("button", name="broken").last.click()
            await page.keyboard.press("d")
            await expect(page.locator("h3").first).to_be_visible()
        assert await page.evaluate("window.pwned") is None
        planted = (
            "#root :is(script, img, iframe, object, embed, base, meta, link, style, "
            "form, math)"
        )
        assert await page.locator(planted).count() == 0
        hrefs = await page.locator("#root a").evaluate_all(
            "links => links.map(link => link.protocol)"
        )
        assert set(hrefs) <= {"http:", "https:"}
        text = await page.locator("#root").inner_text()
        assert not set(text) & set("\x1b‪‫‬‭‮⁦⁧⁨⁩"), (
            "what would reorder or hide text is written out"
        )


async def test_a_key_is_shown_once_and_revoked_for_good(
    home: Path, visitor: Visitor
) -> None:
    async with open_stage(home) as stage:
        async with stage.database.write() as session:
            _, owner = await keys.create(session, "owner")
        await visitor.goes_to(stage.url, "/settings")
        page = visitor.page
        await page.get_by_label("API key").fill(owner)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_label("Name of the new key").fill("laptop")
        await page.get_by_role("button", name="New key").click()
        dialog = page.get_by_role("dialog", name="Key laptop")
        made = await dialog.get_by_label("Key", exact=True).input_value()
        assert (
            await stage.client.get("/api/v1/keys", headers={"X-API-Key": made})
        ).status_code == 200
        await dialog.get_by_role("button", name="Done").click()
        assert made not in await page.content()
        await page.get_by_role("button", name="Revoke laptop").click()
        await (
            page.get_by_role("dialog")
            .get_by_role("button", name="Revoke", exact=True)
            .click()
        )
        await expect(page.get_by_role("row", name="laptop")).to_contain_text("revoked")
        assert (
            await stage.client.get("/api/v1/keys", headers={"X-API-Key": made})
        ).status_code == 401


async def test_what_the_server_refuses_is_said(stage: Stage, visitor: Visitor) -> None:
    await visitor.goes_to(stage.url, "/runs/none/record")
    await expect(
        visitor.page.get_by_role("heading", name="Run not found")
    ).to_be_visible()
    await visitor.goes_to(stage.url, "/settings")
    await expect(visitor.page.get_by_text("aideator key create NAME")).to_be_visible()
    await visitor.goes_to(stage.url, "/stats")
    await expect(
        visitor.page.get_by_role("heading", name="No decisions yet")
    ).to_be_visible()
