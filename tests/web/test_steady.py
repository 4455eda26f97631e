"""While a run streams in, nothing that is shown moves by itself."""

from pathlib import Path
from typing import Any

from aideator.testing import scripted_model
from tests.actions import server
from tests.web.test_run import ask, lane
from tests.web.visitor import Visitor

LINES = "\n\n".join(
    f"**Step {n}**: look at `file{n}.py`, then go on\n\n- one\n- two" for n in range(12)
)
BUSY: dict[str, Any] = {
    "pace": 0.01,
    "lanes": {
        "default": [
            {
                "think": "First I look around. " * 10,
                "calls": [{"bash": {"command": "seq 1 200"}}],
            },
            {"say": LINES, "calls": [{"bash": {"command": "ls -la; seq 1 50"}}]},
            {"say": LINES},
        ]
    },
}
WATCH = """() => {
  window.shifts = [];
  const told = list => {
    for (const entry of list.getEntries()) {
      const name = node => `${node?.className ?? node?.nodeName}`;
      const moved = entry.sources.map(source => name(source.node));
      window.shifts.push({value: entry.value, moved});
    }
  };
  new PerformanceObserver(told).observe({type: "layout-shift", buffered: true});
}"""
GOOD = 0.1
"""Cumulative layout shift up to which a page counts as good:
https://web.dev/articles/cls."""


async def test_nothing_shifts_while_events_stream_in(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model(BUSY) as model, server(home, model.url) as running:
        run_id = await ask(running, repo, variations=2)
        page = visitor.page
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        await page.evaluate(WATCH)
        await lane(page, 2).ends_as("done")
        shifts = await page.evaluate("window.shifts")
        total = sum(shift["value"] for shift in shifts)
        assert total <= GOOD, (
            f"{total:.3f}: {sorted(shifts, key=lambda shift: -shift['value'])[:8]}"
        )
