"""Authentication: an API key, a browser's session cookie, or the user of this machine.

A server without keys answers the user that runs it, and root. Where the kernel tells of
a connection that it is another user's, or does not tell, a session is needed: it begins
with a one-time link, or with an API key. A session names its key, so revoking the key
ends its sessions; `revocation.py` also ends what they have open.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aideator.api.guard import is_loopback_name, split_host
from aideator.api.peer import can_read_repository, is_own_user, peer_uid
from aideator.api.problems import responses
from aideator.api.schemas import ResponseBody
from aideator.api.sessions import (
    SESSION_SECONDS,
    BrowserSession,
    LoginThrottle,
    Sessions,
)
from aideator.app import Aideator
from aideator.domain.errors import NotAllowed, Unauthorized
from aideator.http_heads import UNIX_PEER
from aideator.repositories.source import locate

COOKIE = "aideator_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over TLS. The prefix keeps other hosts of the same domain from setting it:
https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Set-Cookie#cookie_prefixes
"""
THIS_MACHINE = "this machine"


@dataclass(frozen=True)
class Credential:
    """What a caller was admitted by."""

    key_id: str | None = None
    """The API key, sent or exchanged for a session; None on a server without keys."""
    session: BrowserSession | None = None

    @property
    def caller(self) -> str:
        """The name by which the caller is counted and shown."""
        return self.key_id or THIS_MACHINE


def unix_peer(request: Request) -> int | None:
    """Return the uid at the other end of the server's own socket; None for TCP."""
    uid: int | None = getattr(request.state, UNIX_PEER, None)
    return uid


def is_local(request: Request) -> bool:
    """Return whether a request was made on this machine, by no proxy."""
    if unix_peer(request) is not None:
        return True
    app: Aideator = request.app.state.aideator
    return (
        is_loopback_name(app.settings.aideator_host)
        and request.client is not None
        and is_loopback_name(request.client.host)
        and is_loopback_name(split_host(request.headers.get("host", ""))[0])
        and not any(
            name in request.headers
            for name in ("forwarded", "x-forwarded-for", "x-forwarded-host")
        )
    )


def may_use_path(request: Request, repository: str) -> bool:
    """Return whether a request may name paths of this machine as repositories.

    Raises:
        NotAllowed: if the repository is a path that its user cannot read. A path that
            does not exist is refused with the same words.
    """
    if not is_local(request):
        return False
    uid = _uid(request)
    # Where the kernel does not tell, the caller has a key or a link of the operator.
    if uid is None or is_own_user(uid) or not repository.startswith("/"):
        return True
    if not can_read_repository(uid, Path(repository)):
        raise NotAllowed(
            f"the user with uid {uid} cannot read a repository at {repository}",
            hint="give that user access to it, or name another one",
        )
    return True


def is_servers_user(request: Request) -> bool:
    """Return whether the kernel says that the server's own user, or root, has called.

    Only this caller may use what is the user's own: files that are in no commit, the
    identity that ssh shows.
    """
    return is_local(request) and is_own_user(_uid(request))


def locate_for(request: Request, repository: str, path: str) -> tuple[str, str]:
    """Return the repository that a request names, and the folder of it.

    The server's own user may name any folder of a repository of this machine.
    """
    if repository.startswith("/") and is_servers_user(request):
        return locate(repository, path)
    return repository, path


async def identify(request: Request) -> str:
    """Return the caller: the id of its key, or "this machine" on a server without keys.

    Raises:
        Unauthorized: if it is neither.
    """
    # Over the server's own socket its user needs no key: it could make one.
    is_operator = is_own_user(unix_peer(request))
    credential = Credential() if is_operator else await _find_credential(request)
    request.state.credential = credential
    return credential.caller


