"""Promises about processes: streams, exit codes, kill, limits, environment."""

import asyncio
import os
import secrets
from contextlib import suppress
from pathlib import Path

from aideator.domain.errors import SandboxLost
from aideator.sandbox.base import Limits, Size
from aideator.testing.conformance.context import (
    PATIENCE,
    UNTIL_GONE,
    Behaviour,
    BrokenPromise,
    CheckContext,
    expect,
    require,
    shell,
)


async def output_is_live(context: CheckContext) -> None:
    """Output arrives while the process still runs, and input reaches it then."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(
            ["sh", "-c", "echo one; read answer; echo got $answer; echo two >&2"]
        )
        expect(await process.stdout.readline(), b"one\n", "the first line")
        process.stdin.write(b"it\n")
        expect(await process.stdout.readline(), b"got it\n", "the second line")
        expect(await process.stderr.read(), b"two\n", "standard error")
        expect(await process.wait(), 0, "the exit code")


async def end_of_input_is_seen(context: CheckContext) -> None:
    """A process that reads to the end ends when its input is closed."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(["cat"])
        process.stdin.write(b"all")
        process.stdin.close()
        expect(await process.stdout.read(), b"all", "the output")
        expect(await process.wait(), 0, "the exit code")


async def exit_codes_are_those_of_a_shell(context: CheckContext) -> None:
    """Exit codes are the program's, 128 + signal, 127 not found, 126 not executable."""
    scripts = {
        "exit 0": 0,
        "exit 7": 7,
        "exit 255": 255,
        "kill -TERM $$": 143,
        "kill -KILL $$": 137,
    }
    async with context.open(context.tree({"notes.txt": "text"})) as sandbox:
        for script, code in scripts.items():
            expect((await sandbox.exec(["sh", "-c", script])).exit_code, code, script)
        for program, code in {
            "no-such-program": 127,
            "/no/such/program": 127,
            "./notes.txt": 126,
        }.items():
            result = await sandbox.exec([program])
            expect(
                (result.exit_code, program in result.stderr.decode()),
                (code, True),
                program,
            )
        expect(
            (await sandbox.exec(["true"], cwd="/no/such/place")).exit_code,
            126,
            "a directory that is not there",
        )


async def kill_ends_the_whole_group(context: CheckContext) -> None:
    """Kill ends the children too; killing again is no error."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"])
        child = (await process.stdout.readline()).decode().strip()
        await process.kill()
        expect(await process.wait(), 137, "the exit code")
        await process.kill()
        await shell(sandbox, UNTIL_GONE, child)


async def a_process_that_has_just_started_can_be_killed(context: CheckContext) -> None:
    """A process that has just been started can be killed, and nothing else dies."""
    async with context.open() as sandbox:
        bystander = await sandbox.spawn(["cat"])
        # Killing early races with the start: repeated until the race would be lost.
        for terminal in (None, Size(24, 80)) * 30:
            process = await sandbox.spawn(["sleep", "1000"], terminal=terminal)
            await process.kill()
            expect(await process.wait(), 137, "the exit code")
        bystander.stdin.write(b"alive")
        bystander.stdin.close()
        expect(await bystander.stdout.read(), b"alive", "another process")
        expect(await bystander.wait(), 0, "its exit code")


async def time_limit_is_kept(context: CheckContext) -> None:
    """A command that takes too long is killed, and its output so far is kept."""
    async with context.open() as sandbox:
        result = await sandbox.exec(
            ["sh", "-c", "trap '' TERM; echo begun; sleep 1000"], timeout=1
        )
        expect((result.exit_code, result.stdout), (None, b"begun\n"), "the result")
        expect(
            await shell(sandbox, "echo still here"),
            "still here\n",
            "the sandbox afterwards",
        )


async def cancelling_stops_the_command(context: CheckContext) -> None:
    """A command whose caller is cancelled does not continue."""
    async with context.open() as sandbox:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await sandbox.exec(["sh", "-c", "sleep 1; echo late > late"])
        expect(await shell(sandbox, "sleep 1.2; ls"), "", "what it left")


async def output_is_capped_at_both_ends(context: CheckContext) -> None:
    """The beginning and the end of too much output are kept, and the result says so."""
    async with context.open(limits=Limits(output_bytes=10_000)) as sandbox:
        result = await sandbox.exec(
            ["sh", "-c", "echo first; yes | head -c 1000000; echo last; echo short >&2"]
        )
        require(result.truncated, "truncated")
        expect(result.stdout[:6] + result.stdout[-5:], b"first\nlast\n", "both ends")
        require(len(result.stdout) < 10_100, f"{len(result.stdout)} bytes kept")
        expect((result.exit_code, result.stderr), (0, b"short\n"), "the rest")


async def unread_output_waits(context: CheckContext) -> None:
    """Unread output stops its writer: nothing is lost, and nothing piles up here."""
    size = 64 * 2**20
    async with context.open() as sandbox:
        process = await sandbox.spawn(["head", "-c", str(size), "/dev/zero"])
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await process.wait()
                raise BrokenPromise("64 MiB were accepted without a reader")
        read = 0
        while chunk := await process.stdout.read(2**20):
            read += len(chunk)
        expect((read, await process.wait()), (size, 0), "bytes and exit code")


async def long_lines_can_be_read(context: CheckContext) -> None:
    """One line of several megabytes arrives whole: agents send files that way."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(
            ["sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo"]
        )
        expect(len(await process.stdout.readline()), 5_000_001, "the line")


