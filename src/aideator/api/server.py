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

import uvicorn
import uvloop
from fastapi import FastAPI

from aideator.api.app import create_app
from aideator.api.auth import link_path
from aideator.api.guard import is_loopback_name
from aideator.api.sessions import Sessions
from aideator.api.stream import StreamSlots
from aideator.app import Aideator, open_app
from aideator.domain.errors import Unavailable
from aideator.http_heads import BoundedHeads
from aideator.observability import configure_logging
from aideator.settings import Settings

GRACE_SECONDS = 10
"""How long requests that are not streams may take to end when the server stops."""


class Server(uvicorn.Server):
    """A uvicorn server that ends the streams first, and does not handle signals.

    `ready` is set when it answers, `ended` when it has stopped.
    """

    def __init__(self, app: FastAPI, aideator: Aideator, url: str) -> None:
        super().__init__(_config(app))
        self.url = url
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
        self._aideator.end_streams()


def serve(settings: Settings, on_ready: Callable[[str, str | None], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: Everything that can be set.
        on_ready: Called when it answers, with the server's address and, on a server
            without keys, a link that logs in the browser that opens it first.

    Raises:
        Unavailable: if the port cannot be had, no API key exists beyond loopback, or
            something that runs need is missing.
    """
    configure_logging(debug=settings.debug)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, on_ready))


async def _serve(
    settings: Settings, on_ready: Callable[[str, str | None], None]
) -> None:
    loop = asyncio.get_running_loop()
    async with open_server(settings) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.stop)
        on_ready(server.url, await server.make_link())
        await server.ended.wait()


@asynccontextmanager
async def open_server(settings: Settings) -> AsyncIterator[Server]:
    """Open everything that the settings name, and serve it until the end of the block.

    Raises:
        Unavailable: as `serve` does.
    """
    with listen(settings.aideator_host, settings.aideator_port) as listener:
        if not is_loopback_name(settings.aideator_host):
            await _need_a_key(settings)
        async with (
            open_app(settings, url=address(listener)) as app,
            serve_app(app, listener) as server,
        ):
            yield server


@asynccontextmanager
async def serve_app(
    app: Aideator, listener: socket.socket, *, slots: StreamSlots | None = None
) -> AsyncIterator[Server]:
    """Serve an opened facade on a listening socket until the end of the block."""
    server = Server(create_app(app, slots=slots), app, address(listener))
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
