"""The driver with well-behaved, broken and hostile agents.

Each is a real process in a real sandbox.
"""

import asyncio
import json
from contextlib import aclosing

import pytest

from aideator.agents.acp import AcpAgent
from aideator.agents.base import Task
from aideator.agents.jsonrpc import LINE_BYTES_MAX, NOISE_LINES_MAX, UNANSWERED_MAX
from aideator.domain.errors import (
    AgentCrashed,
    AgentProtocolError,
    AgentTimeout,
    OutputLimitExceeded,
)
from aideator.domain.events import AgentOutput, ErrorRaised, EventBody, ToolCallUpdate
from aideator.eventlog.base import Draft
from aideator.sandbox.base import Sandbox

TOKEN = "lease-1-secret"

ACP = r"""
import json, os, sys, time

def say(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)

def hear():
    return json.loads(sys.stdin.readline())

def text(words):
    content = {"type": "text", "text": words}
    say(method="session/update", params={"sessionId": "s", "update": {
        "sessionUpdate": "agent_message_chunk", "content": content}})

def begin():
    say(id=hear()["id"], result={"protocolVersion": 1})
    say(id=hear()["id"], result={"sessionId": "s"})
    return hear()["id"]

def end(prompt, reason="end_turn"):
    say(id=prompt, result={"stopReason": reason})
"""


def agent(
    script: str, *, wall_clock: float = 60.0, output_bytes: int = 2**26
) -> AcpAgent:
    """An agent whose process runs `script` after the helpers of `ACP`."""
    env = {"LEASE": "{token}"}
    command = ["python3", "-c", ACP + script]
    return AcpAgent(command, env=env, wall_clock=wall_clock, output_bytes=output_bytes)


async def acts(cell: Sandbox, actor: AcpAgent) -> list[Draft]:
    async with aclosing(actor.run(Task("Do it."), cell, TOKEN)) as drafts:
        return [draft async for draft in drafts]


async def bodies(cell: Sandbox, script: str) -> list[EventBody]:
    return [draft.body for draft in await acts(cell, agent(script))]


def words(told: list[EventBody]) -> list[str]:
    return [body.text for body in told if isinstance(body, AgentOutput)]


async def test_updates_come_in_order_and_none_is_lost(cell: Sandbox) -> None:
    told = await bodies(cell, "p = begin()\nfor i in range(5000): text(str(i))\nend(p)")
    assert words(told) == [str(number) for number in range(5000)]


async def test_a_slow_reader_slows_the_agent_down_and_loses_nothing(
    cell: Sandbox,
) -> None:
    script = "p = begin()\nfor i in range(5000): text(str(i))\nend(p)"
    async with aclosing(agent(script).run(Task("Do it."), cell, TOKEN)) as drafts:
        taken = [(await anext(drafts)).body]
        # More than every buffer on the way holds cannot be waited for, so the agent has
        # time to fill ours.
        await asyncio.sleep(1)
        taken += [draft.body async for draft in drafts]
    assert words(taken) == [str(number) for number in range(5000)]


async def test_updates_behind_the_answer_are_still_taken(cell: Sandbox) -> None:
    assert words(
        await bodies(cell, "p = begin(); text('before'); end(p); text('after'); hear()")
    ) == [
        "before",
        "after",
    ]


async def test_the_raw_line_is_kept_beside_the_event(cell: Sandbox) -> None:
    (draft,) = await acts(cell, agent("p = begin(); text('hello'); end(p)"))
    assert draft.raw is not None
    assert json.loads(draft.raw)["params"]["update"]["content"]["text"] == "hello"


async def test_the_prompt_reaches_the_agent_and_offers_nothing_of_the_host(
    cell: Sandbox,
) -> None:
    script = """
greeting = hear(); say(id=greeting["id"], result={"protocolVersion": 1})
session = hear(); say(id=session["id"], result={"sessionId": "s"})
prompt = hear()
offered = greeting["params"]["clientCapabilities"]
text(json.dumps([offered, session["params"]["cwd"], prompt["params"]["prompt"]]))
end(prompt["id"])
"""
    (heard,) = words(await bodies(cell, script))
    assert json.loads(heard) == [{}, "/workspace", [{"type": "text", "text": "Do it."}]]


