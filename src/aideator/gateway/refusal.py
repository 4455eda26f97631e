"""The gateway's own answers, in the error shape of the Anthropic API.

https://docs.claude.com/en/api/errors
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
"""A message of ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html."""
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Scope = MutableMapping[str, Any]


class Refusal(Exception):
    """A call that the gateway answers itself instead of passing it on.

    Args:
        status: HTTP status.
        kind: Anthropic's error type, such as `billing_error`.
        message: What is wrong and what to do next, for the agent.
        retry_after: Seconds after which the same call may succeed. Without it the SDKs
            are told not to try again (`x-should-retry`, which Anthropic's own SDKs
            obey): some agents retry a plain 401 or 402 for minutes.
    """

    def __init__(
        self, status: int, kind: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after

    def event(self) -> bytes:
        """Return this refusal as the error event that ends a stream.

        https://docs.claude.com/en/docs/build-with-claude/streaming#error-events
        """
        return b"event: error\ndata: %s\n\n" % self._body()

    def answer(self) -> list[Message]:
        """Return this refusal as a whole response."""
        body = self._body()
        again = (
            (b"x-should-retry", b"false")
            if self.retry_after is None
            else (b"retry-after", b"%d" % self.retry_after)
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            again,
        ]
        return [
            {"type": "http.response.start", "status": self.status, "headers": headers},
            {"type": "http.response.body", "body": body},
        ]

    def _body(self) -> bytes:
        error = {"type": self.kind, "message": str(self)}
        return json.dumps({"type": "error", "error": error}).encode()
