"""The first page: ask for a run, see every run, start the demo without a key."""

from pathlib import Path

from playwright.async_api import expect

from aideator.domain.run import RunStatus
from aideator.testing import scripted_model
from tests.actions import server
from tests.api.stage import open_stage
from tests.web.visitor import Visitor


async def test_a_first_visit_without_a_key_leads_to_the_scripted_demo(
    home: Path, visitor: Visitor
) -> None:
    async with server(home, "") as running:
        await visitor.goes_to(running.url)
        page = visitor.page
        welcome = page.get_by_role("region", name="Welcome")
        await expect(welcome).to_contain_text("scripted")
        await welcome.get_by_role("button", name="Watch the demo").click()
        await expect(page.get_by_text("scripted model", exact=True)).to_be_visible()
        await expect(page.get_by_role("region", name="Result")).to_contain_text(
            "1 or 2: equally proven", timeout=90_000
        )
        await page.get_by_role("link", name="AIdeator").click()
        await expect(page.get_by_role("row", name="re-flow")).to_contain_text(
            "scripted model"
        )


async def test_a_run_is_asked_for_with_the_keyboard_alone(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        await visitor.goes_to(running.url)
        page, keys = visitor.page, visitor.page.keyboard
        await expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
        await keys.press("c")
        await expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
        await keys.type("Make the failing test pass")
        await keys.press("Shift+Tab")
        await keys.press("Shift+Tab")
        await expect(page.get_by_label("Repository")).to_be_focused()
        await keys.type(str(repo))
        await keys.press("Enter")
        await expect(page.get_by_role("region", name="Variation 3,")).to_be_visible()
        await expect(page.get_by_role("region", name="Result")).to_be_visible(
            timeout=90_000
        )


async def test_checks_are_guessed_and_can_be_changed_before_the_start(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    async with scripted_model("one_edit") as model, server(home, model.url) as running:
        await visitor.goes_to(running.url)
        page = visitor.page
        await page.get_by_label("Repository").fill(str(repo))
        await page.get_by_label("Prompt", exact=True).fill("Make the failing test pass")
        await page.get_by_role("button", name="Detect checks").click()
        check = page.get_by_label("Command of check 1")
        await expect(check).to_have_value("python3 -m unittest discover")
        await check.fill("python3 -m unittest -v")
        await page.get_by_role("button", name="Remove one agent").click()
        await page.get_by_label("Model of variation 2").fill("claude-sonnet-5-5")
        await page.get_by_label("Budget for all agents, in dollars").fill("1.50")
        await expect(
            page.get_by_text("At most $1.50 for all variations")
        ).to_be_visible()
        await page.get_by_role("button", name="Start 2 agents").click()
        await page.wait_for_url("**/runs/*")
        async with running.client() as client:
            spec = (await client.get(f"/runs/{page.url.rpartition('/')[2]}")).json()[
                "spec"
            ]
        assert [check["command"] for check in spec["checks"]] == [
            "python3 -m unittest -v"
        ]
        assert [agent["model"] for agent in spec["lineup"]] == [
            None,
            "claude-sonnet-5-5",
        ]
        assert spec["budget"]["run_usd"] == 1.5


async def test_what_is_wrong_is_said_at_its_field(home: Path, visitor: Visitor) -> None:
    async with server(home, "http://127.0.0.1:9") as running:
        await visitor.goes_to(running.url)
        page = visitor.page
        await page.get_by_role("button", name="Start 3 agents").click()
        await expect(
            page.get_by_label("Prompt", exact=True)
        ).to_have_accessible_description("Enter at least 3 characters.")
        await page.get_by_label("Prompt", exact=True).fill("Make the failing test pass")
        await page.get_by_label("Repository").fill("https://evil.example/user/repo")
        await page.get_by_role("button", name="Start 3 agents").click()
        await expect(page.get_by_role("alert")).to_contain_text(
            "evil.example is not on the list of allowed hosts"
        )
        assert (
            await page.get_by_label("Repository").get_attribute("aria-invalid")
            == "true"
        )


async def test_the_list_is_filtered_searched_and_goes_on_as_one_scrolls(
    home: Path, visitor: Visitor
) -> None:
    async with open_stage(home) as stage:
        for _ in range(60):
            await stage.run(variations=1, status=RunStatus.FINISHED)
        await stage.run(variations=1, status=RunStatus.RUNNING)
        await visitor.goes_to(stage.url)
        page = visitor.page
        rows = page.get_by_role("row")
        await expect(rows).to_have_count(53)  # 50 to decide, 1 at work, 2 heads
        headings = page.get_by_role("heading", level=3)
        await expect(headings).to_have_text(["Needs your decision 50+", "Running 1"])
        await expect(page).to_have_title("(50+) Runs – AIdeator")
        await page.mouse.wheel(0, 20_000)
        await expect(rows).to_have_count(63)
        await page.get_by_role("button", name="running").click()
        await expect(rows).to_have_count(2)
        assert page.url.endswith("?show=working")
        await page.get_by_role("button", name="all", exact=True).click()
        await page.keyboard.press("/")
        await page.keyboard.type("nothing like that")
        await expect(page.get_by_text("No matching runs")).to_be_visible()
        await page.reload()
        await expect(
            page.get_by_label("Search prompts and repositories")
        ).to_have_value("nothing like that")
