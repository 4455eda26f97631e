"""Pages of runs, and how a person names one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from aideator.domain.errors import NotFound
from aideator.domain.run import Run

NEWEST = ("@", "last")
"""What stands for the newest run where a run is named."""


@dataclass(frozen=True)
class Page:
    """Some runs, newest first, and where the next page begins."""

    runs: tuple[Run, ...]
    next: str | None
    """Pass it as `before`; null on the last page."""


def only_match(found: Sequence[str], part: str) -> str:
    """Return the one run id that was found for a part of an id.

    Raises:
        NotFound: if no run or more than one fits.
    """
    if len(found) != 1:
        problem = "more than one run fits" if found else "there is no run"
        raise NotFound(f"{problem} {part!r}", hint="`aideator list` shows the ids")
    return found[0]


def newest(page: Page) -> str:
    """Return the id of the newest run, from a page that begins with it.

    Raises:
        NotFound: if there is no run.
    """
    if not page.runs:
        raise NotFound("there is no run yet", hint='start one: `aideator run . "…"`')
    return page.runs[0].id
