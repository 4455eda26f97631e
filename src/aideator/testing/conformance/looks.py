"""What is relied on by people who look into a sandbox: terminals, and ways to ports."""

import asyncio
import os
from contextlib import suppress

from aideator.domain.errors import NobodyListens, SandboxLost
from aideator.sandbox.base import Process, Sandbox, Size
from aideator.testing.conformance.ground import (
    Behaviour,
    BrokenPromise,
    Ground,
    expect,
    require,
    shell,
)

_SIZE = Size(30, 100)


async def _until(process: Process, wanted: bytes) -> bytes:
    """What a terminal prints, up to `wanted`."""
    shown = b""
    while wanted not in shown:
        chunk = await process.stdout.read(65_536)
        require(
            bool(chunk), f"the terminal ended before it showed {wanted!r}: {shown!r}"
        )
        shown += chunk
    return shown


async def a_terminal_has_a_size_and_is_told_of_a_new_one(ground: Ground) -> None:
    """All three streams are one terminal of the size that was asked for; a new size is seen, and signalled."""
    script = "test -t 0 && test -t 1 && test -t 2 && stty size; trap 'stty size; exit 7' WINCH; echo ready; read wait"
    async with ground.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", script], terminal=_SIZE)
        require(
            (await _until(process, b"ready\r\n")).startswith(b"30 100\r\n"),
            "the first size",
        )
        process.resize(Size(40, 120))
        process.stdin.write(b"\n")
        await _until(process, b"40 120\r\n")
        expect(await process.wait(), 7, "the exit code")


async def keys_are_signals(ground: Ground) -> None:
    """Ctrl-C interrupts what is in the foreground, and not its shell."""
    async with ground.open() as sandbox:
        process = await sandbox.spawn(["sh", "-i"], env={"PS1": "> "}, terminal=_SIZE)
        process.stdin.write(b"sleep 1000\n")
        await shell(
            sandbox,
            "until cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '[s]leep 1000'; do :; done",
        )
        process.stdin.write(b"\x03")
        process.stdin.write(b"echo $? en''ded; exit 3\n")
        await _until(process, b"130 ended")
        expect(await process.wait(), 3, "the exit code")


async def killing_a_terminal_ends_its_jobs(ground: Ground) -> None:
    """Kill takes every job of the terminal's session, though each is a group of its own and ignores that it hung up."""
    script = "set -m; trap '' HUP; sleep 1000 & echo $! ready; sleep 1000"
    async with ground.open() as sandbox:
        process = await sandbox.spawn(["sh", "-c", script], terminal=_SIZE)
        child = (await _until(process, b" ready")).split()[0].decode()
        await process.kill()
        expect(await process.wait(), 137, "the exit code")
        gone = 'for i in 1 2 3 4 5 6 7 8 9; do kill -0 "$1" 2>/dev/null || exit 0; sleep 0.1; done; exit 1'
        await shell(sandbox, gone, child)


async def who_keeps_a_terminal_open_holds_nothing_up(ground: Ground) -> None:
    """A terminal is over when its process is, even if a child keeps it open; all that was printed is there."""
    async with ground.open() as sandbox:
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


async def input_that_nobody_reads_harms_nobody(ground: Ground) -> None:
    """A terminal that is typed into without end, and does not read, holds up neither its sandbox nor its host."""
    async with ground.open() as sandbox:
        process = await sandbox.spawn(
            ["sh", "-c", "stty raw -echo; echo ready; sleep 1000"], terminal=_SIZE
        )
        await _until(process, b"ready")
        process.stdin.write(b"x" * 3_000_000)
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox meanwhile")
        await process.kill()
        expect(await process.wait(), 137, "the exit code")


_SERVE = """
import socket, sys, threading
server = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
print(server.getsockname()[1], flush=True)
def answer(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"end")
    connection.close()
while True:
    threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()
"""


async def _server(sandbox: Sandbox, address: str) -> int:
    process = await sandbox.spawn(["python3", "-c", _SERVE, address])
    process.stdin.close()
    return int(await process.stdout.readline())


