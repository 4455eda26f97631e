"""What an agent keeps from one turn to the next.

Its own to read, opaque to the platform, and never needed.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path

import pytest

from aideator.agents import acp
from aideator.agents.acp import AcpAgent
from aideator.agents.base import Task
from aideator.agents.factory import make_agent
from aideator.domain.events import AgentOutput
from aideator.domain.run import AgentSpec
from aideator.sandbox.base import Limits, Sandbox, Tree
from aideator.sandbox.registry import open_backend
from tests.agents.conftest import Open
from tests.agents.test_acp import ACP, TOKEN

AGENT = r"""
home = os.path.expanduser("~/.keeps")
os.makedirs(home, exist_ok=True)

def serve(answer_load, keep="mine"):
    offered = {"loadSession": True}
    say(id=hear()["id"], result={"protocolVersion": 1, "agentCapabilities": offered})
    request = hear()
    if request["method"] == "session/load":
        answer_load(request)
        request = hear()
    if request["method"] == "session/new":
        say(id=request["id"], result={"sessionId": "new"})
        request = hear()
    open(home + "/kept", "w").write(keep)
    asked = request["params"]
    text(asked["sessionId"] + " hears: " + asked["prompt"][0]["text"])
    end(request["id"])

def loads(request):
    text("this was said before: " + open(home + "/kept").read())
    open("/workspace/loaded", "w").write(open(home + "/kept").read())
    say(id=request["id"], result={})

def refuses(request):
    text("this was said before")
    say(id=request["id"], error={"code": -32602, "message": "there is no such session"})
"""
FRESH = Task("All there is to know.")

Cells = Callable[[], AbstractAsyncContextManager[Sandbox]]


@pytest.fixture
def cells(home: Path, repo: Path) -> Cells:
    """One sandbox after the other, each with nothing of those before."""
    backend = open_backend("bubblewrap", runtime_dir=home / "run")
    opened = 0

    @asynccontextmanager
    async def another() -> AsyncIterator[Sandbox]:
        nonlocal opened
        opened += 1
        upper, work = home / f"upper-{opened}", home / f"work-{opened}"
        upper.mkdir()
        work.mkdir()
        async with backend.open(
            Tree((repo,), upper, work), Limits(cpus=2.0)
        ) as sandbox:
            yield sandbox

    return another


def agent(script: str) -> AcpAgent:
    return AcpAgent(["python3", "-c", ACP + AGENT + script], env={}, memory=".keeps")


async def turn(cell: Sandbox, actor: AcpAgent, task: Task) -> list[str]:
    async with aclosing(actor.run(task, cell, TOKEN)) as drafts:
        return [
            draft.body.text
            async for draft in drafts
            if isinstance(draft.body, AgentOutput)
        ]


async def remembered(cells: Cells, script: str = "serve(loads)") -> bytes:
    actor = agent(script)
    async with cells() as cell:
        await turn(cell, actor, FRESH)
        return await actor.remember(cell)


def again(memory: bytes) -> Task:
    return Task("All there is to know.", memory=memory, follow_up="And now?")


async def test_an_agent_continues_its_session_and_what_it_replays_is_not_told_again(
    cells: Cells,
) -> None:
    memory = await remembered(cells)
    async with cells() as cell:
        assert await turn(cell, agent("serve(loads)"), again(memory)) == [
            "new hears: And now?"
        ]
        assert (await cell.exec(["cat", "loaded"])).stdout == b"mine"


async def test_an_agent_that_cannot_is_told_everything_in_a_new_session(
    cells: Cells,
) -> None:
    memory = await remembered(cells)
    async with cells() as cell:
        assert await turn(cell, agent("serve(refuses)"), again(memory)) == [
            "new hears: All there is to know."
        ]
    async with cells() as cell:
        forgetful = ACP + "p = begin()\ntext('ready')\nend(p)"
        actor = AcpAgent(["python3", "-c", forgetful], env={}, memory=".keeps")
        assert await turn(cell, actor, again(memory)) == ["ready"]
        assert await actor.remember(cell) == b""


@pytest.mark.parametrize("damage", ["archive", "all"])
async def test_a_memory_that_is_damaged_is_no_memory(cells: Cells, damage: str) -> None:
    memory = await remembered(cells)
    session, _, archive = memory.partition(b"\n")
    broken = session + b"\n" + (archive[:20] if damage == "archive" else b"")
    async with cells() as cell:
        assert await turn(cell, agent("serve(loads)"), again(broken)) == [
            "new hears: All there is to know."
        ]


async def test_too_much_is_forgotten(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acp, "MEMORY_BYTES_MAX", 10_000)
    small = await remembered(cells)
    assert 0 < len(small) < 10_000
    assert await remembered(cells, "serve(loads, keep=os.urandom(60_000).hex())") == b""


async def test_what_leaves_a_hostile_agent_stays_a_blob_until_it_is_back_inside(
    cells: Cells,
) -> None:
    """Links out of its folder lead into the sandbox: the host opens no archive."""
    script = "os.symlink('/etc/passwd', home + '/link')\nserve(loads)"
    memory = await remembered(cells, script)
    assert json.loads(memory.partition(b"\n")[0]) == "new"
    async with cells() as cell:
        await turn(cell, agent("serve(loads)"), again(memory))
        link = await cell.exec(["sh", "-c", "cd && readlink .keeps/link"])
        assert link.stdout == b"/etc/passwd\n"


async def test_our_own_agent_sends_the_model_all_that_was_said_before(
    place: Open,
) -> None:
    spec = AgentSpec()
    turns = [
        {"say": "First.", "calls": [{"bash": {"command": "echo seen"}}]},
        {"say": "Done once."},
        {"say": "Done twice."},
    ]
    async with place(
        {"lanes": {"default": turns}}, binds=make_agent(spec).binds
    ) as here:
        first, second = make_agent(spec), make_agent(spec)
        async with aclosing(
            first.run(Task("Do it."), here.sandbox, here.token)
        ) as drafts:
            assert [draft async for draft in drafts]
        memory = await first.remember(here.sandbox)
        await here.sandbox.exec(["sh", "-c", "rm -rf ~/.aideator"])
        async with aclosing(
            second.run(again(memory), here.sandbox, here.token)
        ) as drafts:
            told = [
                draft.body
                async for draft in drafts
                if isinstance(draft.body, AgentOutput)
            ]
        last = here.model.requests[-1].body["messages"]
    assert "".join(body.text for body in told) == "Done twice."
    assert [message["role"] for message in last] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert last[1]["content"][-1]["input"] == {"command": "echo seen"}
    assert "seen" in json.dumps(last[2])
    assert "And now?" in json.dumps(last[4])
