"""Draw the list of runs, and a patch."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import end_of_line, escape, one_line
from aideator.cli.ui.figures import age
from aideator.domain.run import Run

_REPOSITORY_WIDTH, _PROMPT_WIDTH = 32, 40
_INDEX = re.compile(
    r"^(index )([0-9a-f]{10})[0-9a-f]{30,54}\.\.([0-9a-f]{10})[0-9a-f]{30,54}",
    re.MULTILINE,
)
"""A patch names whole hashes, which only `git apply` needs."""


def runs_table(runs: Iterable[Run]) -> Table:
    """Return a table of runs, in their order."""
    table = Table(box=None)
    for column in ("run", "status", "N", "winner", "repository", "prompt", "age"):
        # Repository and prompt give way where the terminal is narrow, in one line.
        table.add_column(column, no_wrap=column not in ("repository", "prompt"))
    now = datetime.now(UTC)
    for run in runs:
        table.add_row(
            run.id[-8:],
            run.status.value,
            str(run.spec.variations),
            str(run.winner) if run.winner is not None else "",
            _one(end_of_line(run.spec.repo_url, _REPOSITORY_WIDTH)),
            _one(one_line(run.spec.prompt, _PROMPT_WIDTH)),
            age(run.created_at, now),
        )
    return table


def _one(line: str) -> Text:
    return Text(line, no_wrap=True, overflow="ellipsis")


def draw_patch(console: Console, patch: str) -> str:
    """Return a patch in colour as a terminal shows it: escaped, hashes abbreviated."""
    short = _INDEX.sub(r"\1\2..\3", escape(patch))
    with console.capture() as drawn:
        console.print(Syntax(short, "diff", theme="ansi_dark", word_wrap=True))
    return drawn.get()
