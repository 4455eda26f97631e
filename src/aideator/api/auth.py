"""Authentication: an API key, a browser's session cookie, or this machine without keys.

The cookie is signed with a secret that exists in this process only, so nothing that
could forge one is stored; after a restart the browser asks for the key again. It names
its key, so revoking the key ends its sessions at once.
"""

import hashlib
import hmac
import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aideator.api.guard import is_loopback_name, split_host
from aideator.api.problems import responses
from aideator.app import Aideator
from aideator.domain.errors import Unauthorized

COOKIE = "aideator_session"
SESSION_SECONDS = 12 * 3600


class Sessions:
    """Signed session cookies, each of which stands for an API key."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def issue(self, key_id: str) -> str:
        """Return a cookie that stands for the key until it expires."""
        content = f"{key_id}.{int(time.time()) + SESSION_SECONDS}"
        return f"{content}.{self._sign(content)}"

    def key_id(self, cookie: str) -> str | None:
        """Return the id of a cookie's key, if it is valid and has not expired."""
        content, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(
            signature.encode(errors="replace"), self._sign(content).encode()
        ):
            return None
        key_id, _, expires = content.partition(".")
        return key_id if time.time() < int(expires) else None

    def _sign(self, content: str) -> str:
        return hmac.digest(
            self._secret, content.encode(errors="replace"), hashlib.sha256
        ).hex()


def is_local(request: Request) -> bool:
    """Return whether a request was made on this machine, over loopback, by no proxy."""
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


async def identify(request: Request) -> str:
    """Return the caller: the id of its key, or "this machine" on a server without keys.

    Raises:
        Unauthorized: if it is neither.
    """
    app: Aideator = request.app.state.aideator
    sessions: Sessions = request.app.state.sessions
    if key := request.headers.get(app.settings.api_key_header):
        found = await app.find_key(key)
        if found is None:
            raise Unauthorized("this API key is not known here, or was revoked")
        return found.id
    key_id = sessions.key_id(request.cookies.get(COOKIE, ""))
    if key_id is not None and await app.is_active_key(key_id):
        return key_id
    if is_local(request) and not await app.is_active_key():
        return "this machine"
    header = app.settings.api_key_header
    raise Unauthorized(
        hint=f"send it in the {header} header; `aideator key create NAME` makes one"
    )


Caller = Annotated[str, Depends(identify)]
router = APIRouter(tags=["session"], responses=responses(403, 421))


class Login(BaseModel):
    """What a browser exchanges for a session."""

    model_config = ConfigDict(extra="forbid", strict=True)

    api_key: str = Field(min_length=1, max_length=200, examples=["aid_..."])


@router.post("/session", status_code=204, responses=responses(400, 401, 413, 422))
async def log_in(login: Login, request: Request, response: Response) -> None:
    """Exchange an API key for a session cookie.

    An EventSource can send it, and no script can read it.
    """
    app: Aideator = request.app.state.aideator
    sessions: Sessions = request.app.state.sessions
    key = await app.find_key(login.api_key)
    if key is None:
        raise Unauthorized("this API key is not known here, or was revoked")
    response.set_cookie(
        COOKIE,
        sessions.issue(key.id),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure="https"
        in {request.url.scheme, request.headers.get("x-forwarded-proto")},
    )


@router.delete("/session", status_code=204)
async def log_out(response: Response) -> None:
    """Delete this browser's session cookie. Revoking the key ends it everywhere."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
