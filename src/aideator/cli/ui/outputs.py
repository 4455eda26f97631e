"""Draw what checks printed: the end of the output of each that did not pass."""

from rich.console import Group
from rich.text import Text

from aideator.cli.ui.escape import escape
from aideator.domain.run import RunDetails

FEW_LINES, MANY_LINES = 8, 60
"""Lines of each output that are shown, without and with `--tests`."""


def outputs_of_checks(details: RunDetails, *, lines: int) -> Group:
    """Return what each check printed that did not pass, on which variations.

    Args:
        details: The run.
        lines: How many lines of each output, from its end.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for variation in details.variations:
        for row in variation.verdict.checks if variation.verdict else ():
            if row.output:
                numbers = found.setdefault((row.check, row.output), [])
                numbers.append(str(variation.number))
    blocks: list[Text] = []
    for (check, output), numbers in found.items():
        title = f"output of `{escape(check)}` on {', '.join(numbers)}"
        blocks += [Text(title), end_of_output(output, lines=lines)]
    return Group(*blocks)


def end_of_output(output: str, *, lines: int) -> Text:
    """Return the last lines of an output, indented."""
    kept = escape(output.rstrip()).splitlines()[-lines:]
    return Text("\n".join(f"  {line}" for line in kept), style="dim")
