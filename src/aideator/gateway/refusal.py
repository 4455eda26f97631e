"""The gateway's own answers, in the error shape of the Anthropic API: https://docs.claude.com/en/api/errors."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
"""One of ASGI's: https://asgi.readthedocs.io/en/latest/specs/www.html."""
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Scope = MutableMapping[str, Any]


class Refusal(Exception):
    """A call that the gateway answers itself instead of passing it on.

    Args:
        status: HTTP status.
        kind: Anthropic's error type, such as `billing_error`.
        message: What is wrong and what to do next; goes to the agent.
        retry_after: Seconds after which the same call may succeed. Without it the SDKs
            are told not to try again (`x-should-retry`, which Anthropic's own SDKs
            obey): a plain 401 or 402 is retried for minutes.
    """

    def __init__(
        self, status: int, kind: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after

    def answer(self) -> list[Message]:
        """Return this refusal as a whole response."""
        body = json.dumps(
            {"type": "error", "error": {"type": self.kind, "message": str(self)}}
        ).encode()
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
