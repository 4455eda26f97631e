"""The host's end of the umbilical: serves one sandbox's shim over one Unix socket, and is the `Sandbox` of its callers.

Every back end shares this; it only has to start the shim. The protocol is described in
`shim.py`. All that comes in is
hostile: headers and connections are capped, an unknown id is dropped, and nothing is
    read faster than it is consumed.
"""

import asyncio
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from aideator.domain.errors import AideatorError, NobodyListens, SandboxLost
from aideator.domain.run import Isolation
from aideator.sandbox.base import ExecResult, Size
from aideator.sandbox.streams import BUFFER, Input, Kept, Stream, feed, forward

LINE_LIMIT = 8 * 2**20
"""The longest line that can be read from a process's standard output, in bytes: agents
send whole files in one."""
HEADER_LIMIT = 256
"""The longest first line, in bytes. It bounds how deep its JSON nests, too: Python
would give up at some depth."""
CONNECTION_LIMIT = 128
"""Connections that one sandbox may hold open: three for each process, one for each
request to the gateway."""
ANSWER_SECONDS = 30.0
"""How long the shim may take to start a process."""
KILL_SECONDS = 5.0
"""How long a process may take to go once it was killed."""
CONNECT_SECONDS = 10.0
"""How long a port inside may take to answer: whoever listens there may have too many
callers to take one more."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Greeting(asyncio.Protocol):
    """A new connection until its first line has said what it carries."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports do not inherit from asyncio's
        self._link.admit(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._link.forget(self._transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        header, newline, rest = self._received.partition(b"\n")
        if len(header) > HEADER_LIMIT:
            self._transport.abort()
        elif newline:
            self._link.route(self._transport, header, rest)


async def _unexplained() -> AideatorError:
    return SandboxLost()


class LinkedProcess:
    """A process inside, as the link knows it."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, link: "Link", identity: str, *, terminal: bool) -> None:
        self._link, self.identity = link, identity
        self.missing, self.line_limit = {"stdin", "stdout", "stderr"}, LINE_LIMIT
        if (
            terminal
        ):  # nobody reads lines from it, and all that is printed comes one way
            self.missing, self.line_limit = {"stdin", "stdout"}, BUFFER
            self.stderr = asyncio.StreamReader()
            self.stderr.feed_eof()
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        self.code: int | None = None
        self.error: str | None = None

    async def wait(self) -> int:
        """Wait for the end, as the port says."""
        await self.ended.wait()
        if self.code is None:
            raise self._link.loss(self.error)
        return self.code

    async def kill(self) -> None:
        """End the process group."""
        if not self.ended.is_set():
            self._link.send(id=self.identity)

    def resize(self, size: Size) -> None:
        """Give its terminal another size."""
        self._link.send(id=self.identity, rows=size.rows, cols=size.cols)


class Link:
    """One sandbox, seen from the host. Enter it, start the shim, then await `ready`."""

    def __init__(
        self,
        path: Path,
        *,
        isolation: Isolation,
        env: Mapping[str, str],
        output_bytes: int,
        gateway: Path | None = None,
        post_mortem: Callable[[], Awaitable[AideatorError]] = _unexplained,
    ) -> None:
        """Describe the link; nothing listens yet.

        Args:
            path: Where to listen, in a directory that only the sandbox's uid may enter.
            isolation: What holds the processes in.
            env: The environment of every process.
            output_bytes: How much of each output `exec` keeps.
            gateway: The gateway's Unix socket, or None to refuse every connection to
                it.
            post_mortem: Says why the shim has gone, when it has gone by itself.
        """
        self.isolation, self.gateway_url = isolation, ""
        self._path, self._output_bytes = path, output_bytes
        self.env = dict(env)
        """The environment of every process."""
        self._gateway, self._post_mortem = gateway, post_mortem
        self._tasks = asyncio.TaskGroup()
        self._transports = set[asyncio.Transport]()
        self._processes = dict[str, LinkedProcess]()
        self._connecting = dict[str, asyncio.Future[Connection]]()
        self._control: asyncio.Transport | None = None
        self._ready = asyncio.Event()
        self._loss: AideatorError | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._path))
        # Its directory says who may come; the uid of the shim may be another than ours.
        self._path.chmod(0o666)
        # Now and not when serving starts: on a busy machine the shim may dial before
        # this process gets to that. Serving starts in a task below: to be cancelled
        # while asyncio starts it would leave the socket open.
        listener.listen(CONNECTION_LIMIT)
        self._server = await loop.create_unix_server(
            lambda: _Greeting(self), sock=listener, start_serving=False
        )
        await self._tasks.__aenter__()
        self._background = set[asyncio.Task[None]]()
        self.run(self._server.serve_forever())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.fail(SandboxLost("the sandbox was closed"))
        for task in self._background:
            task.cancel()
        # The caller's own exception is not ours to wrap in a group: only the
        # cancellation is passed on.
        own = (
            (kind, error, trace)
            if kind is asyncio.CancelledError
            else (None, None, None)
        )
        await self._tasks.__aexit__(*own)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as the link lives."""
        task = self._tasks.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def ready(self) -> None:
        """Wait until the shim has dialled home.

        Raises:
            SandboxLost: if the link was told that it never will.
        """
        await self._ready.wait()
        if self._loss is not None:
            raise self._loss

    def fail(self, reason: AideatorError) -> None:
        """End the sandbox: whoever waits for a process gets the reason.

        The first reason stands.
        """
        self._loss = self._loss or reason
        self._ready.set()
        for transport in self._transports:
            transport.abort()
        self.abandon()

    def abandon(self) -> None:
        """Give up every process that runs: the sandbox closes.

        What is started after this serves the closing.
        """
        for process in self._processes.values():
            process.started.set()
            process.ended.set()
        self._processes.clear()
        for identity in [*self._connecting]:
            self._refuse(identity, self.loss())

    @property
    def is_lost(self) -> bool:
        """Whether the sandbox has ended."""
        return self._loss is not None

    def loss(self, message: str | None = None) -> AideatorError:
        """Why there is nothing to wait for any more."""
        return SandboxLost(message) if message else self._loss or SandboxLost()

    def send(self, **request: object) -> None:
        """Ask the shim for something."""
        if (
            self._control is not None
            and self._loss is None
            and not self._control.is_closing()
        ):
            self._control.write(json.dumps(request).encode() + b"\n")

    def admit(self, transport: asyncio.Transport) -> None:
        """Count a new connection; one too many is dropped."""
        if len(self._transports) >= CONNECTION_LIMIT or self._loss is not None:
            transport.abort()
        self._transports.add(transport)

    def forget(self, transport: asyncio.Transport) -> None:
        """A connection is gone."""
        self._transports.discard(transport)

    def route(self, transport: asyncio.Transport, header: bytes, rest: bytes) -> None:
        """Hand a connection to what its first line names, or drop it."""
        named = None
        with suppress(ValueError):
            named = json.loads(header)
        match named:
            case {"stream": "control", "port": int(port)} if self._control is None:
                reader = self._reader(transport, rest)
                self._control = transport
                self.gateway_url = f"http://127.0.0.1:{port}"
                self.run(self._listen(reader))
                self._ready.set()
            case {"stream": "gateway", "id": str(identity)}:
                reader = self._reader(transport, rest, two_way=True)
                writer = self._input(transport, reader, identity)
                self.run(forward(reader, writer, self._gateway))
            case {"stream": "port", "id": str(identity)} if self._is_wanted(identity):
                reader = self._reader(transport, rest, two_way=True)
                connection = (
                    reader,
                    self._input(transport, reader, identity, whole=True),
                )
                self._connecting.pop(identity).set_result(connection)
            case {"stream": str(stream), "id": str(identity)} if (
                identity in self._processes
            ):
                self._attach(self._processes[identity], stream, transport, rest)
            case _:
                transport.abort()

    def _attach(
        self,
        process: LinkedProcess,
        stream: str,
        transport: asyncio.Transport,
        rest: bytes,
    ) -> None:
        if stream not in process.missing:
            transport.abort()
            return
        process.missing.discard(stream)
        reader = self._reader(
            transport, rest, process.line_limit if stream == "stdout" else BUFFER
        )
        match stream:
            case "stdin":
                process.stdin = self._input(transport, reader, process.identity)
            case "stdout":
                process.stdout = reader
            case _:
                process.stderr = reader
        if not process.missing:
            process.started.set()
        self._settle(process)

    def _settle(self, process: LinkedProcess) -> None:
        """Forget a process that has ended; its last stream may arrive after the news of its end."""
        if process.ended.is_set() and process.started.is_set():
            del self._processes[process.identity]

    def _reader(
        self,
        transport: asyncio.Transport,
        received: bytes,
        limit: int = BUFFER,
        *,
        two_way: bool = False,
    ) -> asyncio.StreamReader:
        """Turn a connection into a stream that already holds what came after its first line."""
        reader = asyncio.StreamReader(limit=limit, loop=asyncio.get_running_loop())
        stream = Stream(reader, lambda: self.forget(transport), two_way=two_way)
        transport.set_protocol(stream)
        stream.connection_made(transport)
        if received:
            reader.feed_data(received)
        return reader

    def _input(
        self,
        transport: asyncio.Transport,
        reader: asyncio.StreamReader,
        identity: str,
        *,
        whole: bool = False,
    ) -> asyncio.StreamWriter:
        """The other direction of the same connection.

        Losing it closes both; so does closing, where it is the whole.
        """

        def tell(sent: int, *, closed: bool) -> None:
            self.send(
                id=identity, eof=sent, **({"whole": True} if whole and closed else {})
            )

        return Input(transport, reader, tell)

    def _is_wanted(self, identity: str) -> bool:
        return identity in self._connecting and not self._connecting[identity].done()

    def _refuse(self, identity: str, error: AideatorError) -> None:
        if self._is_wanted(identity):
            self._connecting.pop(identity).set_exception(error)

    async def _listen(self, control: asyncio.StreamReader) -> None:
        """Heed what the shim says, until it says no more: then the sandbox is over."""
        with suppress(ConnectionError, ValueError):
            async for line in control:
                answer = json.loads(line)
                self._refuse(answer["id"], NobodyListens(answer.get("error", "")))
                process = self._processes.get(answer["id"])
                if process is None:  # given up meanwhile, or no process
                    continue
                process.code, process.error = answer.get("code"), answer.get("error")
                process.ended.set()
                if process.error is not None:
                    process.started.set()
                self._settle(process)
        self.fail(await self._post_mortem())

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        terminal: Size | None = None,
    ) -> LinkedProcess:
        """Start a process, as the port says."""
        if self._loss is not None:
            raise self._loss
        process = LinkedProcess(
            self, secrets.token_hex(16), terminal=terminal is not None
        )
        self._processes[process.identity] = process
        size = terminal._asdict() if terminal else {}
        self.send(
            id=process.identity,
            argv=list(argv),
            env={**self.env, **(env or {})},
            cwd=cwd,
            **size,
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await process.started.wait()
        except TimeoutError:
            self.fail(
                SandboxLost(
                    f"the sandbox did not start a process within {ANSWER_SECONDS:.0f} s"
                )
            )
        finally:
            if not process.started.is_set():
                await process.kill()
        if process.missing or process.error is not None:
            raise self.loss(process.error)
        return process

    async def connect(self, port: int) -> Connection:
        """Connect to a port inside, as the port of this package says."""
        if self._loss is not None:
            raise self._loss
        identity = secrets.token_hex(16)
        waiting: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._connecting[identity] = waiting
        self.send(id=identity, connect=port)
        connection: Connection | None = None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await waiting
            return connection
        except TimeoutError:
            raise NobodyListens(
                f"port {port} did not answer within {CONNECT_SECONDS:.0f} s"
            ) from None
        finally:
            self._connecting.pop(identity, None)
            if (
                connection is None
                and not waiting.cancelled()
                and waiting.done()
                and waiting.exception() is None
            ):
                waiting.result()[
                    1
                ].close()  # it came in the moment in which nobody wanted it any more

    async def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        stdin: bytes = b"",
        timeout: float | None = None,
    ) -> ExecResult:
        """Run a command to its end, as the port says."""
        process = await self.spawn(argv, env=env, cwd=cwd)
        stdout, stderr = Kept(self._output_bytes), Kept(self._output_bytes)
        try:
            async with asyncio.TaskGroup() as streams:
                streams.create_task(feed(process.stdin, stdin))
                streams.create_task(stdout.drain(process.stdout))
                streams.create_task(stderr.drain(process.stderr))
                timed_out = await self._outlasts(process, timeout)
        finally:
            await process.kill()
        code = await process.wait()
        return ExecResult(
            exit_code=None if timed_out else code,
            stdout=stdout.value(),
            stderr=stderr.value(),
            truncated=stdout.dropped + stderr.dropped > 0,
        )

    async def _outlasts(self, process: LinkedProcess, timeout: float | None) -> bool:
        """Whether the process had to be killed at its time limit.

        Returns when it has ended.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await process.ended.wait()
            return False
        await process.kill()
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await process.ended.wait()
        except TimeoutError:  # processes inside can stop the shim, never this side
            self.fail(SandboxLost("the sandbox does not answer any more"))
        return True
