"""A run's page is true in every state: before its history is read, without a stream.

All runs are written by the tests, on one server.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Route, expect

from aideator.domain.check import Check, CheckResult, Command
from aideator.domain.events import (
    Complete,
    EventBody,
    HostAnswered,
    HostAsked,
    RunStarted,
    SandboxOpened,
    SetupOutput,
    SetupRan,
    VariationStarted,
)
from aideator.domain.hosts import HostAnswer
from aideator.domain.run import AgentSpec, Failure, RunStatus
from aideator.eventlog.base import Draft
from aideator.store import runs
from tests.api.stage import Stage, open_stage
from tests.web.test_craft import violations
from tests.web.visitor import Visitor

API = "**/api/v1/runs/**"
STREAM = "**/stream?*"


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(Path(tmp_path_factory.mktemp("home"))) as opened:
        yield opened


async def is_accessible_in_both_themes(visitor: Visitor) -> None:
    for scheme in ("light", "dark"):
        # A colour that fades over would be measured on its way.
        await visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert await violations(visitor) == [], scheme


async def tell(stage: Stage, run_id: str, *bodies: EventBody) -> None:
    await stage.log.append(run_id, [Draft(body) for body in bodies])


async def open_run(stage: Stage, visitor: Visitor, run_id: str) -> Page:
    await visitor.goes_to(stage.url, f"/runs/{run_id}")
    return visitor.page


def begun(*, commit: str | None = "4672a81c", setup: bool = False) -> RunStarted:
    return RunStarted(
        repo_url="https://github.com/user/repo",
        commit=commit,
        prompt="Make addition add",
        variations=2,
        checks=(Check(command="make test"),),
        setup=(Command(command="pip install ."),) if setup else (),
    )


async def test_a_finished_run_is_shown_as_such_while_its_history_cannot_be_read(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.finished_run()

    async def hold(_: Route) -> None:
        """As a proxy that answers nothing."""

    await visitor.page.route(STREAM, hold)
    await visitor.page.route("**/events?*", hold)
    page = await open_run(stage, visitor, run_id)
    await expect(page.get_by_text("ended", exact=True)).to_be_visible()
    await expect(page.get_by_text("2/2", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    lane = page.get_by_role("region", name="Variation 1,")
    await expect(lane.get_by_text("done", exact=True)).to_be_visible()
    assert await page.title() == "Make addition add – AIdeator"

    await page.unroute("**/events?*")  # the pages of events can be read again
    await expect(lane.get_by_role("log")).to_contain_text("event 4")
    await expect(page.get_by_text("no live stream")).to_have_count(0)


async def test_a_blocked_stream_is_replaced_by_pages_and_taken_up_again(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run()
    await stage.say(run_id, "the first words")
    await visitor.page.route(STREAM, lambda route: route.abort())
    page = await open_run(stage, visitor, run_id)
    lane = page.get_by_role("region", name="Variation 1,").get_by_role("log")
    await expect(lane).to_contain_text("the first words")
    await expect(page.get_by_text("no live stream")).to_be_visible()
    await is_accessible_in_both_themes(visitor)
    await stage.say(run_id, "and what followed")
    await expect(lane).to_contain_text("and what followed")

    await page.unroute(STREAM)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await stage.say(run_id, "live words")
    await expect(lane).to_contain_text("live words")
    assert (await lane.inner_text()).count("the first words") == 1

    await page.context.set_offline(offline=True)
    await expect(page.get_by_text("offline", exact=True)).to_be_visible()
    await page.context.set_offline(offline=False)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()


async def test_a_proxys_error_page_is_told_in_words_with_a_way_on(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.finished_run()

    async def break_down(route: Route) -> None:
        await route.fulfill(status=502, content_type="text/html", body="<h1>boom</h1>")

    await visitor.page.route("**/api/v1/**", break_down)
    page = await open_run(stage, visitor, run_id)
    await expect(page.get_by_text("answered with 502")).to_be_visible()
    await expect(page.get_by_text("boom")).to_have_count(0)
    await page.unroute("**/api/v1/**")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("2/2", exact=True)).to_be_visible()


async def test_the_steps_before_the_agents_are_told_one_by_one(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run()
    await tell(stage, run_id, begun(commit=None))
    page = await open_run(stage, visitor, run_id)
    steps = page.get_by_role("region", name="Preparation")
    await expect(steps).to_contain_text("Fetch the repository: running")

    command = "pip install ."
    line = "Collecting attrs"
    await tell(
        stage, run_id, begun(setup=True), SetupOutput(command=command, line=line)
    )
    await expect(steps).to_contain_text("Fetch the repository: done")
    await expect(steps).to_contain_text("Set-up: running")
    await expect(steps).to_contain_text(line)
    await expect(steps).to_contain_text("Checks on the base: waiting")

    await tell(stage, run_id, HostAsked(host="files.example.org:443", asked_by=command))
    question = page.get_by_role("alert", name="Set-up asks for a host")
    await expect(question).to_contain_text("files.example.org")
    for name in ("Allow once", "For this repository", "Always", "Refuse"):
        await expect(question.get_by_role("button", name=name)).to_be_enabled()
    await is_accessible_in_both_themes(visitor)
    once = HostAnswer.ONCE
    await tell(stage, run_id, HostAnswered(host="files.example.org:443", answer=once))
    await expect(question).to_have_count(0)

    result = CheckResult(check=command, exit_code=0, seconds=3)
    await tell(stage, run_id, SetupRan(result=result))
    await expect(steps).to_contain_text("Set-up: done")
    await expect(steps).to_contain_text("Checks on the base: running")
    await steps_of_an_agent_are_told(stage, page, run_id)


async def steps_of_an_agent_are_told(stage: Stage, page: Page, run_id: str) -> None:
    started = VariationStarted(spec=AgentSpec(), attempt=1)
    await stage.log.append(run_id, [Draft(started)], variation_id=1)
    await expect(page.get_by_role("region", name="Preparation")).to_have_count(0)
    lane = page.get_by_role("region", name="Variation 1,")
    await expect(lane).to_contain_text("opening a sandbox")
    await stage.log.append(run_id, [Draft(SandboxOpened())], variation_id=1)
    await expect(lane).to_contain_text("starting the agent")


async def test_a_run_that_failed_before_its_agents_shows_why(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run()
    await tell(stage, run_id, begun())
    failure = Failure(
        reason="CheckCannotRun",
        message="the check `make test` cannot run on the base commit",
        output="make: *** No rule to make target 'test'.  Stop.",
    )
    async with stage.database.write() as session:
        await runs.move(session, run_id, RunStatus.FAILED, failure=failure)
        await runs.note(session, run_id, setup_hosts=("files.example.org:443",))
    page = await open_run(stage, visitor, run_id)
    result = page.get_by_role("region", name="Result")
    await expect(result).to_contain_text("cannot run on the base commit")
    await expect(result).to_contain_text("No rule to make target")
    await expect(page.get_by_text("failed", exact=True).first).to_be_visible()
    await page.get_by_text("Set-up reached 1 host").click()
    await expect(page.get_by_text("files.example.org", exact=True)).to_be_visible()
    await is_accessible_in_both_themes(visitor)


async def test_an_interrupted_run_is_resumed_or_cancelled_by_a_person(
    stage: Stage, visitor: Visitor
) -> None:
    run_id = await stage.run()
    async with stage.database.write() as session:
        await runs.move(session, run_id, RunStatus.INTERRUPTED)
    await tell(stage, run_id, begun(), Complete(status=RunStatus.INTERRUPTED))
    page = await open_run(stage, visitor, run_id)
    await expect(page.get_by_text("interrupted", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Resume")).to_be_enabled()
    await expect(page.get_by_role("button", name="Cancel")).to_be_enabled()
    await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    await is_accessible_in_both_themes(visitor)
