"""The built-in agent's tools on real files and real processes."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from aideator.agents.builtin import shell
from aideator.agents.builtin.tools import (
    COMMAND_SECONDS,
    FILE_BYTES_MAX,
    KINDS,
    SCHEMAS,
    Result,
    ToolFailed,
    Tools,
)
from tests.conftest import PATIENCE


async def use(folder: Path, name: str, **arguments: Any) -> Result:
    return await Tools(folder).call(name, arguments, lambda _: None)


def test_every_tool_has_a_schema_and_a_kind() -> None:
    assert [schema["name"] for schema in SCHEMAS] == list(KINDS)


async def test_bash_returns_output_of_both_streams_in_order(tmp_path: Path) -> None:
    result = await use(tmp_path, "bash", command="echo one; echo two >&2; pwd")
    assert result.text == f"one\ntwo\n{tmp_path}\n"


async def test_a_failed_command_tells_its_output_and_exit_code(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=r"(?s)broken.*\[exit code 3\]"):
        await use(tmp_path, "bash", command="echo broken; exit 3")
    with pytest.raises(ToolFailed, match=r"\[exit code 143\]"):
        await use(tmp_path, "bash", command="kill -TERM $$")


async def test_output_of_a_command_is_shown_while_it_runs(tmp_path: Path) -> None:
    shown: list[str] = []
    gate = tmp_path / "gate"

    def show(text: str) -> None:
        shown.append(text)
        gate.touch()

    # The command ends only because its first line was shown before its end.
    command = "echo first; until [ -e gate ]; do sleep 0.05; done; echo last"
    result = await Tools(tmp_path).call("bash", {"command": command}, show)
    assert shown[0] == "first\n"
    assert result.text == "first\nlast\n"


async def test_a_command_sees_neither_the_lease_nor_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "lease-1-secret")
    monkeypatch.setenv("AIDEATOR_AGENT_SETTINGS", "{}")
    monkeypatch.setenv("KEPT", "yes")
    names = (await use(tmp_path, "bash", command="env | cut -d= -f1")).text.split()
    assert "KEPT" in names
    assert [
        name for name in names if name.startswith(("ANTHROPIC_", "AIDEATOR_"))
    ] == []


async def test_a_command_that_runs_too_long_is_killed_with_its_children(
    tmp_path: Path,
) -> None:
    with pytest.raises(ToolFailed, match=r"killed: it ran longer than 0\.3 s"):
        await use(
            tmp_path, "bash", command="sleep 300 & echo $! > pid; wait", timeout_ms=300
        )
    assert await is_gone(int((tmp_path / "pid").read_text()))


async def test_a_cancelled_command_is_killed_with_its_children(tmp_path: Path) -> None:
    started = asyncio.Event()
    command = "sleep 300 & echo $!; wait"
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        started.set()

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(
            Tools(tmp_path).call("bash", {"command": command}, show)
        )
        await started.wait()
        call.cancel()
    assert await is_gone(int(shown[0]))


async def test_a_background_process_does_not_keep_the_call_open(tmp_path: Path) -> None:
    async with asyncio.timeout(COMMAND_SECONDS / 4):
        result = await use(tmp_path, "bash", command="sleep 60 & echo $!")
    os.kill(int(result.text), 9)


async def test_endless_output_stays_bounded_and_keeps_both_ends(tmp_path: Path) -> None:
    result = await use(
        tmp_path, "bash", command="echo begin; yes | head -c 5000000; echo end"
    )
    assert result.text.startswith("begin\n")
    assert result.text.endswith("end\n")
    assert "bytes left out" in result.text
    assert len(result.text) < shell.HEAD_BYTES + shell.TAIL_BYTES + 100


async def test_read_returns_a_file_or_some_of_its_lines(tmp_path: Path) -> None:
    (tmp_path / "poem").write_bytes("eins\r\nzwei ü\ndrei".encode())
    assert (
        await use(tmp_path, "read", file_path="poem")
    ).text == "eins\r\nzwei ü\ndrei"
    assert (
        await use(tmp_path, "read", file_path="poem", view_range=[2, 2])
    ).text == "zwei ü\n"
    assert (
        await use(tmp_path, "read", file_path="poem", view_range=[2, -1])
    ).text == "zwei ü\ndrei"


async def test_a_huge_file_is_read_in_parts_only(tmp_path: Path) -> None:
    (tmp_path / "huge").write_text("x" * 99 + "\n" * FILE_BYTES_MAX)
    with pytest.raises(ToolFailed, match="give a view_range"):
        await use(tmp_path, "read", file_path="huge")
    assert (
        await use(tmp_path, "read", file_path="huge", view_range=[1, 1])
    ).text == "x" * 99 + "\n"


async def test_write_makes_directories_and_tells_the_difference(tmp_path: Path) -> None:
    new = await use(tmp_path, "write", file_path="a/b.txt", content="one\r\n")
    again = await use(tmp_path, "write", file_path="a/b.txt", content="two\n")
    assert (tmp_path / "a/b.txt").read_bytes() == b"two\n"
    assert new.diff
    assert again.diff
    assert (new.diff.old, new.diff.new) == (None, "one\r\n")
    assert (again.diff.old, again.diff.new) == ("one\r\n", "two\n")


async def test_edit_replaces_exactly_one_place_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    (tmp_path / "code").write_bytes(b"a = 1\r\nb = 1\r\n")
    with pytest.raises(ToolFailed, match="found 2 times"):
        await use(tmp_path, "edit", file_path="code", old_string="1", new_string="2")
    with pytest.raises(ToolFailed, match="was not found"):
        await use(tmp_path, "edit", file_path="code", old_string="c", new_string="2")
    await use(
        tmp_path, "edit", file_path="code", old_string="a = 1", new_string="a = 5"
    )
    assert (tmp_path / "code").read_bytes() == b"a = 5\r\nb = 1\r\n"
    await use(
        tmp_path,
        "edit",
        file_path="code",
        old_string=" = ",
        new_string="=",
        replace_all=True,
    )
    assert (tmp_path / "code").read_bytes() == b"a=5\r\nb=1\r\n"


async def test_glob_lists_newest_first_without_git(tmp_path: Path) -> None:
    for age, name in enumerate([".git/x.py", "old.py", "sub/new.py", "other.txt"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    found = (await use(tmp_path, "glob", pattern="**/*.py")).text
    assert found.splitlines() == [
        str(tmp_path / "sub/new.py"),
        str(tmp_path / "old.py"),
    ]
    assert (await use(tmp_path, "glob", pattern="*.rs")).text == "no matches"


async def test_grep_finds_lines_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nprint(1)\n")
    assert (
        await use(tmp_path, "grep", pattern="print\\(|exec")
    ).text == "a.py:2:print(1)\n"
    assert (await use(tmp_path, "grep", pattern="nothing")).text == "no matches"
    with pytest.raises(ToolFailed, match="grep:"):
        await use(tmp_path, "grep", pattern="(")


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("read", {"file_path": "absent"}, "No such file"),
        ("read", {"file_path": "."}, "not a regular file"),
        ("read", {"file_path": "fifo"}, "not a regular file"),
        ("read", {"file_path": "binary"}, "decode"),
        ("read", {"file_path": 5}, "file_path must be a string"),
        ("read", {"file_path": "binary", "view_range": [0, 5]}, "view_range must be"),
        ("write", {"file_path": "binary/x", "content": ""}, "exists|Not a directory"),
        ("write", {"file_path": "a\0b", "content": ""}, "null"),
        ("edit", {"file_path": "binary", "old_string": "", "new_string": ""}, "decode"),
        ("glob", {"pattern": "/etc/*"}, "relative"),
        ("glob", {"pattern": ""}, "pattern"),
        ("bash", {}, "command must be a string"),
        ("bash", {"command": "a\0b"}, "null"),
        ("fly", {}, "there is no tool 'fly'"),
    ],
)
async def test_wrong_use_is_explained_to_the_model(
    tmp_path: Path, tool: str, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ToolFailed, match=message):
        await Tools(tmp_path).call(tool, arguments, lambda _: None)


async def is_gone(pid: int) -> bool:
    """Wait until the process has ended: an orphan is reaped at some later time."""
    async with asyncio.timeout(PATIENCE):
        while state(pid) not in ("", "Z"):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    return True


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
