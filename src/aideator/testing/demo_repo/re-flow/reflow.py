"""Reflow plain text: wrap it, quote it, set it in columns."""

from itertools import zip_longest


def wrap(text: str, width: int) -> list[str]:
    """Break text into lines of at most `width` characters.

    Lines are broken between words, and white space between words counts as one space.
    A word that is longer than the width is cut.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    if line:
        lines.append(line)
    return lines


def quote(text: str, width: int, prefix: str = "> ") -> str:
    """Wrap text and put a prefix before each line; the width includes the prefix."""
    return "\n".join(prefix + line for line in wrap(text, width - len(prefix)))


def columns(left: str, right: str, width: int, gap: int = 2) -> str:
    """Set two texts side by side in columns of the same width."""
    each = (width - gap) // 2
    rows = zip_longest(wrap(left, each), wrap(right, each), fillvalue="")
    return "\n".join(f"{a:<{each}}{' ' * gap}{b}".rstrip() for a, b in rows)