async def data_passes_unchanged(context: CheckContext) -> None:
    """Any bytes, and many, pass in and out unchanged."""
    data = bytes(range(256)) * 20_000
    async with context.open() as sandbox:
        require(
            (await sandbox.exec(["cat"], stdin=data)).stdout == data, "5 MB through cat"
        )


async def input_may_be_left_unread(context: CheckContext) -> None:
    """A program that leaves its input unread ends as usual, and no output is lost."""
    async with context.open() as sandbox:
        result = await sandbox.exec(
            ["sh", "-c", "echo enough; exit 3"], stdin=b"x" * 3_000_000
        )
        expect((result.exit_code, result.stdout), (3, b"enough\n"), "the result")


async def children_left_behind_hold_nothing_up(context: CheckContext) -> None:
    """A command ends with its process, even if a child keeps its output open."""
    async with context.open() as sandbox:
        result = await sandbox.exec(
            ["sh", "-c", "sleep 1000 & echo done"], timeout=PATIENCE
        )
        expect((result.exit_code, result.stdout), (0, b"done\n"), "the result")


async def standard_streams_are_pipes(context: CheckContext) -> None:
    """/dev/stdout and /dev/stderr can be opened, as shell scripts do."""
    async with context.open() as sandbox:
        result = await sandbox.exec(
            ["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr"]
        )
        expect((result.stdout, result.stderr), (b"out\n", b"err\n"), "both")


async def environment_is_exact(context: CheckContext) -> None:
    """A process has the sandbox's few variables and its caller's, not the host's."""
    given = {"GIVEN": "a b'\"$c\n\u00e9\U0001f600", "TERM": "other"}
    async with context.open() as sandbox:
        result = await sandbox.exec(["env", "-0"], env=given)
        lines = result.stdout.decode().rstrip("\0").split("\0")
        found = dict(line.split("=", 1) for line in lines)
        expect({name: found.get(name) for name in given}, given, "what was given")
        expect(
            set(found) - set(given),
            {"PATH", "HOME", "LANG", "TMPDIR", "CI"},
            "the rest",
        )


async def working_directory_is_the_workspace(context: CheckContext) -> None:
    """A process starts in /workspace unless told otherwise."""
    async with context.open() as sandbox:
        expect((await sandbox.exec(["pwd"])).stdout, b"/workspace\n", "by default")
        expect((await sandbox.exec(["pwd"], cwd="/tmp")).stdout, b"/tmp\n", "as asked")


async def arguments_pass_unchanged(context: CheckContext) -> None:
    """Arguments pass unchanged: spaces, quotes, newlines, not UTF-8, and long ones."""
    odd = ["", "a b", "'\"$x", "two\nlines", "\udcff\udcfe", "x" * 100_000]
    async with context.open() as sandbox:
        result = await sandbox.exec(["printf", "%s\\0", *odd])
        expect(
            result.stdout.split(b"\0")[:-1],
            [os.fsencode(argument) for argument in odd],
            "the arguments",
        )


async def commands_run_side_by_side(context: CheckContext) -> None:
    """Many commands run at the same time, each with its own output."""
    async with context.open() as sandbox, asyncio.TaskGroup() as commands:
        many = [
            commands.create_task(
                sandbox.exec(["sh", "-c", f"sleep 0.2; echo {n}; exit {n}"])
            )
            for n in range(24)
        ]
        for number, command in enumerate(many):
            result = await command
            expect(
                (result.exit_code, result.stdout),
                (number, b"%d\n" % number),
                f"command {number}",
            )


async def everything_dies_at_the_end(context: CheckContext) -> None:
    """When the context ends, so do all processes, however they have hidden."""
    mark = f"sleep 1{secrets.randbelow(10**9):09d}"
    hide = (
        f"trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; {mark}' & "
        f"setsid {mark} & echo ready; {mark}"
    )
    async with context.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", hide])
        expect(await process.stdout.readline(), b"ready\n", "the start")
    with suppress(SandboxLost):
        await process.wait()
        raise BrokenPromise("wait() gave an exit code after the sandbox had ended")
    with suppress(SandboxLost):
        await sandbox.spawn(["true"])
        raise BrokenPromise("spawn() worked after the sandbox had ended")
    expect(await process.stdout.read(), b"", "the stream afterwards")
    expect(_running(mark), [], "processes that live on")


def _running(command: str) -> list[Path]:
    """Return the processes on this host with that command line."""
    wanted = command.replace(" ", "\0").encode()
    return [
        path
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if wanted in _content(path)
    ]


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""


async def own_exceptions_pass_bare(context: CheckContext) -> None:
    """An exception of the caller leaves the context unchanged, not in a group."""
    try:
        async with context.open():
            raise LookupError("mine")
    except LookupError as error:
        expect(str(error), "mine", "the exception")


BEHAVIOURS: tuple[Behaviour, ...] = (
    output_is_live,
    end_of_input_is_seen,
    exit_codes_are_those_of_a_shell,
    kill_ends_the_whole_group,
    a_process_that_has_just_started_can_be_killed,
    time_limit_is_kept,
    cancelling_stops_the_command,
    output_is_capped_at_both_ends,
    unread_output_waits,
    long_lines_can_be_read,
    data_passes_unchanged,
    input_may_be_left_unread,
    children_left_behind_hold_nothing_up,
    standard_streams_are_pipes,
    environment_is_exact,
    working_directory_is_the_workspace,
    arguments_pass_unchanged,
    commands_run_side_by_side,
    everything_dies_at_the_end,
    own_exceptions_pass_bare,
)
