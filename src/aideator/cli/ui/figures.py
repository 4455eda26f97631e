"""Format tokens, money and time."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aideator.domain.usage import Usage


def spent(usage: "Usage") -> str:
    """Return tokens and cost in one short phrase."""
    # Imported late: pydantic takes longer than to list runs.
    from aideator.domain import wording

    return f"{tokens(usage)} tok · {wording.money(usage.cost_usd)}"


def tokens(usage: "Usage") -> str:
    """Return the number of tokens, from 1000 on in thousands."""
    if usage.tokens >= 1000:
        return f"{usage.tokens / 1000:.1f}k"
    return str(usage.tokens)


def duration(start: datetime | None, end: datetime | None) -> str:
    """Return the time between two moments; a dash where one is not known."""
    return f"{(end - start).total_seconds():.1f} s" if start and end else "–"


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit."""
    seconds = (now - moment).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
