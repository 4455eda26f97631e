"""A gateway, its provider and its callers in one event loop, without sockets.

A test decides when each piece of an answer is sent. Nothing waits for a clock, so what
can happen next is known exactly: `settle` runs everything that can run.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from aideator.gateway.app import CallLimits, Gateway
from aideator.gateway.lease import Lease
from aideator.gateway.upstream import Upstream
from tests.gateway.provider import MODEL

CALL = "x-client-request-id"


@dataclass
class Sent:
    """One answer of the provider, as far as it has been sent."""

    status: int = 200
    kind: str = "application/json"
    pieces: asyncio.Queue[bytes | Exception | None] = field(
        default_factory=asyncio.Queue
    )
    started: asyncio.Event = field(default_factory=asyncio.Event)


class _Pieces(httpx2.AsyncByteStream):
    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            match await self._sent.pieces.get():
                case None:
                    return
                case bytes(piece):
                    yield piece
                case Exception() as error:
                    raise error


class Provider(httpx2.AsyncBaseTransport):
    """Answers calls as the test says; knows them by their header `CALL`."""

    def __init__(self) -> None:
        self.calls: dict[str, Sent] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = self.calls[request.headers[CALL]] = Sent()
        await sent.started.wait()
        return httpx2.Response(
            sent.status, headers={"content-type": sent.kind}, stream=_Pieces(sent)
        )


@dataclass
class Caller:
    """One call of an agent."""

    name: str
    task: asyncio.Task[None]
    hang_up: asyncio.Event
    body_tokens: int
    """The input of its request, as the gateway estimates it by length."""
    status: int = 0
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """Whether the answer came to its end, and did not just stop."""


def open_gateway(provider: Provider) -> Gateway:
    client = httpx2.AsyncClient(transport=provider)
    upstream = Upstream(client, "http://provider", None)
    return Gateway(Path("unused"), upstream, CallLimits(calls_per_minute=10**9))


def scope_of(lease: Lease, name: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "raw_path": b"/v1/messages",
        "query_string": b"",
        "headers": [
            (b"x-api-key", lease.token.encode()),
            (CALL.encode(), name.encode()),
        ],
    }


def call(
    gateway: Gateway, lease: Lease, name: str, *, stream: bool, max_tokens: int
) -> Caller:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": max_tokens, "stream": stream}
    body = json.dumps(asked).encode()
    scope = scope_of(lease, name)
    hang_up = asyncio.Event()
    unread = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if unread:
            return unread.pop()
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            caller.status = message["status"]
        else:
            caller.received += message.get("body", b"")
            caller.ended = not message.get("more_body", False)

    async def answered() -> None:
        await gateway(scope, receive, send)

    task = asyncio.get_running_loop().create_task(answered())
    caller = Caller(name, task, hang_up, -(-len(body) // 3))
    return caller


async def settle() -> None:
    """Let everything run that need not wait for the test."""
    for _ in range(60):
        await asyncio.sleep(0)
