"""Cut a stream of server-sent events into pieces that end between two events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from collections.abc import Iterator

PIECE_BYTES = 1024
"""Bytes of a piece, unless a single event is longer. An answer can be stopped after
each piece, so a budget is exceeded by one piece at most."""

HELD_BYTES_MAX = 64 * 1024
"""Bytes of one event that are held until it is complete. A longer one passes as it
comes."""

_END_OF_EVENT = re.compile(rb"\n\r?\n")


class EventPieces:
    """Holds back the beginning of an event until the rest has arrived.

    Attributes:
        between_events: Whether all bytes given out so far are whole events, so that
            another event may follow.
    """

    def __init__(self) -> None:
        self.between_events = True
        self._held = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take in the next bytes and yield the pieces that are complete."""
        buffer = self._held + chunk if self._held else chunk
        begin = end = 0
        for match in _END_OF_EVENT.finditer(buffer):
            if match.end() - begin > PIECE_BYTES and end > begin:
                yield self._piece(buffer[begin:end])
                begin = end
            end = match.end()
        if end > begin:
            yield self._piece(buffer[begin:end])
        self._held = buffer[end:]
        if len(self._held) > HELD_BYTES_MAX:
            self.between_events = False
            yield self.rest()

    def rest(self) -> bytes:
        """Return what is held, at the end of the stream."""
        held, self._held = self._held, b""
        return held

    def _piece(self, piece: bytes) -> bytes:
        self.between_events = True
        return piece
