"""Run the server: in a thread beside a test, or in a process of its own.

In a thread the server answers even when the test's event loop is busy, and an error of
the test reaches pytest unchanged, not wrapped in a task group's.
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

from aideator.testing.model.api import ModelApi, Recorded, create_app
from aideator.testing.model.scenario import Scenario, load


@dataclass
class ScriptedModel:
    """A running server."""

    url: str
    requests: Sequence[Recorded]
    """The last 1,000 requests, oldest first."""


class ModelServer(uvicorn.Server):
    """Serves on a listening socket, and drops unfinished answers when it stops.

    A stalled answer has no end to wait for.
    """

    def __init__(self, api: ModelApi, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(api), log_config=None, access_log=False, lifespan="off"
            )
        )
        self.listener = listener
        self.up = threading.Event()

    @property
    def url(self) -> str:
        """Base URL. The kernel queues clients as soon as the socket listens."""
        host, port = self.listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def run_until_stopped(self) -> None:
        """Serve until a signal (in the main thread) or `should_exit`."""
        self.run([self.listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and set `up`."""
        await super().startup(sockets)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once."""
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Listen on a TCP port; 0 takes a free one."""
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
    api = ModelApi(scenario if isinstance(scenario, Scenario) else load(scenario))
    server = ModelServer(api, listen())
    thread = threading.Thread(
        target=server.run_until_stopped, name="scripted model", daemon=True
    )
    thread.start()
    try:
        yield ScriptedModel(server.url, api.requests)
    finally:
        await asyncio.to_thread(_stop, server, thread)


def _stop(server: ModelServer, thread: threading.Thread) -> None:
    # Stopped while it starts, uvicorn would leave its sockets open.
    server.up.wait()
    server.should_exit = True
    thread.join()