async def ports_inside_can_be_reached(ground: Ground) -> None:
    """A connection to a port inside carries any bytes both ways, and the end of one way; many at once stay apart."""
    data = os.urandom(2_000_000)

    async def talk(port: int, said: bytes) -> bytes:
        reader, writer = await sandbox.connect(port)
        async with asyncio.TaskGroup() as both:
            heard = both.create_task(reader.read(-1))
            writer.write(said)
            await writer.drain()
            writer.write_eof()
        writer.close()
        return heard.result()

    async with ground.open() as sandbox:
        port = await _server(sandbox, "127.0.0.1")
        require(await talk(port, data) == data + b"end", "2 MB there and back")
        async with asyncio.TaskGroup() as calls:
            many = [
                calls.create_task(talk(port, b"%d" % number)) for number in range(12)
            ]
        expect(
            [call.result() for call in many],
            [b"%dend" % number for number in range(12)],
            "twelve at once",
        )


async def ports_of_either_loopback_address_are_found(ground: Ground) -> None:
    """Who listens at ::1 alone is reached, too, where the sandbox has such an address."""
    async with ground.open() as sandbox:
        has_it = await sandbox.exec(
            [
                "python3",
                "-c",
                "import socket; socket.create_server(('::1', 0), family=10)",
            ]
        )
        if has_it.exit_code == 0:
            reader, writer = await sandbox.connect(await _server(sandbox, "::1"))
            writer.write(b"six")
            expect(await reader.readexactly(3), b"six", "the answer")


async def a_port_at_which_nobody_listens_is_told(ground: Ground) -> None:
    """Connecting where nobody listens fails at once, and harms nobody; after the end of the sandbox it fails, too."""
    async with ground.open() as sandbox:
        for port in (1, 9, 65_535):
            with suppress(NobodyListens):
                await sandbox.connect(port)
                raise BrokenPromise(f"somebody answered at port {port}")
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox afterwards")
    with suppress(SandboxLost):
        await sandbox.connect(80)
        raise BrokenPromise("connect() worked after the sandbox had ended")


async def a_closed_connection_is_closed_inside(ground: Ground) -> None:
    """Who closes a connection ends it for the server, too, which may be silent, and never closes by itself."""
    listen = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        "c = s.accept()[0]; c.recv(9); print('end of input' if not c.recv(9) else 'more', flush=True);"
        "\ntry:\n while True: c.sendall(b'x' * 65536)\n"
        "except ConnectionError: print('closed', flush=True)"
    )
    async with ground.open() as sandbox:
        process = await sandbox.spawn(["python3", "-c", listen])
        _, writer = await sandbox.connect(int(await process.stdout.readline()))
        writer.write(b"hello")
        writer.close()
        expect(await process.stdout.readline(), b"end of input\n", "the way in")
        expect(await process.stdout.readline(), b"closed\n", "the way out")


async def connections_come_and_go(ground: Ground) -> None:
    """Any number of connections may be opened and closed again, though the server never says a word to them."""
    listen = (
        "import socket, time; held = [socket.create_server(('127.0.0.1', 0), backlog=128) for _ in range(6)];"
        "print(*(s.getsockname()[1] for s in held), flush=True); time.sleep(1000)"
    )
    async with ground.open() as sandbox:
        process = await sandbox.spawn(["python3", "-c", listen])
        for port in map(int, (await process.stdout.readline()).split()):
            for _ in range(100):
                _, writer = await sandbox.connect(port)
                writer.close()
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox afterwards")
        await process.kill()
        process.stdin.close()


BEHAVIOURS: tuple[Behaviour, ...] = (
    a_terminal_has_a_size_and_is_told_of_a_new_one,
    keys_are_signals,
    killing_a_terminal_ends_its_jobs,
    who_keeps_a_terminal_open_holds_nothing_up,
    input_that_nobody_reads_harms_nobody,
    ports_inside_can_be_reached,
    ports_of_either_loopback_address_are_found,
    a_port_at_which_nobody_listens_is_told,
    a_closed_connection_is_closed_inside,
    connections_come_and_go,
)
