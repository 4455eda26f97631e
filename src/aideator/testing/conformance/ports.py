"""Promises about connections from the host to ports inside."""

import asyncio
import os
from contextlib import suppress

from aideator.domain.errors import PortNotOpen, SandboxLost
from aideator.sandbox.base import Sandbox
from aideator.testing.conformance.context import (
    Behaviour,
    BrokenPromise,
    CheckContext,
    expect,
    require,
    shell,
)

_SERVE = """
import socket, sys, threading
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], 0), family=family)
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


async def ports_inside_can_be_reached(context: CheckContext) -> None:
    """Connections to a port carry any bytes and half-closes, many at the same time."""
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

    async with context.open() as sandbox:
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


async def ports_of_either_loopback_address_are_found(context: CheckContext) -> None:
    """A server at ::1 alone is reached, too, where the sandbox has such an address."""
    listen = "import socket; socket.create_server(('::1', 0), family=10)"
    async with context.open() as sandbox:
        has_ipv6 = await sandbox.exec(["python3", "-c", listen])
        if has_ipv6.exit_code == 0:
            reader, writer = await sandbox.connect(await _server(sandbox, "::1"))
            writer.write(b"six")
            expect(await reader.readexactly(3), b"six", "the answer")


async def a_closed_port_is_reported(context: CheckContext) -> None:
    """Connecting to a closed port, or after the end, fails at once and does no harm."""
    async with context.open() as sandbox:
        for port in (1, 9, 65_535):
            with suppress(PortNotOpen):
                await sandbox.connect(port)
                raise BrokenPromise(f"port {port} accepted a connection")
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox afterwards")
    with suppress(SandboxLost):
        await sandbox.connect(80)
        raise BrokenPromise("connect() worked after the sandbox had ended")


_NEVER_CLOSES = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.recv(9)
print("more" if connection.recv(9) else "end of input", flush=True)
try:
    while True:
        connection.sendall(b"x" * 65536)
except ConnectionError:
    print("closed", flush=True)
"""


async def a_closed_connection_is_closed_inside(context: CheckContext) -> None:
    """Closing a connection ends it for a server that never closes by itself."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(["python3", "-c", _NEVER_CLOSES])
        _, writer = await sandbox.connect(int(await process.stdout.readline()))
        writer.write(b"hello")
        writer.close()
        expect(await process.stdout.readline(), b"end of input\n", "the way in")
        expect(await process.stdout.readline(), b"closed\n", "the way out")


_SIX_SILENT = """
import socket, time
servers = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in range(6)]
print(*(server.getsockname()[1] for server in servers), flush=True)
time.sleep(1000)
"""


async def connections_come_and_go(context: CheckContext) -> None:
    """Any number of connections can be opened and closed, though no server answers."""
    async with context.open() as sandbox:
        process = await sandbox.spawn(["python3", "-c", _SIX_SILENT])
        for port in map(int, (await process.stdout.readline()).split()):
            for _ in range(100):
                _, writer = await sandbox.connect(port)
                writer.close()
        expect(await shell(sandbox, "echo alive"), "alive\n", "the sandbox afterwards")
        await process.kill()
        process.stdin.close()


BEHAVIOURS: tuple[Behaviour, ...] = (
    ports_inside_can_be_reached,
    ports_of_either_loopback_address_are_found,
    a_closed_port_is_reported,
    a_closed_connection_is_closed_inside,
    connections_come_and_go,
)
