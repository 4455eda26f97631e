"""The comparison shows every kind of cell, equals as one, flags, and abstention."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from aideator.domain.ranking import Confidence, Evidence, Ranking
from tests.api.stage import Stage, open_stage
from tests.web.judged import BASE, FIVE, Made, judged_run, patch_of
from tests.web.visitor import Visitor

MOST_NODES = 3_000


@pytest.fixture
async def stage(home: Path) -> AsyncIterator[Stage]:
    async with open_stage(home) as opened:
        yield opened


async def comparison(
    stage: Stage, visitor: Visitor, run_id: str, query: str = ""
) -> Page:
    await visitor.goes_to(stage.url, f"/runs/{run_id}/compare{query}")
    files = visitor.page.get_by_role("table", name="Files changed by the variations")
    await expect(
        files.get_by_role("button").first
    ).to_be_visible()  # the diffs are there
    return visitor.page


def row(page: Page, name: str) -> Locator:
    rows = page.get_by_role("table", name="Test results of each variation").get_by_role(
        "row"
    )
    return rows.filter(has=page.get_by_role("rowheader", name=name))


async def test_every_cell_says_what_is_known_and_no_more(
    stage: Stage, visitor: Visitor
) -> None:
    page = await comparison(stage, visitor, await judged_run(stage))
    # Best first; 1 and 2 are one patch, and one column.
    heads = page.get_by_role(
        "table", name="Test results of each variation"
    ).get_by_role("columnheader")
    await expect(heads).to_have_count(6)
    await expect(heads.nth(2)).to_contain_text("recommended")
    await expect(heads.nth(3)).to_contain_text("identical patch")
    await expect(row(page, "test_quote").first.get_by_role("button")).to_have_text(
        ["·passes", "·passes", "✗broken", "·passes"]
    )
    await expect(row(page, "test_wrap").first.get_by_role("button")).to_have_text(
        ["✓fixed", "✓fixed", "✓fixed", "∅gone"]
    )
    cross = row(page, "test_cut")
    await expect(cross.nth(1).get_by_role("button")).to_have_text(
        ["✓passes", "✗fails", "✓passes", "⊘not comparable"]
    )
    await expect(
        page.get_by_text("8 tests pass as before in every variation")
    ).to_be_visible()


async def test_a_cell_opens_what_stands_behind_it_and_the_address_keeps_it(
    stage: Stage, visitor: Visitor
) -> None:
    page = await comparison(stage, visitor, await judged_run(stage))
    await row(page, "test_quote").first.get_by_role("button", name="broken").click()
    panel = page.get_by_role("region", name="test_quote::test_quote, variation 4")
    await expect(panel).to_contain_text("Passes on the base, fails with this change.")
    await expect(panel.get_by_role("region", name="Test message")).to_contain_text(
        "'a' != 'b'"
    )
    await page.reload()
    await expect(panel).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    assert "cell=" not in page.url


async def test_a_flag_stands_at_its_hunk(stage: Stage, visitor: Visitor) -> None:
    page = await comparison(stage, visitor, await judged_run(stage), "?to=5")
    await page.keyboard.press("d")
    flag = page.get_by_label("Flag", exact=True)
    await expect(flag).to_contain_text("An assertion of")
    await flag.get_by_role("button", name="Clear flags").click()
    dialog = page.get_by_role("dialog", name="Clear the flags of variation 5")
    await expect(dialog).to_contain_text("test weakened")


async def test_who_cannot_tell_says_what_would_settle_it(
    stage: Stage, visitor: Visitor
) -> None:
    ranking = Ranking(
        order=(1, 2),
        recommended=None,
        confidence=Confidence.OPEN,
        reasons=("Variations 1 and 2 prove the same.",),
        settle="One more test of `wrap` with a hyphen.",
    )
    run_id = await judged_run(stage, FIVE[2:4], evidence=Evidence(), ranking=ranking)
    page = await comparison(stage, visitor, run_id)
    verdict = page.get_by_role("region", name="Recommendation")
    await expect(
        verdict.get_by_role("heading", name="No recommendation")
    ).to_be_visible()
    await expect(verdict).to_contain_text("One more test of wrap with a hyphen.")
    # A person may choose all the same.
    await page.keyboard.press("w")
    await expect(page.get_by_role("dialog", name="Choose the winner")).to_be_visible()


async def test_what_is_taken_is_listed_and_survives_a_reload(
    stage: Stage, visitor: Visitor
) -> None:
    page = await comparison(stage, visitor, await judged_run(stage), "?to=3")
    await page.keyboard.press("d")
    await page.get_by_role("checkbox", name="Select hunk 1 of wrap.py").check()
    await page.get_by_role("checkbox", name="Select the file test_more.py").check()
    composition = page.get_by_role("complementary", name="Composition")
    await expect(composition).to_contain_text("1 file, 1 hunk from")
    await expect(
        page.get_by_role("checkbox", name="Select the file wrap.py")
    ).not_to_be_checked()
    await page.reload()
    await expect(composition).to_contain_text("1 file, 1 hunk from")
    await composition.get_by_role("button", name="Clear").click()
    await expect(composition).to_be_hidden()


async def test_a_diff_is_walked_by_keyboard(stage: Stage, visitor: Visitor) -> None:
    page = await comparison(
        stage, visitor, await judged_run(stage), "?to=3&view=unified"
    )
    await page.keyboard.press("d")
    await expect(
        page.get_by_role("region", name="Changes of variation 3")
    ).to_contain_text("test_more.py")
    for key in "nx":
        await page.keyboard.press(key)
    await expect(page.get_by_role("complementary", name="Composition")).to_contain_text(
        "1 file from"
    )
    await page.keyboard.press("m")
    await expect(
        page.get_by_role("button", name="test_more.py", exact=False).last
    ).to_have_attribute("aria-expanded", "false")


async def test_between_two_variations_nothing_of_the_base_is_left(
    stage: Stage, visitor: Visitor
) -> None:
    page = await comparison(
        stage, visitor, await judged_run(stage), "?from=1&to=3&view=unified"
    )
    await page.keyboard.press("d")
    changes = page.get_by_role("region", name="Changes of variation 3")
    await expect(changes).to_contain_text("return text.split()")
    await expect(changes).to_contain_text("return [w[:width] for w in text.split()]")
    await expect(changes).not_to_contain_text("return [text]")
    await expect(changes.get_by_role("checkbox", name="Select")).to_have_count(0)


async def test_twenty_thousand_lines_are_scrolled_with_a_page_that_stays_small(
    stage: Stage, visitor: Visitor
) -> None:
    long = "".join(
        f"def function_{n}(value):\n    return value * {n}\n" for n in range(10_000)
    )
    made = Made(
        patch_of(BASE, BASE | {"long.py": long, "short.py": "x = 1\n"}), FIVE[0].checks
    )
    page = await comparison(
        stage, visitor, await judged_run(stage, (made, FIVE[3])), "?to=1&view=split"
    )
    await page.keyboard.press("d")
    await expect(page.get_by_text("2 files, 20,001 lines")).to_be_visible()
    await expect(page.get_by_text("def function_0(value):")).to_be_visible()
    await page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight / 2)")
    await expect(page.get_by_text("return value * 5")).not_to_have_count(0)
    assert await page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
    await (
        page.get_by_role("table", name="Files changed by the variations")
        .get_by_role("button")
        .nth(1)
        .click()
    )
    await expect(
        page.get_by_role("button", name="short.py", exact=False).last
    ).to_be_in_viewport()


async def test_variations_are_left_out_and_the_address_says_which(
    stage: Stage, visitor: Visitor
) -> None:
    page = await comparison(stage, visitor, await judged_run(stage))
    await page.get_by_role("checkbox", name="Variation 4").uncheck()
    await expect(row(page, "test_quote")).to_have_count(0)
    assert "a=1%2C2%2C3%2C5" in page.url
    await page.reload()
    heads = page.get_by_role(
        "table", name="Test results of each variation"
    ).get_by_role("columnheader")
    await expect(heads).to_have_count(5)
