"""Draw what `aideator doctor` has found."""

from rich.console import Console
from rich.text import Text

from aideator.cli.ui.escape import escape
from aideator.sandbox.base import Finding


def print_finding(console: Console, finding: Finding) -> None:
    """Print one finding with its mark, and below it how to mend it."""
    if finding.ok:
        mark = ("✓", "green")
    elif finding.fatal:
        mark = ("✗", "red")
    else:
        mark = ("!", "yellow")
    detail = escape(finding.detail)
    console.print(Text.assemble(mark, " ", (finding.name, "bold"), f" {detail}"))
    if finding.fix and not finding.ok:
        for line in finding.fix.splitlines():
            # Whole, also where it is wider than the terminal: it is there to be pasted.
            text = Text(f"    → {escape(line)}", style="cyan", no_wrap=True)
            console.print(text, overflow="ignore", crop=False)
