"""Try the model that the settings name, and say what is missing: `aideator doctor`."""

import asyncio
from collections.abc import Sequence

from aideator.app.model_key import source_of_key, with_stored_key
from aideator.domain.errors import ModelUnavailable, Unavailable
from aideator.gateway.trial import address_of, try_model
from aideator.sandbox.base import Finding
from aideator.settings import Settings

WAYS_TO_A_MODEL = """\
aideator login                                    # a key for Anthropic's API
export ANTHROPIC_BASE_URL=http://localhost:11434  # or your own model: Ollama,
aideator run . "…" --model qwen3-coder            # with --model as it is named there"""
"""What to paste where there is no model: docs/how-to/own-model.md."""


async def try_settings(settings: Settings, models: Sequence[str] = ()) -> str:
    """Try the model's server with a call that costs nothing; return what was found.

    Only the provider itself knows for sure which models it has.

    Raises:
        ModelUnavailable: if it cannot be used, or needs a key that is not there.
    """
    if not settings.has_a_model:
        raise ModelUnavailable(
            f"there is no key for {address_of(settings.anthropic_base_url)}, so agents"
            " have no model",
            hint="`aideator login` stores one; ANTHROPIC_BASE_URL names a model of your"
            " own; `aideator doctor` shows how",
        )
    return await try_model(
        settings.anthropic_base_url,
        settings.anthropic_api_key,
        models if settings.is_at_the_provider else (),
    )


async def model_finding(settings: Settings) -> Finding:
    """Return whether there is a model: where its key is from, and what a call says.

    Args:
        settings: As they were read, or with a stored key.
    """
    try:
        source = await asyncio.to_thread(source_of_key, settings)
        known = await asyncio.to_thread(with_stored_key, settings)
    except Unavailable as error:
        return Finding("model", ok=False, detail=str(error), fix=error.hint)
    where = address_of(settings.anthropic_base_url)
    if not known.has_a_model:
        detail = f"there is no key for {where}, so agents have no model"
        return Finding("model", ok=False, detail=detail, fix=WAYS_TO_A_MODEL)
    try:
        tried = await try_settings(known)
    except ModelUnavailable as error:
        detail = f"{error} (key: {source or 'none'})"
        return Finding("model", ok=False, detail=detail, fix=error.hint)
    detail = (
        f"{tried}; key: {source or 'none'}"
        " (tried with a list of its models, which costs nothing)"
    )
    return Finding("model", ok=True, detail=detail)
