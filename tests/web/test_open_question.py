"""The comparison where the answer is hard to see: a tie, a flood, twelve seats."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Locator, Page, expect

from tests.api.stage import Stage, open_stage
from tests.web.scenes import flooded_run, tied_run, twelve_run
from tests.web.visitor import Visitor

MOST_NODES = 2_000


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One server for all runs that are only looked at."""
    async with open_stage(tmp_path_factory.mktemp("stage")) as opened:
        yield opened


def matrix(page: Page) -> Locator:
    return page.get_by_role("table", name="Test results of each variation")


async def test_a_tie_is_two_choices_their_difference_and_proof_that_they_agree(
    stage: Stage, visitor: Visitor
) -> None:
    page = visitor.page
    run_id = await tied_run(stage)
    await visitor.goes_to(stage.url, f"/runs/{run_id}/compare")
    verdict = page.get_by_role("region", name="Recommendation")
    await expect(
        verdict.get_by_role("heading", name="1 or 2: equally proven")
    ).to_be_visible()
    for number in (1, 2):
        evidence = verdict.get_by_role("list", name=f"Evidence for variation {number}")
        await expect(evidence).to_contain_text("fixes 1 of 1 that failed on the base")
        await expect(evidence).to_contain_text("breaks 0 of 7 that passed")
        await expect(evidence).to_contain_text("2 of 3 behave alike")
    await expect(verdict).not_to_contain_text("tells them apart")

    differences = page.get_by_role("region", name="What differs between 1 and 2")
    await expect(differences).to_contain_text("only in 1")
    await expect(differences).to_contain_text("return textwrap.wrap(text, width)")
    await expect(differences).to_contain_text("both pass 1 cross-test")
    await expect(differences.get_by_text("All 3 do this: 2 lines")).to_be_visible()
    # The first diff is the one between them.
    await expect(page.get_by_label("From")).to_have_value("1")
    await expect(page.get_by_label("To", exact=True)).to_have_value("2")

    bar = page.get_by_role("navigation", name="Comparison")
    await page.keyboard.press("t")
    await expect(bar).to_be_in_viewport()
    await bar.get_by_role("button", name="Choose 2").click()
    dialog = page.get_by_role("dialog", name="Choose the winner")
    await expect(dialog.get_by_label("Reason")).to_have_value(
        "Variation 2 fixes 1 of 1 that failed on the base; breaks 0 of 7 that passed; "
        "passes 1 of 1 test that others wrote; 2 of 3 behave alike."
    )
    await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390

    await see_that_a_viewed_file_stays_folded(page)


async def see_that_a_viewed_file_stays_folded(page: Page) -> None:
    await page.get_by_role("checkbox", name="Viewed wrap.py").check()
    await page.reload()
    await expect(page.get_by_text("1 of 2 viewed")).to_be_visible()
    await page.keyboard.press("d")
    await expect(page.get_by_role("checkbox", name="Viewed wrap.py")).to_be_checked()


async def test_a_flood_of_broken_tests_is_one_row_with_its_count(
    stage: Stage, visitor: Visitor
) -> None:
    page = visitor.page
    run_id = await flooded_run(stage)
    await visitor.goes_to(stage.url, f"/runs/{run_id}/compare")
    check = (
        matrix(page)
        .get_by_role("row")
        .filter(has=page.get_by_role("rowheader", name="unit"))
    )
    await expect(check.get_by_role("button")).to_have_text(
        ["✓1 fixed", "✗1,999 broken"]
    )
    await expect(matrix(page).get_by_role("rowheader")).to_have_count(8)
    fold = matrix(page).get_by_role("button", name="1,999 tests")
    await expect(fold).to_contain_text("ImportError: cannot import name 'wrap'")
    await fold.click()
    await expect(matrix(page).get_by_text("test_case_3", exact=True)).to_be_visible()
    assert await page.evaluate("document.querySelectorAll('*').length") < MOST_NODES

    await page.get_by_role("searchbox", name="Search tests").fill("case_1998")
    await expect(matrix(page).get_by_text("test_case_1998")).to_be_visible()
    await expect(matrix(page).get_by_text("test_case_3", exact=True)).to_have_count(0)
    await page.get_by_role("searchbox", name="Search tests").fill("")
    await page.get_by_role("button", name="Fixed", exact=True).click()
    await expect(matrix(page).get_by_text("test_wrap").first).to_be_visible()
    await expect(fold).to_have_count(0)


async def test_two_thousand_tests_of_eight_variations_leave_the_page_small(
    stage: Stage, visitor: Visitor
) -> None:
    page = visitor.page
    run_id = await flooded_run(stage, seats=8, one_message=False)
    await visitor.goes_to(stage.url, f"/runs/{run_id}/compare")
    await expect(matrix(page).get_by_text("test_case_0", exact=True)).to_be_visible()
    await page.keyboard.press("t")
    await page.mouse.wheel(0, 33_000)
    await expect(matrix(page).get_by_text("test_case_999", exact=True)).to_be_visible()
    assert await page.evaluate("document.querySelectorAll('*').length") < MOST_NODES


async def test_twelve_variations_are_seen_at_once_and_named_by_what_differs(
    stage: Stage, visitor: Visitor
) -> None:
    page = visitor.page
    run_id = await twelve_run(stage)
    await visitor.goes_to(stage.url, f"/runs/{run_id}/compare")
    await expect(
        page.get_by_role("heading", name="12 variations: equally proven")
    ).to_be_visible()
    bar = page.get_by_role("navigation", name="Comparison")
    shown = bar.get_by_role("button", name="Diff of variation")
    await expect(shown).to_have_count(12)
    await expect(shown.last).to_be_in_viewport()
    await shown.last.click()
    assert "to=12" in page.url
    heads = matrix(page).get_by_role("columnheader")
    await expect(heads.nth(2)).to_contain_text("claude-opus-5-0")
