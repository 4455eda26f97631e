"""Set-up asks for a host that nobody has allowed; a person answers, or nobody."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from aideator.app import host_questions
from aideator.domain.errors import Conflict
from aideator.domain.events import Event, HostAnswered, HostAsked, SetupRan
from aideator.domain.hosts import AllowedHost, HostAnswer
from aideator.domain.run import RunStatus
from aideator.testing import scripted_model
from tests.actions import PROMPT, User, bodies, server, submit, user
from tests.conftest import comes_true
from tests.setup.test_egress import serving
from tests.setup.test_environment import GET

AUTO = {"setup_allowed_hosts": ("auto",)}


async def answers(me: User, run_id: str, answer: HostAnswer) -> None:
    """Follow a run as a person does who answers its first question."""
    followed = me.app.follow(run_id, interactive=True)
    async with aclosing(followed) as batches:
        async for batch in batches:
            for entry in batch:
                if entry.kind == "host_asked":
                    asked = HostAsked.model_validate_json(_body(entry.data))
                    await host_questions.answer_host(
                        me.app, run_id, asked.host, answer, local=True
                    )


def _body(data: bytes) -> str:
    return Event.model_validate_json(data).body.model_dump_json()


@pytest.mark.parametrize(
    ("answer", "is_asked_again"), [("once", True), ("repository", False)]
)
async def test_a_person_is_asked_and_the_run_goes_on(
    home: Path, repo: Path, answer: str, *, is_asked_again: bool
) -> None:
    async with serving() as host, user(home, repo, "one_edit", **AUTO) as me:
        run = await me.asks(setup=[{"command": GET.format(host.name)}])
        await answers(me, run.id, HostAnswer(answer))
        done = await me.app.get(run.id)
        assert done.status is RunStatus.FINISHED
        assert done.setup_hosts == (host.name,)
        events = await me.hears(run.id)
        (ran,) = bodies(events, "setup")
        assert isinstance(ran, SetupRan)
        assert ran.hosts == (host.name,)
        (told,) = bodies(events, "host_answered")
        assert told == HostAnswered(host=host.name, answer=HostAnswer(answer))
        again = await me.asks(setup=[{"command": f"{GET.format(host.name)}; true"}])
        await answers(me, again.id, HostAnswer.ONCE)
        events = await me.hears(again.id)
        assert bool(bodies(events, "host_asked")) is is_asked_again
        if not is_asked_again:
            kept = AllowedHost(host=host.name, repository=str(repo), private=True)
            assert await host_questions.list_hosts(me.app) == [kept]
            await host_questions.forget_host(me.app, host.name)
        assert await host_questions.list_hosts(me.app) == []


async def test_where_nobody_is_there_the_host_is_refused_with_the_line_to_paste(
    home: Path, repo: Path
) -> None:
    async with serving() as host, user(home, repo, "one_edit", **AUTO) as me:
        done = await me.asks_and_waits(setup=[{"command": GET.format(host.name)}])
        assert done.status is RunStatus.FAILED
        assert done.failure is not None
        assert f"--allow-host {host.name}" in done.failure.message
        assert host.heard == []
        with pytest.raises(Conflict, match="no set-up of this run waits"):
            await host_questions.answer_host(
                me.app, done.id, host.name, HostAnswer.ONCE
            )
        assert len(me.model.requests) == 0


async def test_stopping_the_run_ends_the_wait(home: Path, repo: Path) -> None:
    async with serving() as host, user(home, repo, "one_edit", **AUTO) as me:
        run = await me.asks(setup=[{"command": GET.format(host.name)}])
        questions = me.app.working.context.host_questions
        with questions.presence(run.id):
            await comes_true(lambda: questions.is_open(run.id, host.name))
            await me.app.cancel(run.id)
        assert (await me.app.get(run.id)).status is RunStatus.CANCELLED
        assert not questions.is_open(run.id, host.name)


async def test_over_http_a_page_that_follows_is_asked(home: Path, repo: Path) -> None:
    async with (
        serving() as host,
        scripted_model("one_edit") as model,
        server(home, model.url, SETUP_ALLOWED_HOSTS="auto") as served,
        served.client() as client,
    ):
        setup = [{"command": GET.format(host.name)}]
        spec = {"repo_url": str(repo), "prompt": PROMPT, "variations": 1}
        run_id = await submit(client, {**spec, "setup": setup})
        answered = False
        async with (
            asyncio.timeout(120),
            client.stream(
                "GET", f"/runs/{run_id}/stream", params={"interactive": True}
            ) as events,
        ):
            async for line in events.aiter_lines():
                if line == "event: host_asked":
                    body = {"host": host.name, "answer": "once"}
                    reply = await client.post(f"/runs/{run_id}/hosts", json=body)
                    answered = reply.status_code == 200
        assert answered
        run = (await client.get(f"/runs/{run_id}")).json()
        assert (run["status"], run["setup_hosts"]) == ("finished", [host.name])
