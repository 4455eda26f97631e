"""From the form to the pull request, in one visit: by mouse, and again without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Page, expect

from aideator.testing import scripted_model
from aideator.testing.model.scenario import load
from tests.actions import server
from tests.conftest import git
from tests.publishing.forges import FakeGitHub
from tests.repositories.server import GitServer
from tests.web.conftest import told
from tests.web.visitor import Visitor

PROMPT = (
    "wrap() returns lines that are too long. Cut such words, as its docstring says."
)
REASON = "It leaves hyphenated words whole"


@asynccontextmanager
async def at_the_form(
    home: Path, hosted: GitServer, visitor: Visitor
) -> AsyncIterator[Page]:
    """The first page of a server that can reach the project."""
    model = scripted_model(load("demo").at_once())
    async with model as scripted, server(home, scripted.url, **told(hosted)) as running:
        await visitor.goes_to(running.url)
        await expect(visitor.page.get_by_label("Prompt", exact=True)).to_be_visible()
        yield visitor.page


async def see_it_published(page: Page) -> None:
    """The decision, with where the change has gone."""
    decision = page.get_by_role("region", name="Decision")
    await expect(decision).to_contain_text(REASON)
    link = decision.get_by_role("link", name="pull request at forge.example")
    await expect(link).to_have_attribute(
        "href", "https://forge.example/team/project/pull/1"
    )


def branch_of(home: Path, hosted: GitServer) -> str:
    """The one branch that was pushed and proposed, with what it holds."""
    assert isinstance(hosted.api, FakeGitHub)
    (opened,) = hosted.api.opened
    assert REASON in opened["body"]
    bare = home / "served" / "team" / "project.git"
    main, pushed = sorted(
        git(bare, "for-each-ref", "--format=%(refname:short)").split(), reverse=True
    )
    assert (main, pushed) == ("main", opened["head"])
    return git(bare, "show", f"{pushed}:reflow.py")


async def test_by_mouse(home: Path, hosted: GitServer, visitor: Visitor) -> None:
    async with at_the_form(home, hosted, visitor) as page:
        await page.get_by_label("Repository").fill(hosted.url("team/project.git"))
        await page.get_by_label("Prompt", exact=True).fill(PROMPT)
        await page.get_by_role("button", name="Detect checks").click()
        await expect(page.get_by_label("Command of check 1")).to_have_value(
            "python3 -m unittest discover"
        )
        await page.get_by_role("button", name="Start 3 agents").click()

        await expect(page.get_by_text("live", exact=True)).to_be_visible()
        await expect(
            page.get_by_role("region", name="Variation 2,").get_by_role("log")
        ).to_contain_text("textwrap")
        await expect(page.get_by_role("region", name="Result")).to_contain_text(
            "1 or 2: equally proven"
        )
        await page.get_by_role("link", name="View the evidence").click()
        await page.get_by_role("button", name="Choose 1", exact=True).first.click()

        dialog = page.get_by_role("dialog", name="Choose the winner")
        await dialog.get_by_label("Reason").fill(REASON)
        await dialog.get_by_label("Push a branch and open a pull request").check()
        await dialog.get_by_role("button", name="Choose and publish").click()
        await see_it_published(page)
    assert "word[:width]" in branch_of(home, hosted)


async def test_by_keyboard(home: Path, hosted: GitServer, visitor: Visitor) -> None:
    async with at_the_form(home, hosted, visitor) as page:
        keys = page.keyboard
        await keys.press("c")
        await keys.type(PROMPT)
        for _ in ("branch", "repository"):
            await keys.press("Shift+Tab")
        await keys.type(hosted.url("team/project.git"))
        await keys.press("Enter")

        await expect(page.get_by_role("region", name="Result")).to_contain_text(
            "1 or 2: equally proven"
        )
        await keys.press("d")
        await expect(
            page.get_by_role("button", name="Choose variation 2")
        ).to_be_visible()
        await keys.press("w")
        dialog = page.get_by_role("dialog", name="Choose the winner")
        await expect(dialog.get_by_role("radio", name="Variation 1")).to_be_focused()
        await keys.press("ArrowDown")
        await keys.press("Tab")
        await keys.press("Control+a")
        await keys.type(REASON)
        await keys.press("Tab")
        await keys.press("ArrowDown")
        await keys.press("ArrowDown")
        await keys.press("Enter")
        await see_it_published(page)
    assert "textwrap.wrap" in branch_of(home, hosted)
