"""Count open requests, so that a server that nobody uses can end by itself."""

import time

from starlette.types import ASGIApp, Receive, Scope, Send


class Activity:
    """Who uses the server now: requests under way, streams of open pages included."""

    def __init__(self) -> None:
        self.open_requests = 0
        self._last_end = time.monotonic()

    def begin(self) -> None:
        """Count a request that has begun."""
        self.open_requests += 1

    def end(self) -> None:
        """Count a request that has ended."""
        self.open_requests -= 1
        self._last_end = time.monotonic()

    @property
    def quiet_seconds(self) -> float:
        """Seconds since the last end of a request."""
        return time.monotonic() - self._last_end


class CountRequests:
    """Middleware: tell an `Activity` of each request."""

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._activity.begin()
        try:
            await self._app(scope, receive, send)
        finally:
            self._activity.end()
