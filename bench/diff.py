"""The diff of the comparison page in a browser: 20,000 lines in 60 files.

Prints the time until the first lines are visible, with nodes and heap then, and frame
times while all of it is scrolled. The floor is the screen's 16.7 ms;
`docs/decisions/0051-own-diff-view.md` has the figures of peers, measured once.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.api.stage import Stage, open_stage
from tests.web.judged import FIVE, Made, judged_run, patch_of

from aideator.web import DIST
from bench.page import WATCH_FRAMES, Figures

FILES, FUNCTIONS = 60, 67
SCROLLS = 120


def tree(step: int) -> dict[str, str]:
    """Python files; a step changes part of one line in each function."""
    return {
        f"package/module_{file}.py": "".join(
            f'def function_{n}(value: int) -> int:\n    """Count on."""\n'
            f"    total = value * {n} + {step}\n    return total\n\n"
            for n in range(FUNCTIONS)
        )
        for file in range(FILES)
    }


async def measure(stage: Stage, page: Page, look: str) -> None:
    made = Made(patch_of(tree(0), tree(1)), FIVE[0].checks)
    run_id = await judged_run(stage, (made, FIVE[0]))
    figures = await Figures.open(page)
    begun = time.perf_counter()
    await page.goto(f"{stage.url}/runs/{run_id}/compare?to=1&view={look}")
    await page.get_by_role("region", name="Changes of variation 1").wait_for(
        timeout=60_000
    )
    await page.keyboard.press("d")
    await page.get_by_text("def function_0(value: int)").first.wait_for(timeout=60_000)
    took = time.perf_counter() - begun
    print(f"{look}: first lines after {took:.1f} s: {await figures.size()}")
    await page.evaluate(WATCH_FRAMES)
    for _ in range(SCROLLS):
        await page.mouse.wheel(0, 400)
        await asyncio.sleep(0.03)
    ordered = sorted((await page.evaluate("window.frames_"))[5:])
    p50, p95 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.95))
    print(
        f"{look}: scrolling, frame p50 {p50:.1f} ms, p95 {p95:.1f} ms:"
        f" {await figures.size()}"
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
            for look in ("unified", "split"):
                page = await browser.new_page(viewport={"width": 1600, "height": 900})
                await measure(stage, page, look)
                await page.close()
            await browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
