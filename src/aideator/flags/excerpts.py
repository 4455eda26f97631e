"""The excerpt of a flag: the first telling lines, each with its mark."""

from collections.abc import Iterable

LINE_LIMIT = 400
"""Characters of a line that are looked at: patterns take quadratic time at worst, and
no test reads longer."""

MAX_LINES, MAX_COLUMNS = 6, 200
"""Lines of an excerpt, and characters of each."""

_MARKS = {"context": " ", "added": "+", "removed": "-"}

ChangedLine = tuple[str, str]
"""The kind of a line (`context`, `added` or `removed`) and its text."""


def excerpt_of(lines: Iterable[ChangedLine]) -> str:
    """Return the first lines, each with its mark and of bounded length."""
    shown = [*lines][:MAX_LINES]
    return "\n".join(_MARKS[kind] + text[:MAX_COLUMNS] for kind, text in shown)
