"""Promises about terminals."""

from aideator.sandbox.base import Process, Size
from aideator.testing.conformance.context import (
    UNTIL_GONE,
    Behaviour,
    CheckContext,
    expect,
    require,
    shell,
)

_SIZE = Size(30, 100)


async def _until(process: Process, wanted: bytes) -> bytes:
    """Return what a terminal prints, up to `wanted`."""
    shown = b""
    while wanted not in shown:
        chunk = await process.stdout.read(65_536)
        require(
            bool(chunk), f"the terminal ended before it showed {wanted!r}: {shown!r}"
        )
        shown += chunk
    return shown


async def a_terminal_has_a_size_and_is_told_of_a_new_one(context: CheckContext) -> None:
    """All streams are one terminal of the requested size; resizing is signalled."""
    script = (
        "test -t 0 && test -t 1 && test -t 2 && stty size; "
        "trap 'stty size; exit 7' WINCH; echo ready; read wait"
    )
    async with context.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", script], terminal=_SIZE)
        require(
            (await _until(process, b"ready\r\n")).startswith(b"30 100\r\n"),
            "the first size",
        )
        process.resize(Size(40, 120))
        process.stdin.write(b"\n")
        await _until(process, b"40 120\r\n")
        expect(await process.wait(), 7, "the exit code")


async def keys_are_signals(context: CheckContext) -> None:
    """Ctrl-C interrupts the foreground job, and not its shell."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(["sh", "-i"], env={"PS1": "> "}, terminal=_SIZE)
        process.stdin.write(b"sleep 1000\n")
        running = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '[s]leep 1000'"
        await shell(sandbox, f"until {running}; do :; done")
        process.stdin.write(b"\x03")
        process.stdin.write(b"echo $? en''ded; exit 3\n")
        await _until(process, b"130 ended")
        expect(await process.wait(), 3, "the exit code")


async def killing_a_terminal_ends_its_jobs(context: CheckContext) -> None:
    """Kill ends every job of the session, though each is a group and ignores SIGHUP."""
    script = "set -m; trap '' HUP; sleep 1000 & echo $! ready; sleep 1000"
    async with context.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", script], terminal=_SIZE)
        child = (await _until(process, b" ready")).split()[0].decode()
        await process.kill()
        expect(await process.wait(), 137, "the exit code")
        await shell(sandbox, UNTIL_GONE, child)


async def a_child_with_the_terminal_open_delays_nothing(context: CheckContext) -> None:
    """A terminal ends with its process even if a child has it open; output is kept."""
    async with context.open() as sandbox:
        script = "trap '' HUP; sleep 1000 & seq 20000; echo done"
        process = await sandbox.spawn(["sh", "-c", script], terminal=_SIZE)
        shown = b""
        while chunk := await process.stdout.read(65_536):
            shown += chunk
        wanted = (
            b"".join(b"%d\r\n" % number for number in range(1, 20_001)) + b"done\r\n"
        )
        require(shown == wanted, f"{len(shown)} bytes of {len(wanted)}")
        expect(await process.wait(), 0, "the exit code")


async def unread_terminal_input_does_no_harm(context: CheckContext) -> None:
    """Input that a terminal does not read delays neither its sandbox nor its host."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(
            ["sh", "-c", "stty raw -echo; echo ready; sleep 1000"], terminal=_SIZE
        )
        await _until(process, b"ready")
        process.stdin.write(b"x" * 3_000_000)
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox meanwhile")
        await process.kill()
        expect(await process.wait(), 137, "the exit code")


BEHAVIOURS: tuple[Behaviour, ...] = (
    a_terminal_has_a_size_and_is_told_of_a_new_one,
    keys_are_signals,
    killing_a_terminal_ends_its_jobs,
    a_child_with_the_terminal_open_delays_nothing,
    unread_terminal_input_does_no_harm,
)
