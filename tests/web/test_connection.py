"""The page shows what the log says, each event once, whatever the connection does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from aideator.testing import scripted_model
from tests.actions import Server, server, stream, submit
from tests.web.visitor import Visitor

WORDS = [f"word{n}" for n in range(120)]
TALK = {"pace": 0.05, "lanes": {"default": [{"say": " ".join(WORDS)}]}}
WORK = {"prompt": "Make the failing test pass, please", "variations": 1, "checks": []}


class Wire:
    """The way between a browser and a server.

    It can go dead without a word to either end.
    """

    def __init__(self, server: Server) -> None:
        self._target = int(server.url.rpartition(":")[2])
        self._is_dead = False
        self._age = 0
        """Goes up when it dies: what is older than that is dead for ever."""
        self.url = ""

    @classmethod
    @asynccontextmanager
    async def to(cls, server: Server) -> AsyncIterator["Wire"]:
        """A wire that works."""
        wire = cls(server)
        listener = await asyncio.start_server(wire._carry, "127.0.0.1", 0)
        wire.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with listener:
            yield wire

    def dies(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self._is_dead = True
        self._age += 1

    def mends(self) -> None:
        """New connections work.

        An older one is reset when somebody says something on it, and hears nothing
        until.
        """
        self._is_dead = False

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._pump(reader, back, self._age))
            ways.create_task(self._pump(there, writer, self._age))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, born: int
    ) -> None:
        with suppress(ConnectionError):  # a browser hangs up without ceremony
            while data := await source.read(2**16):
                if born == self._age and not self._is_dead:
                    sink.write(data)
                    await sink.drain()
                elif not self._is_dead:
                    break
        sink.close()


async def the_wire_dies(page: Page, wire: Wire) -> None:
    """As behind a router that has forgotten the connection."""
    wire.dies()
    await page.clock.run_for(60_000)
    await expect(page.get_by_text("reconnecting")).to_be_visible()


async def the_machine_sleeps(page: Page, wire: Wire) -> None:
    """As a laptop that is closed, and opened in another place an hour later."""
    wire.dies()
    await page.clock.fast_forward(3_600_000)
    await expect(page.get_by_text("reconnecting")).to_be_visible()


async def the_network_goes(page: Page, wire: Wire) -> None:
    """As a browser that is told so, which keeps what is open and opens nothing."""
    wire.dies()
    await page.context.set_offline(offline=True)
    await page.clock.run_for(60_000)
    await expect(page.get_by_text("offline", exact=True)).to_be_visible()


@pytest.mark.parametrize("lose", [the_wire_dies, the_machine_sleeps, the_network_goes])
async def test_what_was_missed_is_shown_once_and_in_order_after_a_reconnect(
    home: Path,
    repo: Path,
    visitor: Visitor,
    lose: Callable[[Page, Wire], Awaitable[None]],
) -> None:
    async with (
        scripted_model(TALK) as model,
        server(home, model.url) as running,
        running.client() as client,
        Wire.to(running) as wire,
    ):
        page = visitor.page
        await page.clock.install()
        run_id = await submit(client, WORK | {"repo_url": str(repo)})
        await visitor.goes_to(wire.url, f"/runs/{run_id}")
        transcript = page.get_by_role("region", name="Variation 1,").get_by_role("log")
        await expect(transcript).to_contain_text("word10")
        await lose(page, wire)
        await stream(client, run_id)
        assert "word119" not in await transcript.inner_text(), (
            "it must have missed something"
        )

        wire.mends()
        await page.context.set_offline(offline=False)
        await page.clock.run_for(15_000)
        await expect(page.get_by_text("ended", exact=True)).to_be_visible()
        await expect(transcript).to_contain_text(
            "word119"
        )  # what has been heard is drawn a frame later
        shown = (await transcript.inner_text()).split()
        assert [word for word in shown if word.startswith("word")] == WORDS


async def test_a_part_of_the_page_that_could_not_be_fetched_is_fetched_again(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with (
        scripted_model("silent") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        run_id = await submit(client, WORK | {"repo_url": str(repo)})
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await page.route(
            "**/assets/timeline-panel-*.js", lambda route: route.abort(), times=1
        )
        async with page.expect_event("requestfailed"):
            await page.get_by_role("button", name="Timeline").click()
        await expect(page.get_by_role("region", name="Timeline")).to_be_visible()


TURN = """state => {
    const set = (name, value) =>
        Object.defineProperty(document, name, {value, configurable: true});
    set("visibilityState", state);
    set("hidden", state === "hidden");
    document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_of_eight_tabs_the_one_that_is_seen_works(
    home: Path, repo: Path, chromium: Browser
) -> None:
    """A browser has six connections per server: hidden tabs must not hold them."""
    async with (
        scripted_model("silent") as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        run_id = await submit(client, WORK | {"repo_url": str(repo)})
        async with Visitor.open(chromium) as visitor:
            tabs = [
                visitor.page,
                *[await visitor.page.context.new_page() for _ in range(7)],
            ]
            for tab in tabs:
                await tab.goto(f"{running.url}/runs/{run_id}")
                await expect(tab.get_by_text("live", exact=True)).to_be_visible()
                await tab.evaluate(TURN, "hidden")
            first, *others = tabs
            await first.evaluate(TURN, "visible")
            await expect(first.get_by_text("live", exact=True)).to_be_visible()
            await first.get_by_role("button", name="Stop all").click()
            await first.get_by_role("button", name="Stop", exact=True).click()
            await expect(
                first.get_by_role("region", name="Variation 1,")
            ).to_contain_text("stopped")
            await expect(
                others[0].get_by_role("region", name="Variation 1,")
            ).not_to_contain_text("stopped")
            await others[0].evaluate(TURN, "visible")
            await expect(
                others[0].get_by_role("region", name="Variation 1,")
            ).to_contain_text("stopped")
