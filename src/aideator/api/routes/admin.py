"""Routes for the operator of this server: settings, disk use, API keys.

The doctor is in `dashboard`.
"""

import asyncio
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Path as PathParameter
from pydantic import BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo

from aideator.api.auth import THIS_MACHINE, Caller, identify
from aideator.api.dependencies import App
from aideator.api.problems import responses
from aideator.api.schemas import RequestBody, ResponseBody
from aideator.domain.errors import NotAllowed
from aideator.sandbox.disk import disk_usage
from aideator.settings import Settings, parse_size
from aideator.store.keys import ApiKey

router = APIRouter(
    tags=["operating"],
    dependencies=[Depends(identify)],
    responses=responses(401, 403, 421),
)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]*@")


_GROUPS = {
    "project_name": "Server",
    "aideator_home": "State",
    "max_variations": "Runs",
    "anthropic_api_key": "Models",
    "aideator_sandbox": "Sandboxes",
    "max_workbenches": "Terminals and previews",
    "setup_allowed_hosts": "Set-up",
    "clone_timeout": "Repositories",
    "sse_ping_interval": "Streams",
}
"""The first setting of each group, in the order of the settings."""


class SettingOut(ResponseBody):
    """One setting of this server."""

    group: str
    """What it is about, such as "Sandboxes"."""
    name: str
    """Its environment variable."""
    value: str
    """The value in force. Of a secret, only whether it is set."""
    is_default: bool
    meaning: str


class DiskPart(ResponseBody):
    """Something that takes disk space."""

    name: str
    """Its name in the state directory."""
    bytes: int


class Disk(ResponseBody):
    """Disk use of the state directory."""

    home: str
    free: int
    """Free bytes on its disk."""
    total: int
    """Bytes of its disk."""
    bound: int
    """Bytes of cached repositories above which the oldest are removed."""
    parts: tuple[DiskPart, ...]
    """Largest first."""


class KeyOut(ResponseBody):
    """An API key, without the key itself."""

    id: str
    name: str
    prefix: str
    """Its first characters, by which its owner can tell keys apart."""
    created_at: datetime
    revoked_at: datetime | None
    mine: bool
    """Whether the caller uses it."""


class NewKey(KeyOut):
    """A key that was just created."""

    key: str
    """The key itself. It is shown only now."""


class KeyName(RequestBody):
    """The name of a new key."""

    name: str = Field(min_length=1, max_length=80, examples=["laptop"])


@router.get("/settings")
async def settings(app: App) -> Sequence[SettingOut]:
    """List the settings in force. Secrets are not shown."""
    found, group = [], ""
    for name, field in Settings.model_fields.items():
        group = _GROUPS.get(name, group)
        found.append(_setting(name, field, getattr(app.settings, name), group))
    return found


def _setting(name: str, field: FieldInfo, value: object, group: str) -> SettingOut:
    is_size = any(_is_size(mark) for mark in field.metadata)
    return SettingOut(
        group=group,
        name=name.upper(),
        value=_shown(value, is_size=is_size),
        is_default=value == field.get_default(call_default_factory=True),
        meaning=field.description or "",
    )


def _is_size(mark: object) -> bool:
    return isinstance(mark, BeforeValidator) and mark.func is parse_size


def _shown(value: object, *, is_size: bool) -> str:
    if is_size and isinstance(value, int):
        return f"{value / 2**20:g}m"
    if isinstance(value, SecretStr):
        return "set"
    if isinstance(value, Mapping):
        return ", ".join(value)  # host → token: only the hosts
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else _USER_IN_URL.sub("…@", str(value))


@router.get("/disk")
async def disk(request: Request, app: App) -> Disk:
    """Measure the disk use of the state directory.

    Every file is looked at, for one caller at a time.
    """
    async with request.app.state.measuring:
        return await asyncio.to_thread(
            _measure, app.settings.aideator_home, app.settings.max_cache_size_mb * 2**20
        )


def _measure(home: Path, bound: int) -> Disk:
    whole = shutil.disk_usage(home)
    parts = [
        DiskPart(name=path.name, bytes=_size(path))
        for path in home.iterdir()
        if not path.is_symlink()
    ]
    parts = sorted((part for part in parts if part.bytes), key=lambda part: -part.bytes)
    return Disk(
        home=str(home),
        free=whole.free,
        total=whole.total,
        bound=bound,
        parts=tuple(parts),
    )


def _size(path: Path) -> int:
    if path.is_dir():
        return disk_usage(path)
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # a journal that SQLite has just deleted
        return 0


async def key_holder(caller: Caller) -> str:
    """Return the id of the caller's key.

    Raises:
        NotAllowed: if it has none. On a server without keys, whoever was handed a link
            could otherwise create the first key and lock the owner out.
    """
    if caller == THIS_MACHINE:
        raise NotAllowed(
            "keys are managed with a key",
            hint="create the first one with `aideator key create NAME`",
        )
    return caller


Holder = Annotated[str, Depends(key_holder)]


@router.get("/keys")
async def list_keys(app: App, holder: Holder) -> Sequence[KeyOut]:
    """List the API keys, also the revoked ones, oldest first."""
    return [_key(each, holder) for each in await app.keys()]


@router.post("/keys", status_code=201, responses=responses(400, 413, 422))
async def create_key(wanted: KeyName, app: App, holder: Holder) -> NewKey:
    """Create a key. Only this answer shows it."""
    made, key = await app.create_key(wanted.name)
    return NewKey(**_key(made, holder).model_dump(), key=key)


@router.delete("/keys/{key_id}", responses=responses(404, 422))
async def revoke_key(
    key_id: Annotated[str, PathParameter(max_length=64)], app: App, holder: Holder
) -> KeyOut:
    """Revoke a key, and every session that was opened with it."""
    return _key(await app.revoke_key(key_id), holder)


def _key(key: ApiKey, holder: str) -> KeyOut:
    return KeyOut(**vars(key), mine=key.id == holder)


def measuring() -> asyncio.Semaphore:
    """Return what lets one measurement happen at a time."""
    return asyncio.Semaphore(1)