async def test_lines_that_are_no_messages_are_skipped(cell: Sandbox) -> None:
    script = r"""
print("Welcome to the agent!"); print(); print("[]"); print('{"id": [1]}')
print('{"id": 0, "error": []}'); print("[" * 100_000); print('{"method": 5, "id": 1}')
print('{"method": "session/update"}'); print('"\\ud800"')
p = begin(); print("\0\0"); text("still here"); end(p)
"""
    assert words(await bodies(cell, script)) == ["still here"]


async def test_an_agent_that_only_prints_is_no_agent(cell: Sandbox) -> None:
    with pytest.raises(AgentProtocolError, match=f"more than {NOISE_LINES_MAX} lines"):
        await bodies(cell, "while True: print('la la la')")


async def test_a_huge_line_is_refused(cell: Sandbox) -> None:
    with pytest.raises(AgentProtocolError, match="a line of more than 8 MiB"):
        await bodies(cell, f"begin(); text('x' * {LINE_BYTES_MAX}); time.sleep(60)")


async def test_a_long_line_is_not(cell: Sandbox) -> None:
    (draft,) = await acts(cell, agent("p = begin(); text('x' * 4_000_000); end(p)"))
    assert draft.raw is not None
    assert len(draft.raw) < 20_000


async def test_an_agent_that_says_too_much_is_stopped(cell: Sandbox) -> None:
    with pytest.raises(OutputLimitExceeded, match="more than 1000000 bytes"):
        await acts(
            cell,
            agent("begin()\nwhile True: text('x' * 10_000)", output_bytes=1_000_000),
        )


async def test_a_chatty_standard_error_blocks_nothing(cell: Sandbox) -> None:
    script = """
p = begin(); sys.stderr.write('x' * 600_000); sys.stderr.flush(); text('done'); end(p)
"""
    assert words(await bodies(cell, script)) == ["done"]


async def test_a_crash_tells_exit_code_and_last_words_but_not_the_lease(
    cell: Sandbox,
) -> None:
    script = """
begin()
sys.stderr.write('x' * 9999 + 'cannot go on with ' + os.environ['LEASE']); sys.exit(3)
"""
    with pytest.raises(
        AgentCrashed,
        match=r"exited with 3 before its turn ended: x+cannot go on with …$",
    ) as crash:
        await bodies(cell, script)
    assert len(str(crash.value)) < 2_100


async def test_an_agent_that_is_not_there_crashes(cell: Sandbox) -> None:
    with pytest.raises(AgentCrashed, match="exited with 127"):
        await acts(cell, AcpAgent(["no-such-agent"], env={}))


async def test_an_agent_that_closes_its_output_and_lives_on_is_no_agent(
    cell: Sandbox,
) -> None:
    with pytest.raises(AgentProtocolError, match="closed its output"):
        await bodies(cell, "begin(); os.close(1); time.sleep(60)")


@pytest.mark.parametrize(
    "script",
    ["time.sleep(600)", "begin(); time.sleep(600)", "begin()\nwhile True: text('x')"],
)
async def test_an_agent_that_never_ends_meets_its_wall_clock(
    cell: Sandbox, script: str
) -> None:
    with pytest.raises(AgentTimeout, match=r"within 0\.6 s"):
        await acts(cell, agent(script, wall_clock=0.6))
    assert await running(cell) == []


async def test_closing_cancels_the_turn(cell: Sandbox) -> None:
    script = """
begin(); text("working"); note = hear()
open("/workspace/heard", "w").write(note["method"]); end(2, "cancelled")
"""
    async with aclosing(agent(script).run(Task("Do it."), cell, TOKEN)) as drafts:
        await anext(drafts)
    assert (await cell.exec(["cat", "heard"])).stdout == b"session/cancel"


