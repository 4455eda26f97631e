"""Measure the run page in a real browser: a long history, then a live flood.

Printed: how long the history takes until it is shown, nodes and heap then; frames while
    400 events a second come in. No
peer: what a user feels is the frame, and the floor is the screen's 16.7 ms (Chromium
    without a GPU draws in software).
"""

import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

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

LANES, EVENTS = 5, 10_000
LIVE_SECONDS, LIVE_RATE, BURST = 8, 400, 20
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


async def figures(page: Page) -> dict[str, Any]:
    """What the browser says of itself."""
    client = await page.context.new_cdp_session(page)
    await client.send("HeapProfiler.collectGarbage")
    heap = await page.evaluate("performance.memory.usedJSHeapSize")
    return {
        "nodes": await page.evaluate("document.querySelectorAll('*').length"),
        "heap_mb": heap / 1e6,
    }


async def measure(stage: Stage, page: Page) -> None:
    run_id = await fill(stage)
    begun = time.perf_counter()
    await page.goto(f"{stage.url}/runs/{run_id}")
    await page.get_by_text("live", exact=True).wait_for(timeout=120_000)
    await page.wait_for_function(
        f"document.body.innerText.includes('turn {EVENTS // 10 - 1}')", timeout=120_000
    )
    took = time.perf_counter() - begun
    print(
        f"history of {LANES} × {EVENTS:,} events shown after {took:.1f} s: "
        f"{json.dumps(await figures(page))}"
    )

    await page.evaluate(WATCH_FRAMES)
    await flood(stage, run_id)
    found: list[float] = (await page.evaluate("window.frames_"))[5:]
    tasks = await page.evaluate("window.longTasks")
    ordered = sorted(found)
    p50, p95 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.95))
    print(
        f"live, {LIVE_RATE}/s: {1000 / statistics.fmean(found):.0f} fps, frame p50 "
        f"{p50:.1f} ms, p95 {p95:.1f} ms, "
        f"{tasks} tasks over 50 ms in {LIVE_SECONDS} s: "
        f"{json.dumps(await figures(page))}"
    )


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
