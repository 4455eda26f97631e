"""Take the documents' pictures of the page, from a real demo in a real browser.

    python tools/screenshots.py

They are taken again when the page has changed enough to be looked at again; nothing
compares them.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
DESK, PHONE = (1440, 900), (390, 844)


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """A server of its own, without a key."""
    server = subprocess.Popen(
        [sys.executable, "-m", "aideator", "serve", "--port", "0"],
        cwd=home,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
            "AGENT_CPU_LIMIT": "2",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "serves http" in line)
        yield line.split("serves ")[1].split()[0]
    finally:
        server.terminate()
        server.communicate()


@contextmanager
def window(
    browser: Browser, scheme: str, size: tuple[int, int] = DESK
) -> Iterator[Page]:
    """A browser window in one of the two themes."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    yield context.new_page()
    context.close()


def shoot(page: Page, name: str) -> None:
    """Keep what the window shows."""
    page.mouse.move(0, 0)
    page.screenshot(path=PICTURES / f"page-{name}.png")


def the_run(browser: Browser, url: str) -> str:
    """One demo run, from the first visit to its end. Returns its address."""
    with window(browser, "dark") as page:
        page.goto(url)
        page.get_by_role("button", name="Watch the demo").wait_for()
        shoot(page, "welcome")
        with urllib.request.urlopen(
            urllib.request.Request(f"{url}/api/v1/demo", method="POST")
        ) as answer:
            run = f"{url}/runs/{json.load(answer)['run_id']}"
        page.goto(run)
        page.get_by_role("region", name="Variation 2,").get_by_text(
            "edit reflow.py"
        ).first.wait_for(timeout=60_000)
        shoot(page, "working")
        page.get_by_role("region", name="Result").wait_for(timeout=120_000)
        page.goto(f"{run}?race=1")
        page.get_by_role("region", name="Timeline").wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "race")
    return run


def the_form(browser: Browser, url: str) -> None:
    """What is asked before a run, and before anything on a server with keys."""
    with window(browser, "light") as page:
        page.goto(url)
        page.get_by_role("button", name="New run").click()
        page.get_by_label("Repository").fill("https://github.com/user/repo")
        page.get_by_label("Prompt", exact=True).fill(
            "Make the parser accept trailing commas, as the grammar says."
        )
        page.get_by_text("Enforced:").wait_for(timeout=30_000)
        shoot(page, "home")
        page.goto(f"{url}/login")
        page.get_by_label("API key").wait_for()
        shoot(page, "login")


def the_rest(browser: Browser, run: str) -> None:
    """One variation alone, and a phone."""
    with window(browser, "light") as page:
        page.goto(f"{run}?focus=3")
        page.get_by_role("log").wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "focus")
    with window(browser, "dark", PHONE) as page:
        page.goto(run)
        page.get_by_role("log").first.wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "phone")


def the_workbench(browser: Browser, run: str) -> None:
    """A terminal on a copy of a variation, and a preview of what it serves."""
    with window(browser, "dark") as page:
        page.goto(run)
        page.get_by_role("button", name="Terminal in variation 1").click()
        bench = page.get_by_role("region", name="Workbench of variation 1")
        bench.get_by_text("variation 1:/workspace$").first.wait_for(timeout=30_000)
        page.keyboard.type("python3 -m unittest 2>&1 | tail -3; git diff --stat\n")
        bench.get_by_text("OK").first.wait_for(timeout=30_000)
        page.wait_for_timeout(1000)
        shoot(page, "terminal")
        bench.get_by_role("button", name="New preview").click()
        bench.get_by_label("Port").fill("8123")
        bench.get_by_label("Start command").fill("python3 -m http.server 8123")
        bench.get_by_role("button", name="Open preview").click()
        bench.locator("iframe").content_frame.get_by_role(
            "link", name="reflow.py"
        ).wait_for(timeout=30_000)
        shoot(page, "preview")


def the_decision(browser: Browser, run: str) -> None:
    """Compare, choose, keep."""
    with window(browser, "light") as page:
        page.goto(
            f"{run}/compare?cell=layout%20%C2%BB%20test_layout.QuoteTest.test_prefixes_each_line%403"
        )
        page.get_by_role("region", name="Check output").or_(
            page.get_by_role("table", name="Files changed by the variations")
        ).first.wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "compare")
        page.keyboard.press("Escape")
        page.keyboard.press("d")
        page.get_by_role("checkbox", name="Select the file test_wrap.py").check()
        page.wait_for_timeout(1000)
        shoot(page, "diff")
        page.get_by_role("button", name="Clear", exact=True).click()
        page.keyboard.press("w")
        page.get_by_role("dialog").get_by_role("radio", name="Variation 1").check()
        shoot(page, "choose")
        page.get_by_role("dialog").get_by_role(
            "button", name="Choose", exact=True
        ).click()
        page.get_by_role("region", name="Decision").wait_for()
        page.goto(f"{run}/record")
        page.get_by_role("heading", name="Decision record").wait_for()
        shoot(page, "record")
    with window(browser, "dark", PHONE) as page:
        page.goto(f"{run}/compare")
        page.get_by_role("region", name="Recommendation").wait_for()
        page.wait_for_timeout(1000)
        shoot(page, "compare-phone")


def the_operator(browser: Browser, url: str) -> None:
    """Agents, settings, doctor, statistics."""
    with window(browser, "dark") as page:
        for name in ("agents", "settings", "doctor", "stats"):
            page.goto(f"{url}/{name}")
            page.get_by_role("heading", level=1).wait_for(timeout=60_000)
            page.wait_for_timeout(500)
            shoot(page, name)


def main() -> None:
    """Take them all."""
    with (
        tempfile.TemporaryDirectory(prefix="aid-") as folder,
        sync_playwright() as playwright,
    ):
        home = Path(folder)
        home.chmod(0o711)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        with serving(home) as url:
            run = the_run(browser, url)
            the_form(browser, url)
            the_rest(browser, run)
            the_workbench(browser, run)
            the_decision(browser, run)
            the_operator(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
