"""Make text harmless: whatever an agent, a test or a repository wrote is made plain before a terminal shows it."""

import re
import unicodedata

_ESCAPES = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[PX^_].*?(\x1b\\|$)|.)?",
    re.DOTALL,
)


def plain(text: str) -> str:
    """Text without terminal escapes, control characters and bidirectional overrides; line breaks stay."""
    text = _ESCAPES.sub("", text)
    return "".join(
        c
        for c in text
        if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"}
    )


def one_line(text: str, width: int) -> str:
    """The beginning of a text, on one line."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def end_of(text: str, width: int) -> str:
    """The end of a text, on one line."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= width else "…" + flat[-(width - 1) :]