async def _find_credential(request: Request) -> Credential:
    app: Aideator = request.app.state.aideator
    sessions: Sessions = request.app.state.sessions
    header = app.settings.api_key_header
    if key := request.headers.get(header):
        found = await app.find_key(key)
        if found is None:
            raise Unauthorized("this API key is not known here, or was revoked")
        return Credential(found.id)
    session = sessions.find(request.cookies.get(_cookie(request), ""))
    if session is not None:
        credential = Credential(session.key_id, session)
        if await is_admitted(app, sessions, credential):
            return credential
    if is_local(request) and not await app.is_active_key():
        if is_own_user(_uid(request)):
            return Credential()
        raise Unauthorized(
            "this server answers the user who started it",
            hint="open the link that `aideator serve` printed (`aideator link`, run by "
            f"that user, prints another), or send an API key in {header}",
        )
    raise Unauthorized(
        hint=f"send it in the {header} header; `aideator key create NAME` makes one"
    )


async def is_admitted(
    app: Aideator, sessions: Sessions, credential: Credential
) -> bool:
    """Return whether what a caller was admitted by is still valid."""
    if credential.session is not None and not sessions.is_valid(credential.session):
        return False
    return credential.key_id is None or await app.is_active_key(credential.key_id)


def _uid(request: Request) -> int | None:
    """Return the uid of whoever holds the other end of a request's connection."""
    if (uid := unix_peer(request)) is not None:
        return uid
    client, own = request.client, request.scope.get("server")
    if client is None or own is None:
        return None
    return peer_uid((client.host, client.port), own)


def _is_secure(request: Request) -> bool:
    return "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}


def _cookie(request: Request) -> str:
    return SECURE_COOKIE if _is_secure(request) else COOKIE


Caller = Annotated[str, Depends(identify)]
router = APIRouter(tags=["session"], responses=responses(403, 421))


class KeyLogin(BaseModel):
    """An API key, to be exchanged for a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    api_key: str = Field(min_length=1, max_length=200, examples=["aid_..."])


class LinkLogin(BaseModel):
    """A link's token, to be exchanged for a session once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    link_token: str = Field(min_length=1, max_length=200)
    """What stands behind the `#` of the link."""


class LoginLink(ResponseBody):
    """A link to the page that logs in the browser that opens it first."""

    path: str
    """Relative to this server. What stands behind its `#` is not sent to servers."""


@router.post("/session", status_code=204, responses=responses(400, 401, 413, 422, 429))
async def log_in(
    login: KeyLogin | LinkLogin, request: Request, response: Response
) -> None:
    """Exchange an API key, or the token of a one-time link, for a session cookie.

    An EventSource can send it, and no script can read it.
    """
    throttle: LoginThrottle = request.app.state.logins
    address = request.client.host if request.client else ""
    throttle.check(address)
    try:
        cookie = await _exchange(login, request)
    except Unauthorized:
        throttle.count_failure(address)
        raise
    response.set_cookie(
        _cookie(request),
        cookie,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )


async def _exchange(login: KeyLogin | LinkLogin, request: Request) -> str:
    app: Aideator = request.app.state.aideator
    sessions: Sessions = request.app.state.sessions
    if isinstance(login, LinkLogin):
        return sessions.redeem(login.link_token)
    key = await app.find_key(login.api_key)
    if key is None:
        raise Unauthorized("this API key is not known here, or was revoked")
    return sessions.issue(key.id)


@router.post(
    "/session/links",
    status_code=201,
    dependencies=[Depends(identify)],
    responses=responses(401),
)
async def make_link(request: Request) -> LoginLink:
    """Make a link that logs in the browser that opens it first, with the same rights.

    For a browser that runs as another user of this machine.
    """
    sessions: Sessions = request.app.state.sessions
    credential: Credential = request.state.credential
    return LoginLink(path=link_path(sessions.make_link(credential.key_id)))


def link_path(token: str) -> str:
    """Return the path of a link, with its token where no server receives it."""
    return f"/login#{token}"


@router.delete("/session", status_code=204)
async def log_out(request: Request, response: Response) -> None:
    """End this browser's session, and what it has open, and delete its cookie."""
    sessions: Sessions = request.app.state.sessions
    session = sessions.find(request.cookies.get(_cookie(request), ""))
    if session is not None:
        sessions.end(session)
    response.delete_cookie(
        _cookie(request),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )
