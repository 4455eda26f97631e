"""A model provider on loopback that sends exactly the bytes, and faults, of a test."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MODEL = "claude-opus-5-5"
INPUT_USD, OUTPUT_USD = 4e-6, 20e-6


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


Play = Callable[[Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Provider:
    play: Play
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for_hang_up(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        self.hung_up.set()

    async def talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                await self.play(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = tuple(
        (name.lower(), value.strip())
        for name, _, value in (line.partition(":") for line in rest)
    )
    length = next(
        (int(value) for name, value in headers if name == "content-length"), 0
    )
    return Request(method, target, headers, await reader.readexactly(length))


@asynccontextmanager
async def open_provider(play: Play) -> AsyncIterator[Provider]:
    provider = Provider(play)
    server = await asyncio.start_server(provider.talk, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def whole(
    body: bytes, status: str = "200 OK", *headers: str, kind: str = "application/json"
) -> Play:
    """Answer with one body of known length."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *headers,
        "",
        "",
    ]

    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return play


def stream(*pieces: bytes) -> Play:
    """Answer with a stream that arrives in these pieces."""

    async def play(
        request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(STREAM_HEAD)
        for piece in pieces:
            writer.write(chunk(piece))
            await writer.drain()
        writer.write(chunk(b""))
        await writer.drain()

    return play


def failing(status: str, kind: str, message: str, *headers: str) -> Play:
    """Answer with an error in Anthropic's shape."""
    body = json.dumps(
        {"type": "error", "error": {"type": kind, "message": message}}
    ).encode()
    return whole(body, status, *headers)


def sse(*events: dict[str, object]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(e["type"]).encode(), json.dumps(e).encode())
        for e in events
    )


def start(
    input_tokens: int = 100, *, model: str = MODEL, **usage: int
) -> dict[str, object]:
    counts = {"input_tokens": input_tokens, "output_tokens": 1, **usage}
    return {
        "type": "message_start",
        "message": {"type": "message", "model": model, "usage": counts},
    }


def text(words: str) -> dict[str, object]:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": words},
    }


def end(output_tokens: int) -> tuple[dict[str, object], dict[str, object]]:
    stop: dict[str, object] = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": output_tokens},
    }
    return stop, {"type": "message_stop"}


def message(
    input_tokens: int = 100, output_tokens: int = 42, *, model: str = MODEL
) -> bytes:
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    content: Sequence[object] = [{"type": "text", "text": "hello"}]
    return json.dumps(
        {"type": "message", "model": model, "content": content, "usage": usage}
    ).encode()
