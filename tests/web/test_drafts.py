"""What is typed is kept until it is sent, and the list is an inbox.

All runs are written by the tests, on one server.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from aideator.domain.events import VariationFailed
from aideator.domain.run import RunStatus
from aideator.eventlog.base import Draft
from tests.api.stage import Stage, open_stage
from tests.web.test_craft import violations
from tests.web.visitor import Visitor

PROMPT = "Cut words that are longer than the line"


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(Path(tmp_path_factory.mktemp("home"))) as opened:
        await opened.finished_run()
        yield opened


async def open_form(page: Page) -> None:
    await expect(page.get_by_role("button", name="New run")).to_be_visible()
    await page.keyboard.press("c")
    await expect(page.get_by_label("Prompt", exact=True)).to_be_focused()


async def test_a_draft_survives_reload_navigation_and_a_lost_session(
    stage: Stage, visitor: Visitor
) -> None:
    await visitor.goes_to(stage.url, "/")
    page = visitor.page
    await open_form(page)
    prompt = page.get_by_label("Prompt", exact=True)
    repository = page.get_by_label("Repository")
    await prompt.fill(PROMPT)
    await repository.fill("")
    await prompt.press("Control+Enter")
    await expect(repository).to_be_focused()  # the first field that is wrong
    await repository.fill("https://github.com/user/other")
    await page.get_by_text("More", exact=True).click()
    await page.get_by_label("Tokens for each agent").fill("200,000")
    await page.get_by_label("Further hosts").fill("pypi.example.org")

    await page.reload()
    await open_form(page)
    await expect(prompt).to_have_value(PROMPT)
    await page.get_by_role("link", name="Agents").click()
    await expect(page).to_have_title("Agents – AIdeator")
    await page.get_by_role("link", name="Runs").click()
    await open_form(page)
    await expect(prompt).to_have_value(PROMPT)
    await page.get_by_text("More (2 set)").click()
    await expect(page.get_by_label("Tokens for each agent")).to_have_value("200,000")
    assert await violations(visitor) == []
    await a_lost_session_is_told(page)
    await page.reload()
    await open_form(page)
    await expect(prompt).to_have_value(PROMPT)


async def a_lost_session_is_told(page: Page) -> None:
    """Submit with a session that has ended meanwhile."""
    sent: list[Any] = []

    async def log_out(route: Route) -> None:
        sent.append(route.request.post_data_json)
        problem = {"type": "about:blank", "title": "Unauthorized", "status": 401}
        await route.fulfill(
            status=401, content_type="application/problem+json", json=problem
        )

    await page.route("**/api/v1/runs?*", log_out)
    await page.get_by_label("Prompt", exact=True).press("Control+Enter")
    notice = page.get_by_role("alert").filter(has_text="Your session has ended")
    link = notice.get_by_role("link", name="Log in")
    await expect(link).to_have_attribute("href", "/login?next=%2F")
    assert sent[0]["budget"] == {"variation_tokens": 200_000}
    assert sent[0]["allowed_hosts"] == ["pypi.example.org"]


async def test_a_follow_up_is_kept_until_it_is_sent_and_stopping_is_confirmed(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run(status=RunStatus.FINISHED)
    ended = Draft(VariationFailed(reason="AgentTimeout", message="It took too long."))
    await stage.log.append(run_id, [ended], variation_id=1)
    await stage.complete(run_id)
    await visitor.goes_to(stage.url, f"/runs/{run_id}")
    page = visitor.page
    await page.get_by_role("button", name="Prompt variation 1").click()
    await page.get_by_label("Follow-up").fill("Also cover tabs")
    await page.reload()
    await page.get_by_role("button", name="Prompt variation 1").click()
    await expect(page.get_by_label("Follow-up")).to_have_value("Also cover tabs")

    running = await stage.run()
    await stage.say(running, "At work")
    await visitor.goes_to(stage.url, f"/runs/{running}")
    await page.get_by_role("button", name="Stop all").click()
    question = page.get_by_role("dialog", name="Stop all variations?")
    await question.get_by_role("button", name="Keep running").click()
    await expect(question).to_have_count(0)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()


async def test_a_run_is_named_searched_archived_repeated_and_deleted(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run(status=RunStatus.FINISHED)
    await stage.say(run_id, "the needle")
    await stage.complete(run_id)
    await visitor.goes_to(stage.url, f"/runs/{run_id}")
    page = visitor.page
    log = page.get_by_role("region", name="Variation 1,").get_by_role("log")
    await expect(log).to_contain_text("the needle")
    await page.keyboard.press("/")
    await page.keyboard.type("haystack")
    await expect(log).to_contain_text("No match")
    await page.get_by_label("Search the transcripts").last.fill("NEEDLE")
    await expect(log).to_contain_text("the needle")

    await page.get_by_role("button", name="Rename the run").click()
    await page.get_by_role("textbox", name="Name").fill("Sums that add")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Sums that add")).to_be_visible()
    await page.get_by_role("button", name="Archive the run").click()
    await expect(
        page.get_by_role("button", name="Take the run out of the archive")
    ).to_be_visible()
    await visitor.goes_to(stage.url, "/")
    await expect(
        page.get_by_role("heading", name="Needs your decision")
    ).to_be_visible()
    await expect(page.get_by_role("link", name="Sums that add")).to_have_count(0)
    await page.get_by_role("button", name="archive").click()
    await page.get_by_role("link", name="Sums that add").click()
    await a_run_is_repeated_and_deleted(stage, page, run_id)


async def a_run_is_repeated_and_deleted(stage: Stage, page: Page, run_id: str) -> None:
    await page.get_by_role("button", name="Run again with these settings").click()
    form = page.get_by_role("form", name="New run")
    await page.keyboard.press("c")
    await expect(form.get_by_label("Prompt", exact=True)).to_have_value(
        "Make addition add"
    )
    await page.goto(f"{stage.url}/runs/{run_id}")
    await page.get_by_role("button", name="Delete the run").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.wait_for_url(f"{stage.url}/")
    gone = await stage.client.get(f"/api/v1/runs/{run_id}")
    assert gone.status_code == 404
