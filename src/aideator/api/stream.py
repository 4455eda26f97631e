"""Streams of Server-Sent Events (SSE).

https://html.spec.whatwg.org/multipage/server-sent-events.html. This is an ASGI response
of our own rather than FastAPI's: each event is framed once for all its readers, what is
pending is sent in one piece, and a reader is no more than a cursor. Framework helpers
encode each event for each reader, which costs ten times as much.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import lru_cache

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aideator.api.auth import Credential
from aideator.app import Aideator
from aideator.domain.errors import AideatorError, TooManyRequests
from aideator.eventlog.base import Entry
from aideator.observability import STREAMS

_log = logging.getLogger(__name__)
HEADERS = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
MAX_ID = 2**53 - 1
"""The largest integer that JavaScript represents exactly."""
_PIECE = 64 * 2**10
"""Bytes that are sent in one piece, unless one event alone is larger. It limits what a
stalled reader holds in memory."""
_SHARED = 8 * 2**10
"""Bytes of the largest event whose frame is cached: 2,048 of them stay below 40
MB."""


class StreamSlots:
    """Limits on open streams, in all and for each client."""

    def __init__(self, *, total: int = 768, per_client: int = 512) -> None:
        self._total = total
        self._per_client = per_client
        self._open: dict[Credential, set[asyncio.Event]] = {}

    @contextmanager
    def take(self, holder: Credential) -> Iterator[asyncio.Event]:
        """Hold one slot; yield what is set when the stream has to end.

        Raises:
            TooManyRequests: if the client, or all clients together, have as many
                streams open as may be.
        """
        taken = Counter[str]()
        for credential, ends in self._open.items():
            taken[credential.caller] += len(ends)
        if taken.total() >= self._total:
            raise TooManyRequests("too many streams are open on this server")
        if taken[holder.caller] >= self._per_client:
            raise TooManyRequests(
                "you have too many streams open",
                hint="one stream shows all of a run: share it",
            )
        end = asyncio.Event()
        ends = self._open.setdefault(holder, set())
        ends.add(end)
        STREAMS.inc()
        try:
            yield end
        finally:
            STREAMS.dec()
            ends.discard(end)
            if not ends:
                self._open.pop(holder, None)

    def holders(self) -> Collection[Credential]:
        """Return what those were admitted by who have streams open."""
        return self._open.keys()

    async def revoke(self, holder: Credential) -> None:
        """End a client's streams."""
        for end in self._open.pop(holder, ()):
            end.set()


class EventStream(Response):
    """Server-Sent Events until they end, the client leaves, or the server stops."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        *,
        slot: tuple[StreamSlots, Credential],
        ping: float = 30,
        retry: int = 3000,
    ) -> None:
        """Prepare the stream.

        Args:
            pieces: The events, framed; see `of_run`.
            slot: Where the stream is counted, and for whom.
            ping: Seconds of silence after which a comment is sent.
            retry: Milliseconds after which a browser is to reconnect.
        """
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._pieces = pieces
        self._slot = slot
        self._ping = ping
        self._retry = retry
        self._sent_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        slots, holder = self._slot
        with slots.take(holder) as end:
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": self.raw_headers,
                }
            )
            if scope["method"] != "HEAD":
                await self._write(send, format_sse_event(retry=self._retry))
                await self._stream(receive, send, end)
            await send({"type": "http.response.body", "body": b""})

    async def _stream(self, receive: Receive, send: Send, end: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            ends = [
                tasks.create_task(self._deliver(send)),
                tasks.create_task(self._watch(receive, send)),
                tasks.create_task(end.wait()),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in ends:
                task.cancel()

    async def _deliver(self, send: Send) -> None:
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await self._write(send, piece)
        except AideatorError as error:
            # Too late for a problem document. The stream ends; the client reconnects,
            # and is answered with the problem then.
            _log.warning("a stream ended early: %s", error)

    async def _watch(self, receive: Receive, send: Send) -> None:
        """Return when the client is gone; until then, break long silences."""
        now = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout_at(self._sent_at + self._ping):
                    if (await receive())["type"] == "http.disconnect":
                        return
            except TimeoutError:
                if now() >= self._sent_at + self._ping:
                    await self._write(send, KEEPALIVE_COMMENT)

    async def _write(self, send: Send, data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})
        self._sent_at = asyncio.get_running_loop().time()


def stream_to(request: Request, pieces: AsyncGenerator[bytes]) -> EventStream:
    """Answer a request with events, until its caller may no longer read them.

    Args:
        request: A request of an identified caller; its application has the settings and
            the open streams.
        pieces: The events, framed.
    """
    app: Aideator = request.app.state.aideator
    slots: StreamSlots = request.app.state.slots
    ping, retry = app.settings.sse_ping_interval, app.settings.sse_retry_timeout
    slot = (slots, request.state.credential)
    return EventStream(pieces, slot=slot, ping=ping, retry=retry)


async def of_run(
    app: Aideator, run_id: str, after: int, *, interactive: bool = False
) -> AsyncGenerator[bytes]:
    """Yield a run's events above a seq, framed.

    `id` is the seq, `event` the kind, `data` the event.
    """
    followed = app.follow(run_id, after=after, interactive=interactive)
    async with aclosing(followed) as batches:
        async for batch in batches:
            for piece in _pieces(batch):
                yield piece


def cursor(last_event_id: str | None, after: int) -> int:
    """Return where a client continues: its Last-Event-ID, else `after`.

    Raises:
        HTTPException: if no event can have that id.
    """
    if not last_event_id:
        return after
    if not (
        last_event_id.isascii()
        and last_event_id.isdigit()
        and int(last_event_id[:17]) <= MAX_ID
    ):
        raise HTTPException(
            400, "Last-Event-ID: give the id of an event of this stream"
        )
    return int(last_event_id)


def _pieces(batch: Sequence[Entry]) -> Iterator[bytes]:
    frames: list[bytes] = []
    size = 0
    for entry in batch:
        frame = _shared_frame(entry) if len(entry.data) <= _SHARED else _frame(entry)
        if frames and size + len(frame) > _PIECE:
            yield b"".join(frames)
            frames, size = [], 0
        frames.append(frame)
        size += len(frame)
    yield b"".join(frames)


def _frame(entry: Entry) -> bytes:
    return format_sse_event(
        data_str=entry.data.decode(), event=entry.kind, id=str(entry.seq)
    )


# Readers of new events share these frames; a reader that replays an old run makes its
# own. Log entries are shared objects that compare by identity, so the cache needs no
# key of its own, and no second ring of frames beside the log's.
# `bench/sse.py` compares it with FastAPI's own streams.
_shared_frame = lru_cache(maxsize=2048)(_frame)
