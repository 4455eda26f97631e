"""An answer that is played: piece by piece, at a pace, and if the scenario says so never to its end.

Starlette's own streaming response cannot break off in the middle, nor tell the client
that left from the one that has read everything; both are what this server is for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class Performance:
    """What is sent, when, and how it ends."""

    headers: dict[str, str]
    chunks: Sequence[bytes]
    ending: Literal["whole", "cut", "stalled"] = "whole"
    wait: float = 0
    """Seconds before the first byte."""
    pace: float = 0
    """Seconds between two chunks."""


class Playback(Response):
    """Sends a performance, and reports a client that left before its end."""

    def __init__(
        self, performance: Performance, on_hang_up: Callable[[], None]
    ) -> None:
        super().__init__()
        self.performance = performance
        self.on_hang_up = on_hang_up
        self.ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI)
        """Play until the end, or until the client leaves."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            await self._play(send)
            tasks.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        if not self.ended:
            self.on_hang_up()
        scope.cancel()

    async def _play(self, send: Send) -> None:
        show = self.performance
        await anyio.sleep(show.wait)
        if show.ending == "stalled" and not show.chunks:
            await anyio.sleep_forever()
        headers = [
            (name.encode(), value.encode()) for name, value in show.headers.items()
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in show.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if show.pace:
                await anyio.sleep(show.pace)
        if show.ending == "stalled":
            await anyio.sleep_forever()
        self.ended = True
        # To return without a last body makes uvicorn drop the connection: that is the
        # cut.
        if show.ending == "whole":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
