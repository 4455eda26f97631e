"""Escape text for a terminal: agents, tests and repositories may write anything."""

import re

from aideator.domain.visible import visible_line, visible_text

_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~]|[0-OQ-WYZ`-~])")
"""Control sequences (CSI) and single escapes. They hold no text, unlike titles, links
and other strings. https://invisible-island.net/xterm/ctlseqs/ctlseqs.html"""


def escape(text: str) -> str:
    """Return the text without colours and the like, and all else invisible spelled out.

    Line breaks and tabs stay.
    """
    return visible_text(_SEQUENCES.sub("", text))


def one_line(text: str, width: int) -> str:
    """Return the beginning of a text as one escaped line of at most `width`."""
    flat = visible_line(_SEQUENCES.sub("", text))
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def end_of_line(text: str, width: int) -> str:
    """Return the end of a text as one escaped line of at most `width`."""
    flat = visible_line(_SEQUENCES.sub("", text))
    return flat if len(flat) <= width else "…" + flat[-(width - 1) :]
