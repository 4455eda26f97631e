"""A real browser on a real server: Debian's Chromium, driven by Playwright. Without either, these tests skip."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from aideator.web import DIST
from tests.web.visitor import Visitor

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_page = pytest.mark.skipif(not DIST.is_dir(), reason="the page is not built: make web")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(needs_page)


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def visitor(chromium: Browser) -> AsyncIterator[Visitor]:
    """Somebody who looks at the page. Whatever the page does wrong on the way fails the test at its end."""
    async with Visitor.open(chromium) as visitor:
        yield visitor
        assert visitor.trouble == []
