"""Browser sessions, the links that begin one, and the limit on failed log-ins.

All of it is kept in this process only, so nothing that could forge a session is stored;
after a restart the browser has to log in again.
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass

from aideator.domain.errors import TooManyRequests, Unauthorized

SESSION_SECONDS = 12 * 3600
LINKS = 16
"""Links that may be open; the oldest makes room for a new one."""
FAILURES = 10
"""Failed log-ins that an address may have within `FAILURE_SECONDS`."""
FAILURE_SECONDS = 60.0


@dataclass(frozen=True)
class BrowserSession:
    """What a browser's cookie stands for."""

    id: str
    key_id: str | None
    """The API key that it was exchanged for; None if it began with a link on a server
    without keys."""
    expires: float
    """By `time.monotonic`: a clock that is set neither ends nor prolongs it."""


class Sessions:
    """Signed session cookies, and one-time links to one."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}
        self._links: OrderedDict[str, str | None] = OrderedDict()

    def issue(self, key_id: str | None) -> str:
        """Return a cookie that stands for a key until it expires or is ended."""
        expires = time.monotonic() + SESSION_SECONDS
        content = f"{secrets.token_hex(16)}.{key_id or ''}.{expires:.0f}"
        return f"{content}.{self._sign(content)}"

    def find(self, cookie: str) -> BrowserSession | None:
        """Return the session of a cookie, if it is valid."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(
            signature.encode(errors="replace"), self._sign(content).encode()
        ):
            return None
        session_id, key_id, expires = content.split(".")
        session = BrowserSession(session_id, key_id or None, float(expires))
        return session if self.is_valid(session) else None

    def is_valid(self, session: BrowserSession) -> bool:
        """Return whether a session has neither expired nor been ended."""
        return time.monotonic() < session.expires and session.id not in self._ended

    def end(self, session: BrowserSession) -> None:
        """End a session before its time."""
        now = time.monotonic()
        self._ended = {key: at for key, at in self._ended.items() if at > now}
        self._ended[session.id] = session.expires

    def make_link(self, key_id: str | None = None) -> str:
        """Return the token of a new link, which can be exchanged for one session."""
        token = secrets.token_urlsafe(32)
        self._links[_digest(token)] = key_id
        while len(self._links) > LINKS:
            self._links.popitem(last=False)
        return token

    def redeem(self, token: str) -> str:
        """Return the cookie of a new session in exchange for a link's token.

        Raises:
            Unauthorized: if the token was not issued here, or has been used.
        """
        try:
            key_id = self._links.pop(_digest(token))
        except KeyError:
            raise Unauthorized(
                "this link has been used, or is of a server that was stopped",
                hint="`aideator link` prints a new one",
            ) from None
        return self.issue(key_id)

    def _sign(self, content: str) -> str:
        return hmac.digest(
            self._secret, content.encode(errors="replace"), hashlib.sha256
        ).hex()


def _digest(token: str) -> str:
    # Looked up by its hash: how long that takes says nothing about a token.
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class LoginThrottle:
    """Refuses log-ins from an address that has failed too often."""

    def __init__(self, *, addresses: int = 4096) -> None:
        """Begin without failures.

        Args:
            addresses: How many are remembered.
        """
        self._addresses = addresses
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Check that an address may try.

        Raises:
            TooManyRequests: if it has failed too often within the last minute.
        """
        oldest_counted = time.monotonic() - FAILURE_SECONDS
        failures = self._failures.get(address, deque())
        while failures and failures[0] < oldest_counted:
            failures.popleft()
        if len(failures) >= FAILURES:
            raise TooManyRequests(
                "too many log-ins from this address have failed",
                hint=f"wait {FAILURE_SECONDS:.0f} seconds, then try again",
            )

    def count_failure(self, address: str) -> None:
        """Count a failed log-in."""
        self._failures.setdefault(address, deque(maxlen=FAILURES)).append(
            time.monotonic()
        )
        self._failures.move_to_end(address)
        while len(self._failures) > self._addresses:
            self._failures.popitem(last=False)
