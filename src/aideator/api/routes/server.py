"""Routes for the commands of the server's own user: what it is, and its end.

They answer on the Unix socket only: a key of the HTTP API is a user of the platform,
not the operator of the machine.
"""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from aideator import __version__
from aideator.api.auth import unix_peer
from aideator.api.dependencies import App
from aideator.api.lifetime import Lifetime
from aideator.api.schemas import RequestBody, ResponseBody
from aideator.domain.errors import Conflict, NotFound, Unavailable
from aideator.domain.run import RunStatus

_INTERRUPTED_MAX = 50


def owner_only(request: Request) -> None:
    """Refuse who does not come over the server's own Unix socket.

    Raises:
        NotFound: as for a path that does not exist.
    """
    if unix_peer(request) is None:
        raise NotFound("there is no such thing here")


router = APIRouter(dependencies=[Depends(owner_only)], include_in_schema=False)


class ServerStatus(ResponseBody):
    """The server of one user and state directory."""

    version: str
    pid: int
    url: str
    """Where the page is."""
    is_service: bool
    """Whether it was started by `aideator serve`, and so never ends by itself."""
    is_idle: bool
    """Whether it has no run at work and answers nobody but this request."""
    working: bool
    """Whether a run is at work."""
    idle_seconds: float
    """Seconds since it answered the last request."""
    idle_timeout: float | None
    """Seconds after which it ends by itself; null for a service."""
    salt: str
    variables: Mapping[str, str]
    """Setting → hash of salt and value, by which a command compares its own."""
    interrupted: Sequence[str]
    """Ids of runs that wait for `resume` or `cancel`, newest first."""


class StopRequest(RequestBody):
    """When to stop."""

    if_idle: Annotated[bool, Field(strict=True)] = True
    """Refuse with 409 while a run is at work or somebody else is being answered."""


def get_lifetime(request: Request) -> Lifetime:
    """Return what decides when this server ends."""
    lifetime: Lifetime = request.app.state.lifetime
    return lifetime


ServerLifetime = Annotated[Lifetime, Depends(get_lifetime)]


@router.get("/server/status")
async def status(app: App, lifetime: ServerLifetime) -> ServerStatus:
    """Show what a command needs to know before it uses this server."""
    found = await app.list(limit=_INTERRUPTED_MAX, status=RunStatus.INTERRUPTED)
    return ServerStatus(
        version=__version__,
        pid=os.getpid(),
        url=lifetime.url,
        is_service=lifetime.idle_timeout is None,
        is_idle=lifetime.is_idle(requests=1),
        working=app.working.engine.working,
        idle_seconds=lifetime.activity.quiet_seconds,
        idle_timeout=lifetime.idle_timeout,
        salt=lifetime.salt,
        variables=lifetime.variables,
        interrupted=[run.id for run in found.runs],
    )


@router.get("/server/hold")
async def hold(lifetime: ServerLifetime) -> Response:
    """Keep the server from ending while this answer is read: a command is at work.

    Between its requests a command has none open, and another command may just end.

    Raises:
        Unavailable: if the server is ending.
    """
    if lifetime.ending.is_set():
        raise Unavailable("the server is ending")

    async def until_the_end() -> AsyncGenerator[bytes]:
        yield b"held\n"
        await lifetime.ending.wait()

    return StreamingResponse(until_the_end(), media_type="text/plain")


@router.post("/server/stop", status_code=202)
async def stop(wish: StopRequest, lifetime: ServerLifetime) -> None:
    """Stop the server. Runs at work are put back, and can be resumed.

    Raises:
        Conflict: if it was asked to stop only if idle, and is not.
    """
    if wish.if_idle and not lifetime.is_idle(requests=1):
        raise Conflict("the server is at work", hint="wait, or stop it with --force")
    lifetime.stop()
