"""`aideator serve`: uvicorn in this process, from an open port to an orderly end.

The port is taken before anything else is opened, so that a second server fails at once
and the state directory can say where this one serves. On SIGINT or SIGTERM the streams
end first: uvicorn would wait for them for ever
(https://github.com/encode/uvicorn/pull/2829). uvicorn's own signal handling is
replaced, because it raises the signal once more when it is done, and that would kill
the process before running runs were handed back.
"""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvicorn
import uvloop
from fastapi import FastAPI

from aideator.api.app import create_app
from aideator.api.auth import link_path
from aideator.api.guard import is_loopback_name
from aideator.api.lifetime import Lifetime
from aideator.api.sessions import Sessions
from aideator.api.stream import StreamSlots
from aideator.app import Aideator, open_app
from aideator.domain.errors import Unavailable
from aideator.http_heads import BoundedHeads
from aideator.observability import configure_logging
from aideator.settings import Settings, setting_values
from aideator.store.home import runtime_dir

GRACE_SECONDS = 10
"""How long requests that are not streams may take to end when the server stops."""


class Server(uvicorn.Server):
    """A uvicorn server that ends the streams first, and does not handle signals.

    `ready` is set when it answers, `ended` when it has stopped.
    """

    def __init__(
        self,
        app: FastAPI,
        aideator: Aideator,
        url: str,
        unix: socket.socket | None = None,
    ) -> None:
        super().__init__(_config(app))
        self.url = url
        self.lifetime = Lifetime(aideator, app.state.activity, url, self.stop)
        app.state.lifetime = self.lifetime
        self._unix = unix
        self._sessions: Sessions = app.state.sessions
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()
        self._aideator = aideator

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: signals are handled by `serve`."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self._unix is not None:
            # uvicorn hands every socket to `create_server`, which is for TCP in uvloop.
            loop = asyncio.get_running_loop()
            protocol = partial(
                BoundedHeads,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )
            self.servers.append(
                await loop.create_unix_server(protocol, sock=self._unix)
            )
        self.ready.set()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer requests until `stop`."""
        try:
            await super().serve(sockets)
        finally:
            self.ended.set()

    async def make_link(self) -> str | None:
        """Return a link that logs in the browser that opens it first.

        Returns:
            None where API keys exist: there, people log in with theirs.
        """
        if await self._aideator.is_active_key():
            return None
        return f"{self.url}{link_path(self._sessions.make_link())}"

    def stop(self) -> None:
        """Accept no more connections, end the streams, let other requests finish.

        Called a second time, it stops at once.
        """
        self.force_exit = self.should_exit
        self.should_exit = True
        self.lifetime.ending.set()
        self._aideator.end_streams()


@dataclass(frozen=True)
class StartedByCommand:
    """How a command started this server, to go on without a terminal."""

    lifeline: int | None
    """Read end of a pipe that breaks when the command ends; None to outlive it."""


def serve(
    settings: Settings,
    on_ready: Callable[[str, str | None], None],
    started: StartedByCommand | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until nobody needs a started server.

    Args:
        settings: Everything that can be set.
        on_ready: Called when it answers, with the server's address and, on a server
            without keys, a link that logs in the browser that opens it first.
        started: How a command started it; None for a service, which takes up the runs
            that were interrupted.

    Raises:
        Unavailable: if the port cannot be had, no API key exists beyond loopback, or
            something that runs need is missing.
    """
    configure_logging(debug=settings.debug)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, on_ready, started))


async def _serve(
    settings: Settings,
    on_ready: Callable[[str, str | None], None],
    started: StartedByCommand | None,
) -> None:
    loop = asyncio.get_running_loop()
    async with open_server(settings, by_command=started is not None) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        server.lifetime.values = setting_values()
        if started is not None:
            server.lifetime.idle_timeout = settings.server_idle_timeout
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(
                server.lifetime.watch(started.lifeline if started else None)
            )
            on_ready(server.url, await server.make_link())
            await server.ended.wait()
            watch.cancel()


@asynccontextmanager
async def open_server(
    settings: Settings, *, by_command: bool = False
) -> AsyncIterator[Server]:
    """Open everything that the settings name, and serve it until the end of the block.

    Args:
        settings: Everything that can be set.
        by_command: Whether a command started it: it does not take up runs that were
            interrupted, and takes another port of loopback where its own is taken.

    Raises:
        Unavailable: as `serve` does.
    """
    socket_path = runtime_dir(settings.aideator_home) / "api.sock"
    if by_command:
        settings = settings.model_copy(update={"aideator_host": "127.0.0.1"})
    with _listen(settings, any_port=by_command) as listener:
        if not is_loopback_name(settings.aideator_host):
            await _need_a_key(settings)
        opened = open_app(
            settings,
            resume=not by_command,
            url=address(listener),
            socket=str(socket_path),
        )
        # The socket comes second: its path belongs to who holds the state directory.
        async with opened as app:
            with listen_unix(socket_path) as unix:
                async with serve_app(app, listener, unix=unix) as server:
                    yield server


@asynccontextmanager
async def serve_app(
    app: Aideator,
    listener: socket.socket,
    *,
    unix: socket.socket | None = None,
    slots: StreamSlots | None = None,
) -> AsyncIterator[Server]:
    """Serve an opened facade on listening sockets until the end of the block."""
    server = Server(create_app(app, slots=slots), app, address(listener), unix)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve([listener]))
        await server.ready.wait()
        try:
            yield server
        finally:
            server.stop()


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # what a proxy says about the client must not make it local
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


async def _need_a_key(settings: Settings) -> None:
    async with open_app(settings, work=False) as app:
        if not await app.is_active_key():
            raise Unavailable(
                f"no API key exists, and others can reach {settings.aideator_host}",
                hint="create one with `aideator key create NAME`, "
                "or serve on 127.0.0.1",
            )


def address(listener: socket.socket) -> str:
    """Return the URL under which this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _listen(settings: Settings, *, any_port: bool) -> Iterator[socket.socket]:
    host = settings.aideator_host
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(listen(host, settings.aideator_port))
        except Unavailable:
            if not any_port:
                raise
            listener = stack.enter_context(listen(host, 0))
        yield listener


@contextlib.contextmanager
def listen_unix(path: Path) -> Iterator[socket.socket]:
    """Listen on a Unix socket that only this user may open, until the block ends.

    A socket that an earlier process has left there is replaced.
    """
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        # The mode of the file is the umask's until `chmod`: nobody can connect before
        # `listen`.
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(128)
        yield listener
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on a port until the end of the block; 0 takes a free one.

    Raises:
        Unavailable: if the port is taken or not allowed.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # Connections inherit it: asyncio sets it only where the socket names its
        # protocol. Without it, the body of an answer waits 40 ms for the client to
        # acknowledge the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = "stop what listens there, or set AIDEATOR_PORT; 0 takes a free port"
            raise Unavailable(f"port {port} of {host} is taken", hint=hint) from error
        hint = "set AIDEATOR_HOST and AIDEATOR_PORT to an address that you may use"
        raise Unavailable(
            f"cannot listen on {host}, port {port}: {error.strerror}", hint=hint
        ) from error
    with listener:
        yield listener
