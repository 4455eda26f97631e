"""Read TOML that a repository holds: hostile input."""

import re
import tomllib
from typing import Any

_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}"""
)
"""A dotted key of more than 100 parts. `tomllib` takes quadratic time for one."""


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        TOMLDecodeError: if it is none, or nested or numbered beyond what Python reads.
    """
    if _LONG_KEY.search(text):
        raise tomllib.TOMLDecodeError("a key has too many parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (RecursionError, ValueError) as error:  # Python reads no 4,301 digits
        raise tomllib.TOMLDecodeError(str(error)) from None
