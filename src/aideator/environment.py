"""The variables that settings are read from: the environment and `.env`.

Apart from `settings.py`, because a command only needs to know where its server is:
pydantic would cost it more time than all else that it does.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from aideator.domain.errors import AideatorError

_ENV_BYTES_MAX, _ENV_REFERENCES_MAX = 64 * 2**10, 16


class SettingsError(AideatorError):
    """A setting is wrong."""

    hint = (
        "correct the variable in the environment or in .env; "
        ".env.example lists them all"
    )


def read_variables() -> dict[str, str]:
    """Return the variables of `.env` and the environment, which wins.

    Raises:
        SettingsError: if `.env` cannot be read, or names what only the user's own
            environment may name.
    """
    in_file = _read_file()
    only_in_file = {name.upper() for name in in_file} - os.environ.keys()
    _refuse_a_diverted_key(only_in_file)
    _refuse_foreign_programs(only_in_file)
    return in_file | dict(os.environ)


def _read_file() -> dict[str, str]:
    # A `.env` may come with a cloned repository. Values that name others several times
    # double with each line.
    if not Path(".env").is_file():  # a virtual environment may be called that
        return {}
    try:
        with Path(".env").open("rb") as file:
            content = file.read(_ENV_BYTES_MAX + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env: it cannot be read: {error}") from None
    if len(content) > _ENV_BYTES_MAX or text.count("${") > _ENV_REFERENCES_MAX:
        raise SettingsError(
            f".env: it is larger than {_ENV_BYTES_MAX} bytes, or refers to other "
            f"variables more than {_ENV_REFERENCES_MAX} times"
        )
    # Imported late: most folders have no such file.
    from dotenv import dotenv_values

    found = dotenv_values(".env").items()
    return {name: value for name, value in found if value is not None}


def _refuse_a_diverted_key(only_in_file: set[str]) -> None:
    # A `.env` may come with a cloned repository. It must not send the key of the user's
    # own environment elsewhere (as in CVE-2026-21852).
    is_diverted = "ANTHROPIC_BASE_URL" in only_in_file
    if is_diverted and os.environ.get("ANTHROPIC_API_KEY"):
        raise SettingsError(
            "ANTHROPIC_BASE_URL: the .env of this directory names another address "
            "for the key of your environment",
            hint="set ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY in the same place",
        )


def _refuse_foreign_programs(only_in_file: set[str]) -> None:
    # The same file must not name a program that this user then runs, nor the machine to
    # which the code is sent.
    for name in ("DAGGER_CLI", "_EXPERIMENTAL_DAGGER_RUNNER_HOST"):
        if name in only_in_file:
            raise SettingsError(
                f"{name}: it is not taken from a .env",
                hint=f"export {name} in your environment",
            )


def default_home() -> Path:
    """Return the state directory where AIDEATOR_HOME is not set."""
    if os.geteuid() == 0:
        # The uid that sandboxes drop to must be able to traverse it.
        return Path("/var/lib/aideator")
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "aideator"


def home_of(variables: Mapping[str, str]) -> Path:
    """Return the state directory that variables name."""
    named = variables.get("AIDEATOR_HOME")
    return Path(named) if named else default_home()


def fingerprint(value: str, salt: str) -> str:
    """Return a hash by which two processes compare a variable without showing it."""
    return hashlib.sha256(f"{salt}\0{value}".encode()).hexdigest()