async def test_closing_ends_an_agent_that_does_not_listen(cell: Sandbox) -> None:
    async with aclosing(
        agent("begin()\nwhile True: text('busy')").run(Task("Do it."), cell, TOKEN)
    ) as drafts:
        await anext(drafts)
        assert len(await running(cell)) == 1
    assert await running(cell) == []


async def test_permission_is_given_because_the_sandbox_is_the_limit(
    cell: Sandbox,
) -> None:
    script = """
p = begin()
no = {"optionId": "no", "kind": "reject_once"}
options = [no, {"optionId": "yes", "kind": "allow_once"}]
call = {"toolCallId": "t1", "title": "rm -rf"}
say(id="q", method="session/request_permission",
    params={"sessionId": "s", "toolCall": call, "options": options})
text(json.dumps(hear()["result"])); end(p)
"""
    asked, answered = await bodies(cell, script)
    assert isinstance(asked, ToolCallUpdate)
    assert asked.title == "rm -rf"
    assert words([answered]) == [
        '{"outcome": {"outcome": "selected", "optionId": "yes"}}'
    ]


async def test_the_host_reads_no_file_for_an_agent(cell: Sandbox) -> None:
    script = """
p = begin()
say(id=7, method="fs/read_text_file", params={"sessionId": "s", "path": "/etc/passwd"})
text(str(hear()["error"]["code"])); end(p)
"""
    assert words(await bodies(cell, script)) == ["-32601"]


async def test_an_agent_that_asks_and_never_reads_is_no_agent(cell: Sandbox) -> None:
    script = "begin()\nfor i in range(10**9): say(id=i, method='x' * 5000)"
    with pytest.raises(AgentProtocolError, match="does not read the answers"):
        await bodies(cell, script)
    assert UNANSWERED_MAX < 1000


@pytest.mark.parametrize(
    "reason", ["max_turn_requests", "max_tokens", "refusal", "cancelled"]
)
async def test_a_turn_that_stopped_early_says_why(cell: Sandbox, reason: str) -> None:
    (told,) = await bodies(cell, f"end(begin(), {reason!r})")
    assert isinstance(told, ErrorRaised)
    assert told.reason == reason


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (
            "error={'message': 'no money', 'data': {'reason': 'budget_exhausted'}}",
            "budget_exhausted",
            "no money",
        ),
        ("error={'message': 'ouch', 'data': {'reason': ['x']}}", "agent_error", "ouch"),
        ("error={}", "agent_error", "Error"),
        ("result={'stopReason': 'bored'}", "agent_error", "without a known reason"),
        ("result=[]", "agent_error", "without a known reason"),
    ],
)
async def test_a_failed_turn_says_why(
    cell: Sandbox, answer: str, reason: str, message: str
) -> None:
    (told,) = await bodies(cell, f"say(id=begin(), {answer})")
    assert isinstance(told, ErrorRaised)
    assert told.reason == reason
    assert message in told.message


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "say(id=hear()['id'], error={'message': 'Authentication required'})",
            "Authentication required",
        ),
        (
            "say(id=hear()['id'], result={'protocolVersion': 2})\n"
            "say(id=hear()['id'], result={})",
            "version 1",
        ),
        (
            "say(id=hear()['id'], result={'protocolVersion': 1})\n"
            "say(id=hear()['id'], result={})",
            "version 1",
        ),
    ],
)
async def test_an_agent_that_opens_no_session_is_told_apart_from_a_crash(
    cell: Sandbox, script: str, message: str
) -> None:
    with pytest.raises(AgentProtocolError, match=message):
        await bodies(cell, f"{script}; hear()")


async def running(cell: Sandbox) -> list[str]:
    """The processes of agents that are still there; the search does not find itself."""
    found = await cell.exec(["sh", "-c", "grep -l 'def [h]ear' /proc/[0-9]*/cmdline"])
    return found.stdout.decode().split()
