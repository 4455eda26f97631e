"""A finished run compared in a browser: the verdict, the tests, the code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from aideator.testing import scripted_model
from tests.actions import Server, server, stream, submit
from tests.web.visitor import Visitor

PROMPT = "Make the failing test pass, please"
CHECKS = [{"name": "unit", "command": "python3 -m unittest"}]


@dataclass
class Finished:
    """A run that has ended, on a server that still serves it."""

    server: Server
    run_id: str
    visitor: Visitor

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def compares(self, query: str = "") -> Page:
        """Open the comparison."""
        await self.visitor.goes_to(
            self.server.url, f"/runs/{self.run_id}/compare{query}"
        )
        return self.page


@asynccontextmanager
async def finished(home: Path, repo: Path, visitor: Visitor) -> AsyncIterator[Finished]:
    """Three ways to repair the calculator, carried out to the end."""
    async with (
        scripted_model("three_ways") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        asked = {
            "repo_url": str(repo),
            "prompt": PROMPT,
            "variations": 3,
            "checks": CHECKS,
        }
        run_id = await submit(client, asked)
        await stream(client, run_id)
        yield Finished(running, run_id, visitor)


async def test_the_verdict_the_tests_and_the_code_of_a_finished_run(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor) as run:
        page = await run.compares()
        verdict = page.get_by_role("region", name="Recommendation")
        await expect(
            verdict.get_by_role("heading", name="1 or 2: equally proven")
        ).to_be_visible()

        matrix = page.get_by_role("table", name="Test results of each variation")
        await expect(matrix.get_by_role("columnheader")).to_have_count(5)
        unit = (
            matrix.get_by_role("row")
            .filter(has=page.get_by_role("rowheader", name="unit"))
            .first
        )
        await unit.get_by_role("button", name="broken").click()
        await expect(page.get_by_role("region", name="Check output")).to_contain_text(
            "ImportError"
        )
        assert "cell=unit" in page.url

        await page.keyboard.press("d")
        # 1 and 2 are equally proven, so their difference is shown first.
        changes = page.get_by_role("region", name="Changes of variation 2")
        await expect(changes).to_contain_text("return sum((a, b))")
        await expect(changes).to_contain_text("return a + b")
        await expect(changes).not_to_contain_text("return a - b")
        await page.get_by_label("From").select_option("0")
        await page.get_by_label("To", exact=True).select_option("1")
        changes = page.get_by_role("region", name="Changes of variation 1")
        await expect(changes).to_contain_text("return a + b")
        await expect(changes).to_contain_text("return a - b")

        await page.reload()
        await expect(page.get_by_label("From")).to_have_value("0")
        await expect(page.get_by_role("region", name="Check output")).to_be_visible()


async def test_an_address_without_a_run_says_so(home: Path, visitor: Visitor) -> None:
    async with server(home, "http://127.0.0.1:9") as running:
        await visitor.goes_to(running.url, "/runs/nothing/compare")
        await expect(
            visitor.page.get_by_role("heading", name="Run not found")
        ).to_be_visible()
