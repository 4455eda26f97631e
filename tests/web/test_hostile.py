"""Whatever an agent writes, wherever it is shown: it is looked at, and does nothing."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from aideator.domain.check import CheckResult
from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    CheckRun,
    DiffContent,
    ErrorRaised,
    EventBody,
    PlanEntry,
    RunStarted,
    TextContent,
    ToolCall,
    UsageRecorded,
    VariationFailed,
    VariationStarted,
    VerdictReached,
)
from aideator.domain.ranking import Confidence, Ranking
from aideator.domain.run import AgentSpec
from aideator.domain.usage import Usage
from aideator.eventlog.base import Draft
from tests.api.stage import Stage, open_stage
from tests.web.visitor import Visitor

EVIL = "http://evil.example"
PWN = "window.pwned=1"
PAYLOADS = (
    f"<script>{PWN}</script>",
    f"<img src=x onerror={PWN}>",
    f"<svg/onload={PWN}>",
    f"<iframe srcdoc='<script>parent.{PWN}</script>'></iframe>",
    f"<details open ontoggle={PWN}>",
    f"<a href='javascript:{PWN}'>click</a>",
    f"[link](javascript:{PWN})",
    f"[link](JaVaScRiPt:{PWN})",
    f"[link](java&#x73;cript:{PWN})",
    "[link](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[link](vbscript:msgbox(1))",
    f"<javascript:{PWN}>",
    f"[ref]\n\n[ref]: javascript:{PWN}",
    f"![pixel]({EVIL}/p.png)",
    f"![pixel](data:image/svg+xml,<svg onload={PWN}>)",
    f"<link rel=prefetch href={EVIL}>",
    f"<meta http-equiv=refresh content='0;{EVIL}'>",
    f"<base href={EVIL}>",
    f"<style>@import url({EVIL}/x.css);</style>",
    f"<form action={EVIL}><button>send</button></form>",
    "<math><mtext><table><mglyph><style><img src=x "
    f"onerror={PWN}></style></mglyph></table></mtext></math>",
    f"\x1b]8;;javascript:{PWN}\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m",
    "user‮gnp.exe‬",
    f'" onmouseover="{PWN}',
    f"{{{{constructor.constructor('{PWN}')()}}}}",
    f"`<img src=x onerror={PWN}>`\n\n```html\n<script>{PWN}</script>\n```",
    f"| <img src=x onerror={PWN}> | b |\n|---|---|\n| [x](javascript:{PWN}) | b |",
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        async with open_stage(Path(home)) as opened:
            yield opened


def everywhere(payload: str, index: int) -> list[EventBody]:
    """One event for each field of a lane that an agent has a hand in."""
    return [
        AgentOutput(channel="thought", text=payload, message_id=f"t{index}"),
        AgentOutput(channel="message", text=payload, message_id=f"m{index}"),
        ToolCall(
            tool_call_id=f"call{index}",
            title=payload,
            tool_kind="execute",
            status="failed",
            content=(
                TextContent(text=payload),
                DiffContent(
                    path=payload, old_text=payload, new_text=f"{payload}\n{payload}"
                ),
            ),
            paths=(payload,),
            raw_input={payload: payload},
        ),
        AgentPlan(entries=(PlanEntry(content=payload, status="in_progress"),)),
        CheckRun(
            result=CheckResult(
                check=payload, exit_code=1, seconds=0.1, output=payload, note=payload
            )
        ),
        ErrorRaised(reason=payload, message=payload),
        UsageRecorded(usage=Usage(requests=1), model=payload),
    ]


@pytest.mark.parametrize("index", range(len(PAYLOADS)))
async def test_nothing_that_an_agent_writes_runs_loads_or_leads_away(
    index: int, stage: Stage, visitor: Visitor
) -> None:
    payload = PAYLOADS[index]
    run_id = await stage.run(variations=1)
    agent = AgentSpec(model=payload[:120], instructions=payload)
    started = RunStarted(
        repo_url=payload,
        commit=payload,
        prompt=f"{payload}\n{payload}",
        variations=1,
        checks=(),
    )
    await stage.log.append(run_id, [Draft(started)])
    bodies: list[EventBody] = [
        VariationStarted(spec=agent, attempt=1),
        *everywhere(payload, index),
    ]
    bodies.append(VariationFailed(reason=payload, message=payload))
    await stage.log.append(run_id, [Draft(body) for body in bodies], variation_id=1)
    ranking = Ranking(
        order=(), recommended=None, confidence=Confidence.OPEN, reasons=(payload,)
    )
    await stage.log.append(
        run_id,
        [
            Draft(VerdictReached(ranking=ranking)),
            Draft(ErrorRaised(reason="x", message=payload)),
        ],
    )
    await stage.complete(run_id)

    await visitor.goes_to(stage.url, f"/runs/{run_id}?race=1")
    page = visitor.page
    await expect(page.get_by_role("region", name="Result")).to_be_visible()
    await expect(page.locator("summary")).to_be_visible()
    await page.locator("summary").click()
    assert await page.evaluate("window.pwned") is None
    planted = (
        "#root :is(script, img, iframe, object, embed, base, meta, link, style, form, "
        "math)"
    )
    assert await page.locator(planted).count() == 0
    for link in await page.locator("#root a[target=_blank]").all():
        assert str(await link.get_attribute("href")).startswith(
            ("http://", "https://", "mailto:")
        )
        assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    hrefs = await page.locator("#root a").evaluate_all(
        "links => links.map(link => link.protocol)"
    )
    assert set(hrefs) <= {"http:", "https:", "mailto:"}
    text = await page.locator("#root").inner_text()
    assert not set(text) & set("\x1b‪‫‬‭‮⁦⁧⁨⁩"), "what would reorder or hide text is written out"


async def test_a_link_shows_where_it_leads(stage: Stage, visitor: Visitor) -> None:
    run_id = await stage.run(variations=1)
    started = RunStarted(repo_url="x", commit="c", prompt="p", variations=1, checks=())
    await stage.log.append(run_id, [Draft(started)])
    said = AgentOutput(
        channel="message",
        text=f"See [the docs of github.com]({EVIL}/x).",
        message_id="m",
    )
    failed = VariationFailed(reason="X", message="y")
    await stage.log.append(run_id, [Draft(said), Draft(failed)], variation_id=1)
    await visitor.goes_to(stage.url, f"/runs/{run_id}")
    await expect(visitor.page.get_by_role("log")).to_contain_text(
        "the docs of github.com (evil.example)"
    )
