"""Escape text for a terminal: agents, tests and repositories may write anything."""

import re
import unicodedata

_SEQUENCES = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[PX^_].*?(\x1b\\|$)|.)?",
    re.DOTALL,
)
"""Control sequences (CSI), operating system commands (OSC) and other strings (DCS, SOS,
PM, APC), and single escapes. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html"""
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co"})
"""Unicode categories of controls, formats (bidirectional overrides among them),
surrogates and private use."""


def escape(text: str) -> str:
    """Return the text without what a terminal obeys; line breaks and tabs stay."""
    text = _SEQUENCES.sub("", text)
    return "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in _UNSAFE
    )


def one_line(text: str, width: int) -> str:
    """Return the beginning of a text as one escaped line of at most `width`."""
    flat = " ".join(escape(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def end_of_line(text: str, width: int) -> str:
    """Return the end of a text as one escaped line of at most `width`."""
    flat = " ".join(escape(text).split())
    return flat if len(flat) <= width else "…" + flat[-(width - 1) :]
