"""The host's end of a sandbox's control channel: a `Sandbox` over one shim.

It serves the shim's connections over one Unix socket. All back ends share it: they only
have to start the shim. `shim.py` describes the protocol. Everything that arrives is
hostile: headers and connections are limited, unknown ids are dropped, and nothing is
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

from aideator.domain.errors import AideatorError, PortNotOpen, SandboxLost
from aideator.domain.isolation import Isolation
from aideator.sandbox.base import ExecResult, Size
from aideator.sandbox.process import LinkedProcess
from aideator.sandbox.streams import BUFFER, BoundedOutput, Input, Stream, feed, forward

HEADER_LIMIT = 256
"""Longest first line of a connection, in bytes. It also bounds how deep its JSON nests:
Python's parser fails at some depth."""
CONNECTION_LIMIT = 128
"""Connections that one sandbox may have open: three for each process, one for each
request to the gateway."""
ANSWER_SECONDS = 30.0
"""Time that the shim may take to start a process."""
KILL_SECONDS = 5.0
"""Time that a killed process may take to end."""
CONNECT_SECONDS = 10.0
"""Time that a port inside may take to accept: the server's backlog may be full."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Header(asyncio.Protocol):
    """A new connection, until its first line has said what it carries."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._link.admit(self._transport)

    def connection_lost(self, _: Exception | None) -> None:
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
        """Configure the link; it does not listen yet.

        Args:
            path: Socket to listen on, in a directory that only the sandbox's uid may
                enter.
            isolation: How the sandbox is isolated.
            env: Environment of every process.
            output_bytes: Bytes of each output that `exec` keeps.
            gateway: Unix socket of the gateway, or None to refuse connections to it.
            post_mortem: Returns the reason when the shim has ended by itself.
        """
        self.isolation, self.gateway_url = isolation, ""
        self._path, self._output_bytes = path, output_bytes
        self.env = dict(env)
        """Environment of every process."""
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
        # Its directory restricts access: the shim's uid may differ from ours.
        self._path.chmod(0o666)
        # Now, not when serving starts: on a busy machine the shim may connect earlier.
        # Serving starts in a task below, because a cancellation while asyncio starts it
        # would leave the socket open.
        listener.listen(CONNECTION_LIMIT)
        self._server = await loop.create_unix_server(
            lambda: _Header(self), sock=listener, start_serving=False
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
        # The caller's exception must not be wrapped in a group: the group gets none but
        # a cancellation.
        cancelled = kind is asyncio.CancelledError
        own = (kind, error, trace) if cancelled else (None, None, None)
        await self._tasks.__aexit__(*own)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task until it ends or the link closes."""
        task = self._tasks.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def ready(self) -> None:
        """Wait until the shim has connected.

        Raises:
            SandboxLost: if the link has failed instead.
        """
        await self._ready.wait()
        if self._loss is not None:
            raise self._loss

    def fail(self, reason: AideatorError) -> None:
        """End the sandbox. Every waiter gets the reason; the first reason is kept."""
        self._loss = self._loss or reason
        self._ready.set()
        for transport in self._transports:
            transport.abort()
        self.abandon()

    def abandon(self) -> None:
        """Give up every running process, because the sandbox closes.

        Processes may still be started afterwards, for the closing itself.
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
        """Return the error for a process that will not end any more."""
        return SandboxLost(message) if message else self._loss or SandboxLost()

    def send(self, **request: object) -> None:
        """Send the shim a request, unless the control channel is closed."""
        if self._control is None or self._loss is not None:
            return
        if not self._control.is_closing():
            self._control.write(json.dumps(request).encode() + b"\n")

    def admit(self, transport: asyncio.Transport) -> None:
        """Register a new connection, or drop it if there are too many."""
        if len(self._transports) >= CONNECTION_LIMIT or self._loss is not None:
            transport.abort()
        self._transports.add(transport)

    def forget(self, transport: asyncio.Transport) -> None:
        """Unregister a closed connection."""
        self._transports.discard(transport)

    def route(self, transport: asyncio.Transport, header: bytes, rest: bytes) -> None:
        """Attach a connection to what its first line names, or drop it."""
        fields = None
        with suppress(ValueError):
            fields = json.loads(header)
        match fields:
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
                writer = self._input(transport, reader, identity, whole=True)
                self._connecting.pop(identity).set_result((reader, writer))
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
        self._forget_ended(process)

    def _forget_ended(self, process: LinkedProcess) -> None:
        """Stop feeding a process that has ended; remove it if it has its streams."""
        if process.ended.is_set():
            process.stop_feeding()
            if process.started.is_set():
                del self._processes[process.identity]

    def _reader(
        self,
        transport: asyncio.Transport,
        received: bytes,
        limit: int = BUFFER,
        *,
        two_way: bool = False,
    ) -> asyncio.StreamReader:
        """Turn a connection into a stream, with what came after its first line."""
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
        """Return the writer of a connection; if `whole`, closing it ends both ways."""

        def send_end(sent: int, *, closed: bool) -> None:
            more = {"whole": True} if whole and closed else {}
            self.send(id=identity, eof=sent, **more)

        return Input(transport, reader, send_end)

    def _is_wanted(self, identity: str) -> bool:
        return identity in self._connecting and not self._connecting[identity].done()

    def _refuse(self, identity: str, error: AideatorError) -> None:
        if self._is_wanted(identity):
            self._connecting.pop(identity).set_exception(error)

    async def _listen(self, control: asyncio.StreamReader) -> None:
        """Read the shim's answers until it ends; then the sandbox has ended."""
        with suppress(ConnectionError, ValueError):
            async for line in control:
                self._take_answer(*_parse_answer(line))
        self.fail(await self._post_mortem())

    def _take_answer(self, identity: str, code: int | None, error: str | None) -> None:
        self._refuse(identity, PortNotOpen(error or ""))
        process = self._processes.get(identity)
        if process is None:  # given up meanwhile, or a connection's id
            return
        process.code, process.error = code, error
        process.ended.set()
        if error is not None:
            process.started.set()
        self._forget_ended(process)

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        terminal: Size | None = None,
    ) -> LinkedProcess:
        """Start a process, see `Sandbox.spawn`."""
        if self._loss is not None:
            raise self._loss
        process = LinkedProcess(
            secrets.token_hex(16), self.send, self.loss, terminal=terminal is not None
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
        """Connect to a port inside, see `Sandbox.connect`."""
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
            raise PortNotOpen(
                f"port {port} did not answer within {CONNECT_SECONDS:.0f} s"
            ) from None
        finally:
            self._connecting.pop(identity, None)
            if connection is None:
                _close_late(waiting)

    async def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        stdin: bytes = b"",
        timeout: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ExecResult:
        """Run a command to its end, see `Sandbox.exec`."""
        process = await self.spawn(argv, env=env, cwd=cwd)
        stdout = BoundedOutput(self._output_bytes, on_output)
        stderr = BoundedOutput(self._output_bytes)
        try:
            async with asyncio.TaskGroup() as streams:
                streams.create_task(feed(process.stdin, stdin))
                streams.create_task(stdout.read(process.stdout))
                streams.create_task(stderr.read(process.stderr))
                timed_out = await self._kill_at_limit(process, timeout)
        finally:
            await process.kill()
        code = await process.wait()
        return ExecResult(
            exit_code=None if timed_out else code,
            stdout=stdout.value(),
            stderr=stderr.value(),
            truncated=stdout.dropped + stderr.dropped > 0,
        )

    async def _kill_at_limit(
        self, process: LinkedProcess, timeout: float | None
    ) -> bool:
        """Wait for the process to end; return whether it was killed at its limit."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await process.ended.wait()
            return False
        await process.kill()
        try:
            async with asyncio.timeout(KILL_SECONDS):
                await process.ended.wait()
        except TimeoutError:
            # A process inside can stop the shim, but must not stop this side.
            self.fail(SandboxLost("the sandbox does not answer any more"))
        return True


def _parse_answer(line: bytes) -> tuple[str, int | None, str | None]:
    """Return id, exit code and error; raise ValueError for what is no answer."""
    with suppress(RecursionError):
        match json.loads(line):
            case {"id": str(identity), "code": int(code)}:
                return identity, code, None
            case {"id": str(identity), "error": str(error)}:
                return identity, None, error
    raise ValueError("this is no answer of the shim")


def _close_late(waiting: asyncio.Future[Connection]) -> None:
    """Close a connection that arrived in the moment in which its caller gave up."""
    if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
        _, writer = waiting.result()
        writer.close()
