"""The command line as a process of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.actions import command

Done = subprocess.CompletedProcess[str]


async def aideator(
    *arguments: str, home: Path, model: str = "http://127.0.0.1:9", **more: Any
) -> Done:
    """Run a command, while the scripted model answers in this process."""
    env = {"ANTHROPIC_BASE_URL": model} | more.pop("env", {})
    return await asyncio.to_thread(command, *arguments, home=home, env=env, **more)


async def start(*arguments: str, home: Path, model: str) -> asyncio.subprocess.Process:
    """Start a command that goes on."""
    return await asyncio.create_subprocess_exec(
        # Tests that are run under nohup ignore SIGHUP, and so would what they start.
        *("env", "--default-signal=HUP", sys.executable, "-m", "aideator", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
        }
        | {"ANTHROPIC_BASE_URL": model},
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def reads_until(process: asyncio.subprocess.Process, words: str) -> None:
    """Read a command's output until it says something."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if words in line:
            return
    raise AssertionError(f"the command ended without saying {words!r}")


def run_id_in(output: str) -> str:
    """Return the id of the run that a command has started."""
    return output.split()[1]
