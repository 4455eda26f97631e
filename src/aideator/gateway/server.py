"""uvicorn on a Unix socket inside a loop that is already running.

`Server.serve` would take over the process's signals and poll ten times a second;
`startup` and `shutdown`, called here, do neither.
"""

import contextlib
import logging
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from aideator.http_heads import BoundedHeads

_log = logging.getLogger(__name__)
# uvicorn reports cut answers and malformed requests as errors. Here both are caused by
# the agent or the provider, and an agent could flood the log with them. A record with a
# traceback is a bug of ours and stays.
_log.addFilter(lambda record: record.exc_info is not None)


class _Protocol(BoundedHeads):
    """Bounded heads, and a log without what callers cause."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _log


@asynccontextmanager
async def serve(app: Any, path: Path, *, connections: int) -> AsyncIterator[None]:
    """Serve an ASGI application on a Unix socket until the context ends.

    Only this user can open the socket.

    Args:
        app: The application.
        path: Path of the socket. A socket that a dead process left there is replaced.
        connections: Connections that may be open at once; further ones are answered
            with 503.

    Raises:
        OSError: if the path is taken by something else, or too long for a socket (107
            bytes).
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=connections,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with _listen(path) as listener:
        await server.startup(sockets=[listener])
        try:
            yield
        finally:
            await server.shutdown(sockets=[listener])


@contextlib.contextmanager
def _listen(path: Path) -> Iterator[socket.socket]:
    if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        try:
            # No connection is accepted before listen(), so at no time another user can
            # connect.
            path.chmod(0o600)
            listener.listen(1024)
            yield listener
        finally:
            path.unlink(missing_ok=True)
