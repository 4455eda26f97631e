"""Child processes: how they end, what they print, and that none is left behind."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from aideator.children import DEVNULL, PIPE, start_child
from tests.conftest import PATIENCE

ENV = {"PATH": os.defpath}


def _descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def _running(command: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it may have ended meanwhile
            found += path.read_text(errors="replace") == command
    return found


async def test_its_streams_and_its_exit_code() -> None:
    child = await start_child(
        ["sh", "-c", "cat; echo no >&2; exit 3"],
        cwd="/",
        env=ENV,
        streams=(PIPE, PIPE, PIPE),
    )
    child.stdin.write(b"yes")
    child.stdin.close()
    assert (
        await child.stdout.read(),
        await child.stderr.read(),
        await child.wait(),
    ) == (b"yes", b"no\n", 3)
    assert child.returncode == 3


async def test_everything_in_its_group_ends_and_it_can_be_waited_for_twice() -> None:
    script = "sleep 100 & echo started; wait"
    child = await start_child(
        ["sh", "-c", script], cwd="/", env=ENV, streams=(DEVNULL, PIPE, DEVNULL)
    )
    assert await child.stdout.readline() == b"started\n"
    child.kill_group()
    assert (await child.wait(), await child.wait()) == (-9, -9)
    # Its output ends when the last of the group has closed it.
    assert await asyncio.wait_for(child.stdout.read(), PATIENCE) == b""
    child.kill_group()


async def test_what_cannot_be_started_raises_and_leaves_no_descriptor() -> None:
    before = _descriptors()
    with pytest.raises(FileNotFoundError):
        await start_child(
            ["no-such-program"], cwd="/", env=ENV, streams=(PIPE, PIPE, PIPE)
        )
    assert _descriptors() <= before


async def test_a_start_that_is_cancelled_leaves_neither_child_nor_descriptor() -> None:
    before, marker = _descriptors(), f"98.{os.getpid()}"
    for moment in range(6):
        try:
            async with asyncio.timeout(None) as limit:
                _at_turn(moment, limit)
                child = await start_child(
                    ["sleep", marker], cwd="/", env=ENV, streams=(PIPE, PIPE, PIPE)
                )
        except TimeoutError:
            continue
        child.kill_group()
        await child.wait()
    await asyncio.sleep(0.05)  # the loop closes its pipes in its next turns
    assert not _running(f"sleep\0{marker}\0")
    assert _descriptors() <= before


def _at_turn(turns: int, limit: asyncio.Timeout) -> None:
    """Let the time be up after so many turns of the loop."""
    if turns:
        asyncio.get_running_loop().call_soon(_at_turn, turns - 1, limit)
    elif not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())


async def test_nothing_but_the_environment_it_was_given() -> None:
    show = [
        sys.executable,
        "-c",
        "import os; print(sorted(os.environ.keys() - {'LC_CTYPE'}))",
    ]
    child = await start_child(
        show, cwd="/", env={"ONLY": "this"}, streams=(DEVNULL, PIPE, DEVNULL)
    )
    assert await child.stdout.read() == b"['ONLY']\n"
    assert await child.wait() == 0
