"""Promises about the workspace, the limits and the network."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aideator.domain.errors import DiskLimitExceeded
from aideator.sandbox.base import Bind, ExecResult, Limits, Sandbox, Tree
from aideator.testing.conformance.context import (
    PATIENCE,
    Behaviour,
    BrokenPromise,
    CheckContext,
    expect,
    require,
    shell,
)


async def writes_stay_in_the_upper(context: CheckContext) -> None:
    """Writes, deletions and new files are seen inside and do not change the layers."""
    tree = context.tree({"kept": "k", "changed": "c", "gone": "g"})
    assert tree.upper is not None
    async with context.open(tree) as sandbox:
        await shell(
            sandbox, "echo more >> changed; rm gone; mkdir new; echo n > new/file"
        )
        expect(
            await shell(sandbox, "ls; cat changed"),
            "changed\nkept\nnew\ncmore\n",
            "inside",
        )
    layer = tree.layers[0]
    expect(
        sorted(path.name for path in layer.iterdir()),
        ["changed", "gone", "kept"],
        "names in the layer",
    )
    expect((layer / "changed").read_text(), "c", "the changed file in the layer")
    expect((tree.upper / "new/file").read_text(), "n\n", "the new file in the upper")


async def directories_can_be_renamed(context: CheckContext) -> None:
    """A directory of a layer can be renamed by rename(2), and later readers see it."""
    tree = context.tree({"old/deep/file": "text"})
    assert tree.upper is not None
    script = (
        'python3 -c \'import os; os.rename("old", "new")\' && cat new/deep/file && ls'
    )
    async with context.open(tree) as sandbox:
        expect(await shell(sandbox, script), "textnew\n", "inside")
    async with context.open(Tree((*tree.layers, tree.upper))) as sandbox:
        expect(await shell(sandbox, "ls; cat new/deep/file"), "new\ntext", "afterwards")


async def layers_are_stacked_read_only(context: CheckContext) -> None:
    """Without an upper nothing can be written; later layers cover earlier ones."""
    one = context.directory({"a": "1", "b": "1"})
    two = context.directory({"b": "2", "c": "2"})
    for tree, shown in ((Tree((one,)), "11"), (Tree((one, two)), "122")):
        async with context.open(tree) as sandbox:
            expect(await shell(sandbox, "cat *"), shown, "the files")
            result = await sandbox.exec(["sh", "-c", "echo x > new; echo x > a; rm b"])
            require(result.exit_code != 0, "writing succeeded")
    expect(((one / "a").read_text(), (one / "new").exists()), ("1", False), "the layer")


async def the_trees_own_environment_is_seen(context: CheckContext) -> None:
    """Every process has the tree's variables, and its directories first on PATH."""
    layer = context.directory({"bin/git": "#!/bin/sh\necho of the layer\n"})
    (layer / "bin/git").chmod(0o755)
    async with context.open(
        Tree((layer,), env={"MARKER": "m"}, path=("/workspace/bin",))
    ) as sandbox:
        expect(
            await shell(
                sandbox, 'echo $MARKER; git; command -v sh > "/dev/null" && echo found'
            ),
            "m\nof the layer\nfound\n",
            "inside",
        )


async def binds_are_read_only(context: CheckContext) -> None:
    """Requested files and directories are there, and cannot be changed."""
    given = context.directory({"in": "directory", "alone": "file"})
    binds = (Bind(given, "/opt/given"), Bind(given / "alone", "/opt/alone"))
    async with context.open(binds=binds) as sandbox:
        expect(
            await shell(sandbox, "cat /opt/given/in /opt/alone"),
            "directoryfile",
            "the content",
        )
        result = await sandbox.exec(
            [
                "sh",
                "-c",
                "echo x > /opt/given/in || echo x > /opt/alone || rm /opt/given/in",
            ]
        )
        require(result.exit_code != 0, "writing succeeded")


async def it_looks_like_a_ci_job(context: CheckContext) -> None:
    """Test suites find `CI`, names of services, and what system this is."""
    async with context.open() as sandbox:
        expect(
            await shell(
                sandbox,
                'echo "$CI"; grep -c "^tcp[[:space:]]" /etc/protocols;'
                ' grep -c "^https[[:space:]].*/tcp" /etc/services;'
                " grep -c ^ID= /etc/os-release; wc -c < /etc/machine-id",
            ),
            "true\n1\n1\n1\n33\n",
            "what test suites look for",
        )


async def temporary_places_are_writable(context: CheckContext) -> None:
    """The home, /tmp and /dev/shm are writable and small; the system is read-only."""
    async with context.open(limits=Limits(tmp_bytes=2**20)) as sandbox:
        await shell(sandbox, 'echo x > /tmp/f; echo x > "$HOME/f"; echo x > /dev/shm/f')
        for place in ("/tmp", "/home/agent"):
            result = await sandbox.exec(
                ["sh", "-c", f"head -c 2000000 /dev/zero > {place}/big"]
            )
            require(result.exit_code != 0, f"2 MB in {place} succeeded")
        result = await sandbox.exec(
            [
                "sh",
                "-c",
                "echo x > /usr/f || echo x > /etc/f || echo x > /f || echo x > /run/f",
            ]
        )
        require(result.exit_code != 0, "writing to the system succeeded")


