"""`aideator shell` in a real terminal, and with piped output."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from aideator.testing import scripted_model
from tests.actions import command, server
from tests.conftest import PATIENCE, comes_true

HOSTILE = r"printf '\033]0;title\007\033[6n\033[31mred\033[m\n'"


@dataclass
class TerminalUser:
    """A user at a terminal in which a command runs."""

    process: asyncio.subprocess.Process
    terminal: int
    shown: bytes = b""

    def types(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    async def sees(self, wanted: bytes) -> None:
        try:
            await comes_true(lambda: wanted in self.shown)
        except TimeoutError:
            raise AssertionError(f"{wanted!r} was not shown: {self.shown!r}") from None

    def read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self.shown += os.read(self.terminal, 65_536)

    async def leaves(self) -> int:
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
        self.read()
        return code

    def modes(self) -> list[object]:
        return list(termios.tcgetattr(self.terminal))


@asynccontextmanager
async def at_a_terminal(
    home: Path, *arguments: str, size: tuple[int, int] = (24, 80)
) -> AsyncIterator[TerminalUser]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aideator", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "AIDEATOR_HOME": str(home / "state"),
            "HOME": str(home),
            "TERM": "xterm",
        },
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    user, loop = TerminalUser(process, ours), asyncio.get_running_loop()
    os.set_blocking(ours, False)
    loop.add_reader(ours, user.read)
    try:
        yield user
    finally:
        loop.remove_reader(ours)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
        os.close(theirs)


async def finished_run(
    home: Path, repo: Path, env: Mapping[str, str] | None = None
) -> str:
    """Run one agent to its end with `aideator run`, and return the run's id."""
    done = await asyncio.to_thread(
        command,
        *("run", str(repo), "Make the failing test pass"),
        *("-n", "1", "--no-checks", "--json"),
        home=home,
        env=env or {},
    )
    return str(re.findall(r'"run_id": ?"([0-9a-f-]+)"', done.stdout)[0])


@pytest.fixture
async def served(home: Path, repo: Path) -> AsyncIterator[str]:
    """A server of this state directory with a finished run, whose id it is."""
    with_sandbox = {"AIDEATOR_SANDBOX": "bubblewrap"}
    async with (
        scripted_model("one_edit") as model,
        server(home, model.url, **with_sandbox),
    ):
        yield await finished_run(home, repo)


async def test_a_shell_in_a_terminal(home: Path, served: str) -> None:
    async with at_a_terminal(home, "shell", served, "1", size=(31, 97)) as me:
        before = me.modes()
        await me.sees(b"variation 1:/workspace$ ")
        assert me.modes() != before  # every key goes over
        me.types("stty size\r")
        await me.sees(b"31 97\r\n")
        fcntl.ioctl(me.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 111, 0, 0))
        me.types("until stty size | grep '40 111'; do :; done\r")
        await me.sees(b"\r40 111\r\n")
        me.types(f"{HOSTILE}; sleep 1000\r")
        await me.sees(b"\x1b[31mred\x1b[m\r\n")
        assert b"\x1b]0;title" not in me.shown
        assert b"\x1b[6n" not in me.shown
        me.types("\x03")
        await me.sees(b"^C\r\n\x1b[?2004h")
        me.types("exit 7\r")
        assert await me.leaves() == 7
        assert me.modes() == before
        assert me.shown.rindex(b"\x1b[?2004l") > me.shown.rindex(b"\x1b[?2004h")


async def test_who_leaves_or_is_ended_has_the_terminal_back(
    home: Path, served: str
) -> None:
    async with at_a_terminal(home, "shell", served, "1") as me:
        before = me.modes()
        await me.sees(b"$ ")
        me.types("\x1d")
        assert await me.leaves() == 129
        assert me.modes() == before
    async with at_a_terminal(
        home, "shell", served, "1", "--", "echo begun; sleep 1000"
    ) as me:
        before = me.modes()
        await me.sees(b"begun")
        me.process.terminate()
        assert await me.leaves() == 143
        assert me.modes() == before


async def test_the_output_of_a_command_is_piped_on(home: Path, served: str) -> None:
    def shell(*arguments: str) -> tuple[int, str]:
        done = command("shell", served, *arguments, home=home)
        return done.returncode, done.stdout

    assert await asyncio.to_thread(shell, "1", "--", "seq", "1", "50000") == (
        0,
        "".join(f"{number}\n" for number in range(1, 50_001)),
    )
    assert await asyncio.to_thread(shell, "--", f"{HOSTILE}; exit 4") == (4, "red\n")
    assert await asyncio.to_thread(shell, "--", "cat; git diff --stat | head -1") == (
        0,
        " calc.py | 2 +-\n",
    )
    code, _ = await asyncio.to_thread(shell)
    assert code == 2  # a shell needs a terminal


async def test_without_a_server_the_command_does_it_all_itself(
    home: Path, repo: Path
) -> None:
    async with scripted_model("one_edit") as model:
        env = {"ANTHROPIC_BASE_URL": model.url, "AIDEATOR_SANDBOX": "bubblewrap"}
        run_id = await finished_run(home, repo, env)
        shell = await asyncio.to_thread(
            command, "shell", run_id, "--", "grep a.+.b calc.py", home=home, env=env
        )
    assert (shell.returncode, shell.stdout) == (0, "    return a + b\n")
    assert not (home / "state/forks").exists() or not list(
        (home / "state/forks").iterdir()
    )
