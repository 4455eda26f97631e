"""From a finished run to a pull request in a browser: compare, compose, publish."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, expect

from aideator.testing import scripted_model
from aideator.testing.model.scenario import load
from tests.actions import server, stream, submit
from tests.conftest import git
from tests.publishing.forges import FakeGitHub
from tests.repositories.server import GitServer
from tests.web.conftest import told
from tests.web.visitor import Visitor


@asynccontextmanager
async def compared(
    home: Path, hosted: GitServer, visitor: Visitor
) -> AsyncIterator[Page]:
    """The demo's run on that repository; the visitor looks at the comparison."""
    asked = {
        "repo_url": hosted.url("team/project.git"),
        "prompt": (
            "wrap() returns lines that are too long. Cut such words, as its "
            "docstring says."
        ),
        "variations": 3,
        "checks": [{"name": "unit", "command": "python3 -m unittest"}],
    }
    async with (
        scripted_model(load("demo").at_once()) as model,
        server(home, model.url, **told(hosted)) as running,
    ):
        async with running.client() as client:
            run_id = await submit(client, asked)
            await stream(client, run_id)
        await visitor.goes_to(running.url, f"/runs/{run_id}/compare?view=unified")
        files = visitor.page.get_by_role(
            "table", name="Files changed by the variations"
        )
        await expect(
            files.get_by_role("button").first
        ).to_be_visible()  # the diffs are there
        yield visitor.page


async def test_parts_of_two_become_one_that_is_checked_chosen_and_published(
    home: Path, hosted: GitServer, visitor: Visitor
) -> None:
    async with compared(home, hosted, visitor) as page:
        await take(page, "1", "the file test_wrap.py")
        await take(page, "2", "the file reflow.py")
        await page.get_by_role("button", name="Compose and check").click()
        matrix = page.get_by_role("table", name="Test results of each variation")
        await expect(
            matrix.get_by_role("columnheader", name="composed from 1 + 2")
        ).to_be_visible()
        choose = matrix.get_by_role("button", name="Choose variation 4")
        await expect(choose).to_be_visible()
        await expect(
            matrix.get_by_role("row", name="unit").get_by_role("button")
        ).to_have_count(4)

        await choose.click()
        dialog = page.get_by_role("dialog", name="Choose the winner")
        await dialog.get_by_label("Reason").fill(
            "The library's wrap, held by the new test"
        )
        await dialog.get_by_label("Push a branch and open a pull request").check()
        branch = await dialog.get_by_label("Branch", exact=True).input_value()
        assert re.fullmatch(
            r"aideator/[0-9a-f]{8}-wrap-returns-lines-that-are-too-long-cut", branch
        )
        await expect(dialog).to_contain_text(
            f"Pushes branch {branch} to {hosted.url('team/project.git')}"
        )
        await dialog.get_by_role("button", name="Choose and publish").click()

        decision = page.get_by_role("region", name="Decision")
        await expect(decision).to_contain_text(
            "The library's wrap, held by the new test"
        )
        await expect(
            decision.get_by_role("link", name="pull request at forge.example")
        ).to_be_visible()
        await expect(decision.get_by_role("button", name="Undo")).to_be_hidden()

        await decision.get_by_role("link", name="Decision record").click()
        await expect(
            page.get_by_role("heading", name="Decision record")
        ).to_be_visible()
        await expect(page.locator("article")).to_contain_text(branch)
    pushed = home / "served" / "team" / "project.git"
    assert (
        git(pushed, "for-each-ref", "--format=%(refname)")
        == f"refs/heads/{branch}\nrefs/heads/main"
    )
    assert "textwrap.wrap" in git(pushed, "show", f"{branch}:reflow.py")
    assert "test_no_line_is_longer" in git(pushed, "show", f"{branch}:test_wrap.py")


async def take(page: Page, variation: str, what: str) -> None:
    """Look at a variation's change and put a part of it into the composition."""
    await page.get_by_label("From").select_option("0")
    await page.get_by_label("To", exact=True).select_option(variation)
    await page.keyboard.press("Escape")
    await page.get_by_role(
        "region", name=f"Changes of variation {variation}"
    ).scroll_into_view_if_needed()
    await page.get_by_role("checkbox", name=f"Select {what}").check()


async def test_what_cannot_be_put_together_is_said_and_stays_selected(
    home: Path, hosted: GitServer, visitor: Visitor
) -> None:
    async with compared(home, hosted, visitor) as page:
        await take(page, "2", "the file reflow.py")
        await take(page, "3", "the file reflow.py")
        await page.get_by_role("button", name="Compose and check").click()
        composition = page.get_by_role("complementary", name="Composition")
        await expect(composition.get_by_role("alert")).to_contain_text(
            "reflow.py is taken whole from one of variations 2 and 3"
        )


async def test_a_choice_is_undone_and_made_again_with_the_keyboard_alone(
    home: Path, hosted: GitServer, visitor: Visitor
) -> None:
    async with compared(home, hosted, visitor) as page:
        await page.keyboard.press("w")
        await expect(
            page.get_by_role("dialog").get_by_role("radio").first
        ).to_be_focused()
        await page.keyboard.press("Enter")
        decision = page.get_by_role("region", name="Decision")
        await expect(decision).to_be_visible()
        await decision.get_by_role("button", name="Undo").focus()
        await page.keyboard.press("Enter")
        await expect(decision).to_be_hidden()
        await page.keyboard.press("w")
        await page.keyboard.press("Enter")
        await expect(decision).to_be_visible()


async def test_a_refused_pull_request_leaves_the_decision_and_is_asked_for_again(
    home: Path, hosted: GitServer, visitor: Visitor
) -> None:
    forge = FakeGitHub(failing=(503, {}, b"down"))
    hosted.api = forge
    async with compared(home, hosted, visitor) as page:
        await page.keyboard.press("w")
        dialog = page.get_by_role("dialog", name="Choose the winner")
        await dialog.get_by_label("Push a branch and open a pull request").check()
        await dialog.get_by_role("button", name="Choose and publish").click()
        await expect(page.get_by_text("the pull request was refused")).to_be_visible()
        decision = page.get_by_role("region", name="Decision")
        await expect(decision).to_contain_text("On branch aideator/")
        forge.failing = None
        await decision.get_by_role("button", name="Open pull request").click()
        await expect(
            decision.get_by_role("link", name="pull request at forge.example")
        ).to_be_visible()
