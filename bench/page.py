"""Measure the run page in a real browser: first load, a long history, a live flood.

Printed: the bytes of the first load; how much CPU time of the main thread the history
takes until it is shown, nodes and heap then; CPU time and frames while 400 events a
second come in, beside those of the idle page in the same minute. CPU time holds on a
busy machine; wall time and frames mean something only beside the idle floor (Chromium
without a GPU draws in software). The main thread's CPU time is `TaskDuration` of
https://chromedevtools.github.io/devtools-protocol/tot/Performance/ in thread ticks.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page, async_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.api.stage import Stage, open_stage

from aideator.domain.events import (
    AgentOutput,
    EventBody,
    RunStarted,
    TextContent,
    ToolCall,
    ToolCallUpdate,
    VariationStarted,
)
from aideator.domain.run import AgentSpec
from aideator.eventlog.base import Draft
from aideator.web import DIST

LANES, EVENTS = 8, 4_125
"""33,000 events in all."""
LIVE_SECONDS, LIVE_RATE, BURST = 10, 400, 20
IDLE_SECONDS = 5
WATCH_FRAMES = """() => {
  window.frames_ = [];
  window.longTasks = 0;
  const count = list => { window.longTasks += list.getEntries().length };
  new PerformanceObserver(count).observe({entryTypes: ['longtask']});
  let last = performance.now();
  requestAnimationFrame(function step(now) {
    window.frames_.push(now - last);
    last = now;
    requestAnimationFrame(step);
  });
}"""


def work(count: int, first: int = 0) -> list[EventBody]:
    """Return what an agent may send: messages in pieces and commands with output."""
    bodies: list[EventBody] = []
    for turn in range(first, first + count // 10):
        say = [
            AgentOutput(
                channel="message",
                text=f"piece {n} of **turn {turn}** ",
                message_id=f"m{turn}",
            )
            for n in range(8)
        ]
        output = "\n".join(f"\x1b[32mline {n}\x1b[0m of the output" for n in range(12))
        call = ToolCall(
            tool_call_id=f"t{turn}",
            title=f"pytest -q -k turn_{turn}",
            tool_kind="execute",
            status="in_progress",
        )
        done = ToolCallUpdate(
            tool_call_id=f"t{turn}",
            status="completed",
            content=(TextContent(text=output),),
        )
        bodies += [*say, call, done]
    return bodies


async def fill(stage: Stage) -> str:
    """A run at work whose log is long already."""
    run_id = await stage.run(variations=LANES)
    begun = RunStarted(
        repo_url="/srv/project",
        commit="4672a81c",
        prompt="Make it work",
        variations=LANES,
        checks=(),
    )
    await stage.log.append(run_id, [Draft(begun)])
    for number in range(1, LANES + 1):
        bodies: list[EventBody] = [
            VariationStarted(spec=AgentSpec(), attempt=1),
            *work(EVENTS),
        ]
        for start in range(0, len(bodies), 500):
            await stage.log.append(
                run_id,
                [Draft(body) for body in bodies[start : start + 500]],
                variation_id=number,
            )
    return run_id


async def flood(stage: Stage, run_id: str) -> None:
    """Lanes in turn, in small bursts, as agents do."""
    bodies = work(LIVE_SECONDS * LIVE_RATE, first=EVENTS)
    for index, start in enumerate(range(0, len(bodies), BURST)):
        drafts = [Draft(body) for body in bodies[start : start + BURST]]
        await stage.log.append(run_id, drafts, variation_id=index % LANES + 1)
        await asyncio.sleep(BURST / LIVE_RATE)


class Figures:
    """What the browser says of a page."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page = page
        self._session = session
        self.loaded = 0
        """Bytes that came over the wire."""
        self.requests = 0

    @classmethod
    async def open(cls, page: Page) -> "Figures":
        """Begin to count; nothing is taken from the cache."""
        session = await page.context.new_cdp_session(page)
        found = cls(page, session)
        session.on("Network.loadingFinished", found._count)
        await session.send("Network.enable")
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        await session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return found

    def _count(self, event: dict[str, Any]) -> None:
        self.requests += 1
        self.loaded += int(event["encodedDataLength"])

    async def cpu(self) -> float:
        """Seconds of CPU time that the main thread has used."""
        told = await self._session.send("Performance.getMetrics")
        values = {each["name"]: each["value"] for each in told["metrics"]}
        return float(values["TaskDuration"])

    async def size(self) -> str:
        """Nodes of the document, and megabytes of the heap."""
        await self._session.send("HeapProfiler.collectGarbage")
        heap = await self._page.evaluate("performance.memory.usedJSHeapSize")
        nodes = await self._page.evaluate("document.querySelectorAll('*').length")
        return f"{nodes} nodes, heap {heap / 1e6:.1f} MB"

    async def frames(self, what: str, seconds: float, work: Awaitable[None]) -> None:
        """Print frames and CPU time while something goes on."""
        await self._page.evaluate(WATCH_FRAMES)
        before = await self.cpu()
        await work
        used = await self.cpu() - before
        found: list[float] = (await self._page.evaluate("window.frames_"))[5:]
        tasks = await self._page.evaluate("window.longTasks")
        ordered = sorted(found)
        p50, p95 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.95))
        print(
            f"{what}: {used:.2f} s CPU in {seconds} s ({100 * used / seconds:.0f} % of "
            f"a core); {1000 / statistics.fmean(found):.0f} fps, frame p50 {p50:.1f} "
            f"ms, p95 {p95:.1f} ms, {tasks} tasks over 50 ms"
        )


async def measure(stage: Stage, page: Page) -> None:
    """Print everything."""
    figures = await Figures.open(page)
    await page.goto(f"{stage.url}/runs/{await stage.finished_run()}")
    await page.get_by_role("main").get_by_text("event 4").first.wait_for()
    await page.wait_for_load_state("networkidle")
    print(f"first load: {figures.loaded / 1000:.0f} kB in {figures.requests} requests")
    run_id = await fill(stage)
    begun, before = time.perf_counter(), await figures.cpu()
    await page.goto(f"{stage.url}/runs/{run_id}")
    await page.get_by_text("live", exact=True).wait_for(timeout=120_000)
    await page.wait_for_function(
        f"document.body.innerText.includes('turn {EVENTS // 10 - 1}')", timeout=120_000
    )
    print(
        f"history of {LANES} × {EVENTS:,} events: {await figures.cpu() - before:.2f} s "
        f"CPU, shown after {time.perf_counter() - begun:.1f} s; {await figures.size()}"
    )
    await figures.frames("idle", IDLE_SECONDS, asyncio.sleep(IDLE_SECONDS))
    live = flood(stage, run_id)
    await figures.frames(f"live, {LIVE_RATE}/s", LIVE_SECONDS, live)
    print(await figures.size())


async def main() -> int:
    chromium = shutil.which("chromium")
    if chromium is None or not DIST.is_dir():
        print("SKIP: no Chromium, or the page is not built (make web)")
        return 0
    with tempfile.TemporaryDirectory(prefix="aid-") as home:
        async with open_stage(Path(home)) as stage, async_playwright() as playwright:
            options = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info"]
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=options
            )
            page = await browser.new_page(viewport={"width": 1600, "height": 900})
            await measure(stage, page)
            await browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
