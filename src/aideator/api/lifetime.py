"""When a server ends: by itself when it is idle, with its command, or when told to."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from aideator.api.activity import Activity
from aideator.app import Aideator
from aideator.environment import fingerprint

_LOOK_SECONDS = 1.0


@dataclass
class Lifetime:
    """Decides when a server ends.

    Attributes:
        aideator: The facade that is served.
        activity: Counts the requests.
        url: Where the page is.
        stop: Ends the server.
        idle_timeout: Seconds without work or requests after which it ends; None for
            never.
        values: The settings' variables, as the server found them.
        ending: Set when the server begins to end.
    """

    aideator: Aideator
    activity: Activity
    url: str
    stop: Callable[[], None]
    idle_timeout: float | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    salt: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def variables(self) -> dict[str, str]:
        """The hash of each setting's variable, salted."""
        return {
            name: fingerprint(value, self.salt) for name, value in self.values.items()
        }

    def is_idle(self, *, requests: int = 0) -> bool:
        """Return whether no run is at work and no more requests are under way."""
        return (
            self.activity.open_requests <= requests
            and not self.aideator.working.engine.working
        )

    async def watch(self, lifeline: int | None) -> None:
        """Stop the server when it is idle for too long, or with its command.

        When the command has ended, others that are being answered are answered to
        their end: another command may follow a run here.

        Args:
            lifeline: Read end of a pipe whose other end only the command holds that
                started this server; None for none.
        """
        gone = asyncio.Event()
        if lifeline is not None:
            asyncio.get_running_loop().add_reader(lifeline, gone.set)
        while not self._is_due(command_gone=gone.is_set()):
            if gone.is_set():
                await asyncio.sleep(_LOOK_SECONDS / 20)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(gone.wait(), _LOOK_SECONDS)
        self.stop()

    def _is_due(self, *, command_gone: bool) -> bool:
        if command_gone:
            return not self.activity.open_requests
        return (
            self.idle_timeout is not None
            and self.activity.quiet_seconds >= self.idle_timeout
            and self.is_idle()
        )
