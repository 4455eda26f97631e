"""The gateway's own answers, in the error shape of the Anthropic API: https://docs.claude.com/en/api/errors."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Scope = MutableMapping[str, Any]


class Refusal(Exception):
    """A call that the gateway answers itself instead of passing it on.

    Args:
        status: HTTP status.
        kind: Anthropic's error type, such as `billing_error`.
        message: What is wrong and what to do next; goes to the agent.
        retry_after: Seconds after which the same call may succeed. Without it the SDKs are told not to try again
            (`x-should-retry`, which Anthropic's own SDKs obey): a plain 401 or 402 is retried for minutes.
    """

    def __init__(self, status: int, kind: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after

    async def answer(self, send: Send) -> None:
        """Send this refusal as the whole response."""
        body = json.dumps({"type": "error", "error": {"type": self.kind, "message": str(self)}}).encode()
        again = (
            (b"x-should-retry", b"false") if self.retry_after is None else (b"retry-after", b"%d" % self.retry_after)
        )
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), again]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
