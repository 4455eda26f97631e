"""A preview in a real browser works, and what it serves stays fenced in."""

from pathlib import Path

from playwright.async_api import Browser, Frame, Page, expect

from tests.conftest import comes_true, git
from tests.workbench.person import person

APP = r"""
import http.server, sys
PAGE = '''<!doctype html><p id=cookie>%s</p><p id=api></p><a href="/second">in</a>
<script>
fetch("/second").then((answer) => answer.text())
  .then((text) => document.body.append("itself: " + text))
fetch("%s/api/v1/runs").catch((error) => {
  document.querySelector("#api").textContent = "api: " + error
})
</script>'''

class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Set-Cookie", "id=42; Path=/; SameSite=Lax")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((PAGE % (self.headers.get("Cookie"), sys.argv[1])).encode())

http.server.ThreadingHTTPServer(("127.0.0.1", 3000), App).serve_forever()
"""
SHOW = (
    "url => { const frame = document.createElement('iframe'); frame.src = url; "
    "document.body.prepend(frame) }"
)


def frame_of(page: Page) -> Frame:
    return next(frame for frame in page.frames if frame != page.main_frame)


async def test_a_preview_works_in_its_frame_and_stays_there(
    home: Path, repo: Path, chromium: Browser
) -> None:
    (repo / "app.py").write_text(APP)
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A page")
    async with person(home, repo) as one:
        shown = await one.previews(3000)
        page = await chromium.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        await page.goto(one.server.url)
        await page.evaluate(SHOW, shown.told["url"])
        within = page.frame_locator("iframe")
        await expect(within.locator("body")).to_contain_text(
            "No server listens at port 3000"
        )
        await one.opens(f"python3 app.py {one.server.url}")
        # The page that said so has loaded itself anew.
        await expect(within.locator("#api")).to_have_text(
            "api: TypeError: Failed to fetch"
        )
        await expect(within.locator("body")).to_contain_text("itself: ")
        await within.locator("a").click()
        await expect(within.locator("#cookie")).to_have_text("id=42")
        assert frame_of(page).url == f"{shown.told['url']}second"
        await frame_of(page).evaluate("() => { location = 'http://example.org/' }")
        await comes_true(
            lambda: any(
                "Framing 'http://example.org/' violates" in text for text in refused
            )
        )
        assert "example.org" not in frame_of(page).url
        await page.goto(shown.told["url"])
        assert "A preview is shown within AIdeator." in await page.inner_text("body")
        await page.close()
