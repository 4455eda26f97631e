"""Try a model's server before anything is paid for: one call that costs nothing.

`GET /v1/models` and, at the provider itself, `GET /v1/models/NAME`, which knows aliases
too (https://docs.claude.com/en/api/models). Other servers may know neither: any answer
but 401 shows that the server is there, and is no reason to refuse work.
"""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from aideator.domain.errors import ModelRefusesKey, ModelUnavailable

_TIMEOUT = httpx2.Timeout(10, connect=5)
_VERSION = "2023-06-01"
_PAUSE_SECONDS = 0.5
_NO_KEY = "none"
"""Sent where no key is set: servers of one's own ignore it, or ask for a key."""


async def try_model(
    base_url: str, api_key: SecretStr | None, models: Sequence[str] = ()
) -> str:
    """Ask a model's server for its models, which costs nothing.

    Args:
        base_url: The server's URL before `/v1`.
        api_key: The key, if there is one.
        models: Names of models to ask for, at a server that knows all it has.

    Returns:
        What was found, in words.

    Raises:
        ModelRefusesKey: if the server refuses the key, or asks for one.
        ModelUnavailable: if it cannot be reached, or has no such model.
    """
    base = base_url.rstrip("/")
    key = api_key.get_secret_value() if api_key else _NO_KEY
    headers = {"x-api-key": key, "anthropic-version": _VERSION}
    async with httpx2.AsyncClient(headers=headers, timeout=_TIMEOUT) as client:
        status = await _status(client, f"{base}/v1/models?limit=1")
        if status == httpx2.codes.UNAUTHORIZED:
            raise _refusal(base, is_key_set=api_key is not None)
        for name in models:
            path = f"/v1/models/{quote(name, safe='')}"
            if await _status(client, base + path) == httpx2.codes.NOT_FOUND:
                raise ModelUnavailable(
                    f"{address_of(base)} has no model {name!r}",
                    hint=f"name another one with --model; `curl {base}/v1/models` with "
                    "your key lists them",
                )
    return f"{address_of(base)} answers"


def address_of(base_url: str) -> str:
    """Return host and port of a server's URL: what may be told without credentials."""
    url = httpx2.URL(base_url)
    return url.host if url.port is None else f"{url.host}:{url.port}"


def _refusal(base: str, *, is_key_set: bool) -> ModelRefusesKey:
    if not is_key_set:
        return ModelRefusesKey(
            f"the model's server, {address_of(base)}, asks for a key, and none is set",
            hint="`aideator login` stores one, or: export ANTHROPIC_API_KEY=…",
        )
    return ModelRefusesKey(
        f"the model's server, {address_of(base)}, refuses the API key",
        hint="`aideator login` stores another one, or: export ANTHROPIC_API_KEY=…;"
        " `aideator doctor` says where the key is from",
    )


async def _status(client: httpx2.AsyncClient, url: str) -> int | None:
    """Return the status of an answer; None for a server that is slow to answer.

    A connection that fails is tried once more.
    """
    for is_last in (False, True):
        try:
            return (await client.get(url)).status_code
        except httpx2.ReadTimeout:
            return None
        except httpx2.TransportError as error:
            if is_last:
                raise ModelUnavailable(
                    f"the model's server, {address_of(url)}, cannot be reached: "
                    f"{error or type(error).__name__}",
                    hint="ANTHROPIC_BASE_URL says where calls go; is that server "
                    "running, and the network there?",
                ) from None
        await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the second attempt returns or raises")
