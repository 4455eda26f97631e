"""Review that goes back to the agents, and the way from there to a branch."""

from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from aideator.testing import scripted_model
from tests.actions import server, stream, submit
from tests.conftest import git
from tests.web.visitor import Visitor

REPAIRED = "return a + b"
REVIEWED: dict[str, Any] = {
    "lanes": {
        1: [
            {
                "calls": [
                    {
                        "bash": {
                            "command": f"sed -i 's/return a - b/{REPAIRED}/' calc.py"
                        }
                    }
                ]
            },
            {"say": "Repaired."},
            {
                "calls": [
                    {
                        "bash": {
                            "command": f"sed -i 's/{REPAIRED}/return b + a/' calc.py"
                        }
                    }
                ]
            },
            {"say": "Changed as asked."},
        ],
        2: [
            {
                "calls": [
                    {
                        "bash": {
                            "command": f"sed -i 's/return a - b/{REPAIRED}/' calc.py"
                            " && echo done > notes.md"
                        }
                    }
                ]
            },
            {"say": "Repaired."},
            {"say": "I leave it as it is."},
        ],
    }
}
"""Two agents repair a line alike; asked to change it, only one does."""


async def comment(page: Page, line: int, text: str, *, edit: str = "") -> None:
    """Write a comment on a new line of the diff that is shown."""
    await page.get_by_role(
        "button", name=f"Comment on line {line}", exact=True
    ).last.click()
    editor = page.get_by_label(f"Comment on line {line} of calc.py")
    await expect(editor).to_be_focused()
    await editor.fill(text)
    if edit:
        await page.get_by_label("Suggest an edit").press("Space")
        await page.get_by_label("Suggested line").fill(edit)


async def decide_in_two_clicks(page: Page, run: str) -> None:
    """Go from the end of a run to a pushed branch."""
    await page.goto(run)
    result = page.get_by_role("region", name="Result")
    await result.get_by_role("button", name="Choose 1").click()
    dialog = page.get_by_role("dialog", name="Choose the winner")
    await dialog.get_by_role("button", name="Choose and push a branch").click()
    await expect(result.get_by_text("chosen: 1")).to_be_visible()
    await expect(page.get_by_text("Pushed branch")).to_be_visible()


async def apply(page: Page, branch: str) -> None:
    """Bring the winner into the local repository, on a branch of one's own."""
    await page.get_by_role("link", name="View the evidence").click()
    decision = page.get_by_role("region", name="Decision")
    await expect(decision).to_contain_text("breaks 0 of")
    await expect(decision).to_contain_text("git switch aideator/")
    await decision.get_by_role("button", name="Apply").click()
    dialog = page.get_by_role("dialog", name="Apply variation 1")
    await dialog.get_by_label("Branch", exact=True).fill(branch)
    await dialog.get_by_role("button", name="Apply").click()
    await expect(dialog.get_by_role("status")).to_contain_text(
        f"Branch {branch} has the change"
    )


async def review_both(page: Page) -> None:
    """Comment on the line that both have, with an edit, and send it to both."""
    changes = page.get_by_role("region", name="Changes of variation 2")
    # What both do is folded once; what stands around it opens.
    await changes.get_by_role("button", name="Both do this").click()
    await expect(changes).to_contain_text(REPAIRED)
    await changes.get_by_role("button", name="Whole file").click()
    await expect(changes.get_by_role("button", name="Show")).to_have_count(0)

    await comment(page, 2, "Put b first.", edit="    return b + a")
    everyone = page.get_by_label("To all 2 whose diff has this line")
    await everyone.press("Space")
    await expect(everyone).to_be_checked()
    await page.reload()  # nothing that was typed is lost
    await changes.get_by_role("button", name="Both do this").click()
    await page.get_by_role("button", name="Add comment").click()
    review = page.get_by_role("region", name="Review")
    send = review.get_by_role("button", name="Send 1 comment to 2, 1")
    await send.click()
    await expect(send).to_have_count(0)


async def test_comments_go_to_the_agents_and_come_back_with_what_became_of_them(
    home: Path, repo: Path, visitor: Visitor
) -> None:
    page = visitor.page
    async with (
        scripted_model(REVIEWED) as model,
        server(home, model.url) as running,
        running.client() as client,
    ):
        checks = [{"name": "unit", "command": "python3 -m unittest"}]
        asked = {
            "repo_url": str(repo),
            "prompt": "Make the failing test pass, please",
            "variations": 2,
            "checks": checks,
        }
        run_id = await submit(client, asked)
        await stream(client, run_id)

        path = f"/runs/{run_id}/compare?from=0&to=2&view=unified"
        await visitor.goes_to(running.url, path)
        await review_both(page)
        await expect(
            page.get_by_text("Sent to variation 2, variation 1")
        ).to_be_visible()
        await stream(client, run_id)

        review = page.get_by_role("region", name="Review")
        await review.get_by_text("1 comment", exact=True).click()
        await expect(review.get_by_text("addressed")).to_be_visible()
        await expect(review.get_by_text("still there")).to_be_visible()
        details = (await client.get(f"/runs/{run_id}")).json()
        assert [each["attempt"] for each in details["variations"]] == [2, 2]
        assert "```\n    return b + a\n```" in details["variations"][0]["follow_up"]

        await decide_in_two_clicks(page, f"{running.url}/runs/{run_id}")
        await apply(page, "mine")
    assert "return b + a" in git(repo, "show", "mine:calc.py")
    assert git(repo, "symbolic-ref", "--short", "HEAD") == "main"
    assert len(git(repo, "branch", "--list", "aideator/*").split()) == 1
