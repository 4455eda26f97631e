"""Responses sent in chunks at a given pace, which may break off or stall.

Starlette's streaming response cannot break off in the middle, nor tell a client that
disconnected from one that has read everything; this server has to do both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True)
class ResponsePlan:
    """What a response sends, when, and how it ends."""

    headers: dict[str, str]
    chunks: Sequence[bytes]
    ending: Literal["whole", "cut", "stalled"] = "whole"
    wait: float = 0
    """Seconds before the first byte."""
    pace: float = 0
    """Seconds between two chunks."""


class TimedResponse(Response):
    """Sends a plan, and reports a client that disconnects before its end."""

    def __init__(self, plan: ResponsePlan, on_hang_up: Callable[[], None]) -> None:
        super().__init__()
        self.plan = plan
        self.on_hang_up = on_hang_up
        self.ended = False

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI's signature
        receive: Receive,
        send: Send,
    ) -> None:
        """Send until the end, or until the client disconnects."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, receive, tasks.cancel_scope)
            await self._send(send)
            tasks.cancel_scope.cancel()

    async def _watch(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        if not self.ended:
            self.on_hang_up()
        scope.cancel()

    async def _send(self, send: Send) -> None:
        plan = self.plan
        await anyio.sleep(plan.wait)
        if plan.ending == "stalled" and not plan.chunks:
            await anyio.sleep_forever()
        headers = [
            (name.encode(), value.encode()) for name, value in plan.headers.items()
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in plan.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if plan.pace:
                await anyio.sleep(plan.pace)
        if plan.ending == "stalled":
            await anyio.sleep_forever()
        self.ended = True
        # Returning without a last body makes uvicorn drop the connection: the cut.
        if plan.ending == "whole":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