async def sandboxes_share_nothing(context: CheckContext) -> None:
    """Two sandboxes at the same time share no files, no processes and no ports."""
    serve = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); "
        "print(s.getsockname()[1], flush=True); s.accept()"
    )
    connect = (
        "import socket, sys; "
        "socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
    )
    async with context.open() as one, context.open() as two:
        server = await one.spawn(["python3", "-c", serve, "marker-of-one"])
        port = (await server.stdout.readline()).decode().strip()
        await shell(
            one,
            "touch /tmp/of-one /home/agent/of-one /workspace/of-one /dev/shm/of-one",
        )
        expect(
            await shell(
                two, "ls -A /tmp /home/agent /workspace /dev/shm | grep of-one || true"
            ),
            "",
            "files",
        )
        expect(
            await shell(
                two, "cat /proc/[0-9]*/cmdline | grep -c marker-of-[o]ne || true"
            ),
            "0\n",
            "processes",
        )
        expect(
            (await two.exec(["python3", "-c", connect, port])).exit_code,
            1,
            "the port from the other sandbox",
        )
        expect(
            (await one.exec(["python3", "-c", connect, port])).exit_code,
            0,
            "the port from its own sandbox",
        )


@asynccontextmanager
async def _echo_server(path: Path) -> AsyncIterator[None]:
    """Run a gateway that echoes each connection once its input has ended."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(await reader.read(-1))
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_unix_server(answer, path)
    try:
        yield
    finally:
        server.close()


_CALL = """
import socket, sys
host, port = sys.argv[1].removeprefix("http://").split(":")
connection = socket.create_connection((host, int(port)))
connection.sendall(sys.stdin.buffer.read())
connection.shutdown(socket.SHUT_WR)
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
"""


async def _call(sandbox: Sandbox, data: bytes, url: str | None = None) -> ExecResult:
    return await sandbox.exec(
        ["python3", "-c", _CALL, url or sandbox.gateway_url],
        stdin=data,
        timeout=PATIENCE,
    )


async def gateway_is_the_only_way_out(context: CheckContext) -> None:
    """Only the gateway is reached, at the base URL; either end may half-close first."""
    data = os.urandom(3_000_000)

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    host = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = host.sockets[0].getsockname()[1]
    async with (
        host,
        _echo_server(context.scratch / "gw"),
        context.open(gateway=context.scratch / "gw") as sandbox,
    ):
        require((await _call(sandbox, data)).stdout == data, "3 MB there and back")
        async with asyncio.TaskGroup() as calls:
            many = [
                calls.create_task(_call(sandbox, b"%d" % number)) for number in range(6)
            ]
        expect(
            [call.result().stdout for call in many],
            [b"%d" % number for number in range(6)],
            "six at once",
        )
        expect(
            (await _call(sandbox, b"", f"http://127.0.0.1:{port}")).exit_code,
            1,
            "a port of the host",
        )
        expect(
            (await _call(sandbox, b"", "http://1.1.1.1:80")).exit_code,
            1,
            "the internet",
        )


async def without_gateway_nothing_answers(context: CheckContext) -> None:
    """Without a gateway the base URL does not answer; one that is down does no harm."""
    for gateway in (None, context.scratch / "nobody-listens"):
        async with context.open(gateway=gateway) as sandbox:
            expect((await _call(sandbox, b"x")).stdout, b"", "an answer")
            expect(
                await shell(sandbox, "echo alive"), "alive\n", "the sandbox afterwards"
            )


async def disk_limit_is_kept(context: CheckContext) -> None:
    """Writing more than allowed, in many files or one, ends the sandbox and says so."""
    fill = "i=0; while :; do i=$((i + 1)); head -c 1000000 /dev/zero > file$i; done"
    async with context.open(limits=Limits(disk_bytes=8 * 2**20)) as sandbox:
        process = await sandbox.spawn(["sh", "-c", fill])
        with suppress(DiskLimitExceeded):
            await process.wait()
            raise BrokenPromise("it wrote without end, and ended by itself")


async def limits_are_reported(context: CheckContext) -> None:
    """The sandbox reports the enforcer of every limit, and what can be reached."""
    async with context.open() as sandbox:
        expect(sandbox.isolation.backend, context.backend.name, "the back end")
        expect(
            set(sandbox.isolation.limits),
            {"memory", "cpu", "pids", "disk", "output"},
            "the limits",
        )
        require(bool(sandbox.isolation.network), "the network")


BEHAVIOURS: tuple[Behaviour, ...] = (
    writes_stay_in_the_upper,
    directories_can_be_renamed,
    layers_are_stacked_read_only,
    the_trees_own_environment_is_seen,
    binds_are_read_only,
    it_looks_like_a_ci_job,
    temporary_places_are_writable,
    sandboxes_share_nothing,
    gateway_is_the_only_way_out,
    without_gateway_nothing_answers,
    disk_limit_is_kept,
    limits_are_reported,
)
