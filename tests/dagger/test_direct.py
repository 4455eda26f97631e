"""Direct mode: `dagger call` from a shell, without an AIdeator server."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aideator.testing import scripted_model
from tests.conftest import git
from tests.dagger.conftest import CHECKOUT

KEY = "sk-ant-of-a-test-0123456789"
Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def call(double: Path, engine: Path, home: Path) -> Call:
    """Call a function of the module as a user's shell does, from the checkout."""

    def run(
        *arguments: str, then: str = "", query: str = "network=open"
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "ANTHROPIC_API_KEY": KEY,
            "_EXPERIMENTAL_DAGGER_RUNNER_HOST": f"double://{engine}?{query}",
        }
        argv = [
            str(double),
            "--progress=logs",
            "call",
            f"--mod={CHECKOUT}",
            *arguments,
            *([then] if then else []),
        ]
        return subprocess.run(
            argv,
            env=environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def record(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


async def asking(
    call: Call, function: str, repo: Path, url: str, *more: str, then: str = ""
) -> dict[str, Any]:
    arguments = [
        function,
        "--repo-url",
        str(repo),
        "--prompt",
        "Make the failing test pass, please",
        "--variation-id",
        "2",
        "--anthropic-api-key",
        "env:ANTHROPIC_API_KEY",
        "--base-url",
        url,
        *more,
    ]
    return record(await asyncio.to_thread(call, *arguments, then=then))


async def test_an_agent_works_and_its_key_stays_with_the_platform(
    repo: Path, call: Call
) -> None:
    async with scripted_model("one_edit") as model:
        done = await asking(call, "stream-agent", repo, model.url, then="stdout")
        keys = {request.headers.get("x-api-key") for request in model.requests}
    assert (
        done["exit_code"],
        done["stop_reason"],
        done["variation_id"],
        done["error"],
    ) == (0, "end_turn", "2", None)
    assert done["stats"]["files"] == 1
    assert keys == {KEY}
    git(repo, "apply", "--check", "-", stdin=done["patch"])


async def test_run_agent_returns_the_same_as_json_and_events_go_to_a_socket(
    repo: Path, call: Call, home: Path
) -> None:
    lines: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            lines.append(line)
        writer.close()

    prompt = home / "prompt.txt"
    prompt.write_text('Fix "it"; don\'t $(run) this,\nand 🛠 mend the test, please')
    async with (
        scripted_model("one_edit") as model,
        await asyncio.start_unix_server(keep, home / "events"),
    ):
        done = await asking(
            call,
            "run-agent",
            repo,
            model.url,
            "--events",
            f"unix://{home / 'events'}",
            "--prompt-file",
            str(prompt),
        )
        asked = json.dumps([request.body for request in model.requests], default=str)
    assert done["stop_reason"] == "end_turn"
    updates = [json.loads(line) for line in lines]
    assert any("sessionUpdate" in json.dumps(update) for update in updates)
    assert "mend the test" in asked
    assert "$(run)" in asked


async def test_the_agent_cannot_find_the_key(repo: Path, call: Call) -> None:
    script = (
        "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; "
        "cat /run/aideator/*.json; echo looked"
    )
    scenario = {
        "lanes": {
            "default": [{"calls": [{"bash": {"command": script}}]}, {"say": "done"}]
        }
    }
    async with scripted_model(scenario) as model:
        await asking(call, "stream-agent", repo, model.url, then="stdout")
        told = json.dumps([request.body for request in model.requests], default=str)
    assert "looked" in told
    assert KEY not in told


def test_a_check_says_what_a_patch_does(repo: Path, call: Call, home: Path) -> None:
    patch = home / "fix.patch"
    source = (repo / "calc.py").read_text()
    (repo / "calc.py").write_text(source.replace("a - b", "a + b"))
    patch.write_text(git(repo, "diff", "--binary") + "\n")
    (repo / "calc.py").write_text(source)
    command = [
        "run-check",
        "--source",
        str(repo),
        "--command",
        "python3 -m unittest -q",
    ]
    before, after = (
        record(call(*command)),
        record(call(*command, "--patch", str(patch))),
    )
    assert (before["exit_code"], after["exit_code"]) == (1, 0)
    assert "FAILED" in before["output"]
    assert record(call(*command, "--patch", str(repo / "calc.py")))["exit_code"] is None


def test_a_result_is_replayed_for_the_same_run_and_for_no_other(
    repo: Path, call: Call
) -> None:
    command = [
        "run-check",
        "--source",
        str(repo),
        "--command",
        "cat /proc/sys/kernel/random/uuid",
    ]
    named = [record(call(*command, "--run-id", "the-same"))["output"] for _ in range(2)]
    fresh = [record(call(*command))["output"] for _ in range(2)]
    assert len(set(named)) == 1  # the engine's cache, as the double has it
    assert len({*named, *fresh}) == 3


def test_a_check_that_takes_too_long_is_stopped(repo: Path, call: Call) -> None:
    done = record(
        call(
            "run-check",
            "--source",
            str(repo),
            "--command",
            "echo begun; sleep 1000",
            "--seconds",
            "1",
        )
    )
    assert (done["exit_code"], done["output"], done["reasons"]) == (
        None,
        "begun",
        ["wall clock"],
    )
