"""End what a caller has open soon after the right to it has ended.

A request is judged when it arrives. A stream, a terminal and a preview outlive it, so
what their callers were admitted by is looked at again, twice a second.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from aideator.api.auth import Credential, is_admitted
from aideator.api.sessions import Sessions
from aideator.app import Aideator
from aideator.domain.errors import Unavailable

CHECK_SECONDS = 0.5

_log = logging.getLogger(__name__)


class Revocable(Protocol):
    """Something that keeps things open for callers."""

    def holders(self) -> Collection[Credential]:
        """Return what those were admitted by who have something open here."""
        ...

    async def revoke(self, holder: Credential) -> None:
        """End all that is open here for a caller."""
        ...


async def end_revoked(
    app: Aideator, sessions: Sessions, places: Iterable[Revocable]
) -> None:
    """End what is open with a credential that is no longer valid, until cancelled."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            for place in places:
                for holder in list(place.holders()):
                    if not await is_admitted(app, sessions, holder):
                        await place.revoke(holder)
        except Unavailable as error:
            # What is open stays open until the database answers again: it may only be
            # locked for a moment.
            _log.warning("whether keys are valid could not be looked up: %s", error)
