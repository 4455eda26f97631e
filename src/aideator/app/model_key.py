"""The key for the model's server: from the environment, `.env`, or `aideator login`."""

import os

from dotenv import dotenv_values

from aideator.settings import Settings
from aideator.store import model_key

_VARIABLE = "ANTHROPIC_API_KEY"


def with_stored_key(settings: Settings) -> Settings:
    """Return the settings with the stored key, where they have none.

    A key is stored for one server: where calls go elsewhere, it stays where it is.

    Raises:
        Unavailable: if a key is stored and cannot be read.
    """
    if settings.anthropic_api_key is not None:
        return settings
    key = model_key.read(settings.aideator_home, settings.anthropic_base_url)
    return settings.model_copy(update={"anthropic_api_key": key}) if key else settings


def source_of_key(settings: Settings) -> str:
    """Return where the key is from, in words; empty where there is none.

    Args:
        settings: As they were read, or with the stored key.

    Raises:
        Unavailable: if it is not known, because the state directory cannot be read.
    """
    if os.environ.get(_VARIABLE):
        return f"{_VARIABLE} of the environment"
    if settings.anthropic_api_key and dotenv_values(".env").get(_VARIABLE):
        return f"{_VARIABLE} of .env"
    stored = model_key.find(settings.aideator_home)
    if stored is not None and stored.address == settings.anthropic_base_url:
        return stored.place
    return "the settings" if settings.anthropic_api_key else ""
