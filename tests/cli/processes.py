"""The command line as a process of its own."""

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.actions import command
from tests.conftest import PATIENCE

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


@dataclass
class InTerminal:
    """A command whose standard input and error are a terminal, as a user's are."""

    process: asyncio.subprocess.Process
    screen: int
    """The terminal's other side: what is typed goes in, what is printed comes out."""

    def types(self, keys: str) -> None:
        """Press keys."""
        os.write(self.screen, keys.encode())

    def close(self) -> None:
        """Close the terminal, as a window is closed."""
        os.close(self.screen)

    async def shows(self, words: str) -> str:
        """Read the screen until it shows something; return all that was shown."""
        seen = ""
        while words not in seen:
            try:
                more = await asyncio.wait_for(
                    asyncio.to_thread(os.read, self.screen, 65536), PATIENCE
                )
            except OSError:  # the command has ended
                raise AssertionError(f"it never showed {words!r}: {seen}") from None
            seen += more.decode(errors="replace")
        return seen


async def start_in_terminal(
    *arguments: str, home: Path, model: str, **env: str
) -> InTerminal:
    """Start a command in a terminal of its own, in lines mode."""
    screen, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aideator", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "AIDEATOR_HOME": str(home / "state"),
            "ANTHROPIC_BASE_URL": model,
            "SETUP_ALLOWED_HOSTS": "none",
            "SANDBOX_TOOLCHAINS": "none",
            "TERM": "dumb",
            **env,
        },
        cwd=home,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        # The terminal becomes the process's own: closing it hangs the process up.
        preexec_fn=partial(_take_terminal, terminal),
        start_new_session=True,
    )
    os.close(terminal)
    return InTerminal(process, screen)


def _take_terminal(terminal: int) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


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
