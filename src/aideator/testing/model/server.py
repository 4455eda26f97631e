"""Running the server: beside a test in a thread of its own, or as the only thing in a process.

A thread, because the server then answers whatever the test's own event loop is busy
with, and because an error of the test reaches pytest as it is, not wrapped in a task
group's.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from aideator.testing.model.scenario import Scenario, load
from aideator.testing.model.stage import Recorded, Stage, create_app


@dataclass
class ScriptedModel:
    """A running server."""

    url: str
    requests: Sequence[Recorded]
    """The last 1,000 requests, oldest first."""


class Server(uvicorn.Server):
    """Serves a stage on a listening socket, and drops what is still playing when it stops.

    A stalled answer has no end to wait for.
    """

    def __init__(self, stage: Stage, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(stage), log_config=None, access_log=False, lifespan="off"
            )
        )
        self.listener = listener
        self.up = threading.Event()

    @property
    def url(self) -> str:
        """Where clients reach it; the kernel queues them from the moment that the socket listens."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run_until_stopped(self) -> None:
        """Serve until a signal (in the main thread) or `should_exit`."""
        self.run([self.listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once."""
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one."""
    listener = socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    )
    listener.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # see `api/server.py`
    return listener


@asynccontextmanager
async def scripted_model(
    scenario: Scenario | str | Path | dict[str, Any],
) -> AsyncIterator[ScriptedModel]:
    """Serve a scenario on a free loopback port.

    Args:
        scenario: the name of a shipped scenario, a YAML file, or its content.

    Yields:
        The server's URL and the requests that it has received.

    Raises:
        ScenarioError: if the scenario cannot be read.
    """
    stage = Stage(scenario if isinstance(scenario, Scenario) else load(scenario))
    server = Server(stage, listen())
    thread = threading.Thread(
        target=server.run_until_stopped, name="scripted model", daemon=True
    )
    thread.start()
    try:
        yield ScriptedModel(server.url, stage.requests)
    finally:
        await asyncio.to_thread(_stop, server, thread)


def _stop(server: Server, thread: threading.Thread) -> None:
    # Told to stop while it starts, uvicorn would leave its sockets open.
    server.up.wait()
    server.should_exit = True
    thread.join()
