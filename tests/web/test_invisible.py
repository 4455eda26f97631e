"""What nobody would see is spelled out in every view of the page."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    DiffContent,
    ErrorRaised,
    PlanEntry,
    TextContent,
    ToolCall,
)
from aideator.domain.ranking import Evidence
from aideator.domain.run import AgentSpec
from aideator.domain.verdict import Change, Flag, FlagKind, TestChange
from aideator.domain.visible import visible_text
from aideator.eventlog.base import Draft
from tests.api.stage import Stage, open_stage
from tests.web.judged import BASE, RANKING, Made, judged_run, patch_of, unit
from tests.web.visitor import Visitor

HIDDEN = "".join(chr(0xE0000 + ord(letter)) for letter in "rm -rf")
ZERO_WIDTH = "i\u200bg\u200cn\u200dore\u2060\u00ad\ufeff"
BIDI = "\u202egnp.exe\u2069"
WORDS = f"Wrap{HIDDEN} {ZERO_WIDTH} {BIDI}"
SPELLED_OUT = "Wrap⟨U+E0072⟩⟨U+E006D⟩⟨U+E0020⟩⟨U+E002D⟩⟨U+E0072⟩⟨U+E0066⟩ i⟨U+200B⟩g"

MADE = Made(
    patch_of(BASE, BASE | {"wrap.py": f"# {WORDS}\n{BASE['wrap.py']}"}),
    (
        unit(
            Change.FIXED,
            TestChange(test=f"t::{WORDS}", change=Change.NEW, message=WORDS),
            new=1,
        ),
    ),
    spec=AgentSpec(model=f"m{HIDDEN}", instructions=WORDS),
    flags=(Flag(kind=FlagKind.WEAKENED_TEST, path="wrap.py", hunk=0, message=WORDS),),
    output=WORDS,
)
SAID = (
    AgentOutput(channel="thought", text=WORDS, message_id="t"),
    AgentOutput(channel="message", text=f"{WORDS} &#xE0072; &shy;", message_id="m"),
    ToolCall(
        tool_call_id="c",
        title=WORDS,
        tool_kind="execute",
        status="failed",
        content=(
            TextContent(text=WORDS),
            DiffContent(path=WORDS, old_text=WORDS, new_text=f"{WORDS}\n{WORDS}"),
        ),
    ),
    AgentPlan(entries=(PlanEntry(content=WORDS, status="in_progress"),)),
    ErrorRaised(reason=WORDS, message=WORDS),
)
LABELS = "title, aria-label, alt, placeholder, aria-description"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        async with open_stage(Path(home)) as opened:
            yield opened


async def shown_by(page: Page) -> str:
    """Return all text and labels of the page, seen and not."""
    found = await page.evaluate(
        """names => [document.title, document.body.textContent,
            ...[...document.querySelectorAll("*")].flatMap(
                element => names.map(name => element.getAttribute(name) ?? ""))
        ].join("\\n")""",
        LABELS.split(", "),
    )
    return str(found)


@pytest.mark.parametrize(
    ("view", "least"),
    [
        ("/", 1),
        ("/runs/{run}", 8),
        ("/runs/{run}/compare", 3),
        ("/runs/{run}?race=1", 8),
        ("/runs/{run}/record", 3),
        ("/stats", 0),
    ],
)
async def test_a_view_spells_out_what_nobody_would_see(
    view: str, least: int, stage: Stage, visitor: Visitor
) -> None:
    ranking = RANKING.model_copy(
        update={"order": (1,), "recommended": 1, "standings": (), "reasons": (WORDS,)}
    )
    run = await judged_run(
        stage, (MADE, MADE), evidence=Evidence(), ranking=ranking, prompt=WORDS
    )
    await stage.log.append(run, [Draft(body) for body in SAID], variation_id=1)
    await stage.app.clear(run, 1, WORDS)
    await stage.app.select(run, 1, WORDS)
    await visitor.goes_to(stage.url, view.format(run=run))
    page = visitor.page
    await expect(page.get_by_text("⟨U+E0072⟩⟨U+E006D⟩").first).to_be_attached()
    if "compare" in view:
        changes = page.get_by_role("region", name="Changes of variation 1")
        await changes.scroll_into_view_if_needed()
        await changes.get_by_role("button", name="Both do this").click()
        await expect(changes).to_contain_text(f"# {SPELLED_OUT}")
    text = await shown_by(page)
    assert text.count(SPELLED_OUT) >= least, text
    assert visible_text(text) == text
