"""Draw the list of runs, and a patch."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from aideator.cli.ui.escape import end_of_line, escape, one_line
from aideator.cli.ui.figures import age
from aideator.domain.run import Run

_REPOSITORY_WIDTH, _PROMPT_WIDTH = 32, 40


def runs_table(runs: Iterable[Run]) -> Table:
    """Return a table of runs, in their order."""
    table = Table(box=None)
    for column in ("run", "status", "N", "winner", "repository", "prompt", "age"):
        table.add_column(column)
    now = datetime.now(UTC)
    for run in runs:
        table.add_row(
            run.id[-8:],
            run.status.value,
            str(run.spec.variations),
            str(run.winner) if run.winner is not None else "",
            end_of_line(
                "/".join(filter(None, (run.spec.repo_url, run.spec.path))),
                _REPOSITORY_WIDTH,
            ),
            one_line(run.spec.prompt, _PROMPT_WIDTH),
            age(run.created_at, now),
        )
    return table


def print_patch(console: Console, patch: str) -> None:
    """Print a patch in colour, escaped."""
    console.print(Syntax(escape(patch), "diff", theme="ansi_dark", word_wrap=True))
