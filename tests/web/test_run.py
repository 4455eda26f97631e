"""A run watched in a browser: what is shown is what the log says."""

from pathlib import Path

from playwright.async_api import expect

from aideator.testing import scripted_model
from tests.actions import server
from tests.web.visitor import Visitor

PROMPT = "Make the failing test pass, please"


async def test_a_run_is_watched_live_to_its_end(home: Path, repo: Path, visitor: Visitor) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running, running.client() as client:
        run_id = (await client.post("/runs", json={"repo_url": str(repo), "prompt": PROMPT, "variations": 2})).json()[
            "run_id"
        ]
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await expect(page.get_by_role("heading", level=1)).to_contain_text(PROMPT)
        lane = page.get_by_role("region", name="Variation 2")
        await expect(lane.get_by_text("done", exact=True)).to_be_visible(timeout=60_000)
        await expect(lane.get_by_role("log")).to_contain_text("calc.py")
        await expect(page.get_by_role("region", name="Outcome")).to_be_visible(timeout=30_000)
        await expect(page.get_by_text("ended", exact=True)).to_be_visible(timeout=10_000)
