"""Bound what a listener reads before and between the bodies of HTTP requests.

httptools keeps an unfinished header without a limit, and uvicorn's only time limit is
for a connection that sends nothing after an answer: one byte ends it. Both happen
before the application sees the request, so before any key is checked.
"""

import asyncio
import socket
import struct
from typing import Any, cast
from weakref import WeakKeyDictionary

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES = 64 * 2**10
"""Bytes of a request's head. One read of the socket is not cut: up to 256 KB more."""
HEAD_SECONDS = 10.0
"""Time for a whole head, from the connection's first moment or, on a connection that
has been used, from the end of the time for which it may be idle."""
BODY_SECONDS = 300.0
"""Time for the rest of a request whose head is complete. Applications may have shorter
limits of their own."""
MAX_WAITING = 256
"""Connections of one server that may be without a whole head at the same time. The one
that has waited longest makes room, so that idle ones cannot use up the server's
files."""
MAX_PIPELINED = 16
"""Requests that may wait for the answer of an earlier one on the same connection."""


UNIX_PEER = "unix_peer"
"""In a request's `state`: the uid at the other end of its Unix connection."""
_UCRED = struct.Struct("=iII")
"""`struct ucred`: process, user, group."""
_waiting = WeakKeyDictionary[ServerState, dict["BoundedHeads", None]]()
"""Connections without a whole head, by server; the first has waited longest."""


def _unix_peer(transport: asyncio.BaseTransport) -> int | None:
    """Return the uid at the other end of a Unix connection; None for others.

    `SO_PEERCRED` tells the user that connected:
    https://man7.org/linux/man-pages/man7/unix.7.html
    """
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(found)[1])


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits on what it reads between two bodies.

    What counts is not only the head: also what follows a body (trailers) and what
    precedes a request line, which the parser reads and no application sees.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._unfinished = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting = _waiting.setdefault(self.server_state, {})

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(cast(asyncio.Transport, transport))
        if (uid := _unix_peer(transport)) is not None:
            # What uvicorn hands to each request of the connection as `state`.
            self.app_state = self.app_state | {UNIX_PEER: uid}
        self._expect_head(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._cancel_deadline()
        self._waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; refuse a head that is too long."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._unfinished = 0
        self._waiting.pop(self, None)
        self._expect(BODY_SECONDS)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise HttpParserError("too many requests at once")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop to wait: the answer may take as long as it takes."""
        self._unfinished = 0
        if not self.cycle.response_complete:
            self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin to wait for the next head, unless it is here already."""
        waiting = bool(self.pipeline)
        super().on_response_complete()
        if not waiting and not self.transport.is_closing():
            # The rest of a body that nobody read counts as well.
            self._expect_head(self.timeout_keep_alive + HEAD_SECONDS)

    def _expect_head(self, seconds: float) -> None:
        self._expect(seconds)
        self._waiting[self] = None
        if len(self._waiting) > MAX_WAITING:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.transport.close()

    def _expect(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(
            seconds, self._refuse, b"408 Request Timeout"
        )

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, status: bytes) -> None:
        """End the connection, with an answer where none is under way."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(
                b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                % status
            )
        self.transport.close()
