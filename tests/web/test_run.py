"""A run watched in a browser: what is shown is what the log says."""

from pathlib import Path

from playwright.async_api import Page, expect

from aideator.testing import scripted_model
from tests.actions import Server, command, server, start_server, submit
from tests.web.visitor import Visitor

PROMPT = "Make the failing test pass, please"
SLOW = {
    "pace": 0.05,
    "lanes": {"default": [{"say": " ".join(f"word{n}" for n in range(120))}]},
}


async def ask(running: Server, repo: Path, **options: object) -> str:
    async with running.client() as client:
        spec = {"repo_url": str(repo), "prompt": PROMPT, "variations": 2} | options
        return await submit(client, spec)


def lane(page: Page, number: int) -> "Lane":
    return Lane(page, number)


class Lane:
    """One column."""

    def __init__(self, page: Page, number: int) -> None:
        self.region = page.get_by_role("region", name=f"Variation {number},")
        self.transcript = self.region.get_by_role("log")

    async def ends_as(self, word: str) -> None:
        await expect(self.region.get_by_text(word, exact=True)).to_be_visible(
            timeout=60_000
        )


async def test_a_run_is_watched_live_to_its_end(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        run_id = await ask(running, repo)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await expect(page.get_by_role("heading", level=1)).to_contain_text(PROMPT)
        await lane(page, 2).ends_as("done")
        await expect(lane(page, 2).transcript).to_contain_text("calc.py")
        await expect(page.get_by_role("region", name="Result")).to_contain_text(
            "fixes 1 of 1 test"
        )
        await expect(page.get_by_text("ended", exact=True)).to_be_visible(
            timeout=10_000
        )


async def test_a_killed_server_and_a_reload_lose_and_double_nothing(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model(SLOW) as model:
        first = await start_server(home, model.url)
        port = int(first.url.rpartition(":")[2])
        run_id = await ask(first, repo, variations=1, checks=[])
        await visitor.goes_to(first.url, f"/runs/{run_id}")
        one = lane(visitor.page, 1)
        await expect(one.transcript).to_contain_text("word20")
        await first.kill()
        await expect(visitor.page.get_by_text("reconnecting")).to_be_visible(
            timeout=10_000
        )
        second = await start_server(home, model.url, port=port)
        try:
            await one.ends_as("done")
            async with second.client() as client:
                details = (await client.get(f"/runs/{run_id}")).json()
            assert details["variations"][0]["attempt"] == 2, (
                "the kill must have hit it at work"
            )
            for _ in range(2):
                await expect(one.transcript).to_contain_text("word119")
                shown = await one.transcript.inner_text()
                words = [word for word in shown.split() if word.startswith("word")]
                assert words == [f"word{n}" for n in range(120)], "each once, in order"
                await visitor.page.reload()
                await one.ends_as("done")
        finally:
            second.process.terminate()
            await second.process.communicate()


async def test_a_variation_is_stopped_alone_and_then_all_are(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("silent") as model, server(home, model.url) as running:
        run_id = await ask(running, repo, checks=[])
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await page.get_by_role("button", name="Stop variation 1").click()
        await lane(page, 1).ends_as("stopped")
        await expect(
            page.get_by_role("button", name="Stop variation 2")
        ).to_be_enabled()
        await page.get_by_role("button", name="Stop all").click()
        await page.get_by_role("button", name="Stop", exact=True).click()
        await lane(page, 2).ends_as("stopped")


async def test_one_variation_is_asked_to_go_on(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("follow_up") as model, server(home, model.url) as running:
        run_id = await ask(running, repo, variations=1)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page, one = visitor.page, lane(visitor.page, 1)
        await one.ends_as("done")
        await page.get_by_role("button", name="Prompt variation 1").click()
        await page.get_by_label("Follow-up").fill("Also cover negative numbers")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(one.transcript).to_contain_text("Also cover negative numbers")
        await one.ends_as("done")


async def test_all_are_asked_to_go_on_at_once(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("follow_up") as model, server(home, model.url) as running:
        run_id = await ask(running, repo)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await expect(page.get_by_role("region", name="Result")).to_be_visible(
            timeout=60_000
        )
        await page.get_by_role("button", name="Prompt all").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Prompt 2 variations")
        await page.get_by_role("textbox").fill("Also say what was changed, please")
        await page.get_by_role("button", name="Send", exact=True).click()
        for number in (1, 2):
            await expect(lane(page, number).region).to_contain_text(
                "Also say what was changed"
            )
        await expect(page.get_by_role("region", name="Result")).to_be_visible(
            timeout=60_000
        )


async def test_an_agent_joins_a_run_that_works_and_one_that_has_ended_until_it_is_full(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with (
        scripted_model("one_edit") as model,
        server(home, model.url, MAX_VARIATIONS="3") as running,
    ):
        run_id = await ask(running, repo, variations=1, lineup=[{"effort": "high"}])
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        dialog = page.get_by_role("dialog", name="Add an agent")

        await page.get_by_role("button", name="Add agent").click()
        await expect(dialog.get_by_label("Effort of variation 2")).to_have_value("high")
        await dialog.get_by_label("Model of variation 2").fill("claude-sonnet-5-5")
        await dialog.get_by_role("button", name="Options").click()
        await dialog.get_by_label("Instructions for variation 2").fill(
            "Write a failing test first."
        )
        await dialog.get_by_role("button", name="Add agent").click()
        agent = "claude-sonnet-5-5 · high · Write a failing test first."
        await expect(lane(page, 2).region).to_contain_text(agent)
        await lane(page, 2).ends_as("done")
        await expect(page.get_by_text("ended", exact=True)).to_be_visible()

        await page.get_by_role("button", name="Add agent").click()
        await dialog.get_by_role("button", name="Add agent").click()
        await lane(page, 3).ends_as("done")

        await page.get_by_role("button", name="Add agent").click()
        await dialog.get_by_role("button", name="Add agent").click()
        await expect(dialog.get_by_role("alert")).to_contain_text(
            "the run has 3 agents; 3 is the most"
        )
        await page.keyboard.press("Escape")
        await expect(lane(page, 4).region).to_have_count(0)


async def test_the_keyboard_leads_through_the_lanes(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        run_id = await ask(running, repo, variations=3)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await expect(lane(page, 3).region).to_be_visible()
        await page.keyboard.press("2")
        await expect(page).to_have_url(f"{running.url}/runs/{run_id}?focus=2")
        await expect(lane(page, 1).region).to_have_count(0)
        await page.keyboard.press("j")
        await expect(lane(page, 3).region).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(lane(page, 1).region).to_be_visible()
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("Next variation")


async def test_a_finished_run_is_replayed(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        run_id = await ask(running, repo)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        page = visitor.page
        await expect(page.get_by_role("region", name="Result")).to_be_visible(
            timeout=60_000
        )
        await page.keyboard.press("t")
        await page.get_by_role("button", name="Replay").click()
        await page.get_by_role("button", name="Pause").click()
        slider = page.get_by_role("slider")
        await slider.fill("0")
        await expect(lane(page, 1).region).to_contain_text("fetching the repository")
        await expect(page.get_by_role("region", name="Result")).to_have_count(0)
        await slider.fill(str(await slider.get_attribute("max")))
        await expect(page.get_by_role("region", name="Result")).to_be_visible()


async def test_a_run_that_is_not_there_says_so(home: Path, visitor: Visitor) -> None:
    async with server(home, "http://127.0.0.1:9") as running:
        await visitor.goes_to(running.url, "/runs/01a2028e-09a0-76d8-8ae2-6ad5353a3635")
        await expect(visitor.page.get_by_text("Run not found")).to_be_visible()


async def test_what_the_page_shows_the_command_line_shows_too(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        run_id = await ask(running, repo, variations=1)
        await visitor.goes_to(running.url, f"/runs/{run_id}")
        await lane(visitor.page, 1).ends_as("done")
        shown = await visitor.page.get_by_title(run_id).inner_text()
        listed = command("list", "--server", running.url, home=home)
        assert shown in listed.stdout
