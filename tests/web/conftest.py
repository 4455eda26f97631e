"""A real browser on a real server: Debian's Chromium, driven by Playwright.

Without either, these tests skip.
"""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect

from aideator.testing import make_demo_repo
from aideator.web import DIST
from tests.conftest import PATIENCE, git
from tests.publishing.forges import TOKEN, FakeGitHub
from tests.repositories.server import GitServer, serve
from tests.web.visitor import Visitor

expect.set_options(timeout=PATIENCE * 1000)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_page = pytest.mark.skipif(
    not DIST.is_dir(), reason="the page is not built: make web"
)


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
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def visitor(chromium: Browser) -> AsyncIterator[Visitor]:
    """Somebody who looks at the page.

    Whatever the page does wrong on the way fails the test at its end.
    """
    async with Visitor.open(chromium) as visitor:
        yield visitor
        assert visitor.trouble == []


@pytest.fixture
def hosted(home: Path) -> Iterator[GitServer]:
    """The demo's project on a git server, behind a forge that takes pull requests."""
    make_demo_repo(home / "project")
    bare = home / "served" / "team" / "project.git"
    bare.parent.mkdir(parents=True)
    git(home, "clone", "-q", "--bare", str(home / "project"), str(bare))
    with serve(home / "served") as served:
        served.token, served.api = TOKEN, FakeGitHub()
        yield served


def told(hosted: GitServer) -> dict[str, str]:
    """Return the settings with which a server works with that git server and forge."""
    return {
        "PRIVATE_GIT_HOSTS": hosted.host,
        "GIT_TOKENS": json.dumps({hosted.host: TOKEN}),
        "GIT_FORGES": json.dumps({hosted.host: "github"}),
    }
