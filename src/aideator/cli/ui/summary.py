"""Draw a run that has ended: the comparison of its variations, and the conclusion."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import escape, one_line
from aideator.cli.ui.evidence import check_cell, cross_cell
from aideator.cli.ui.figures import duration, tokens
from aideator.cli.ui.next_steps import next_steps
from aideator.cli.ui.verdict import flag_lines, verdict_lines
from aideator.domain import wording
from aideator.domain.run import RunDetails, Variation, VariationStatus

_LABEL_WIDTH, _CELL_WIDTH = 24, 15
"""Terminal cells: the width of a row's label, and the least width of a variation."""
_TEXT_WIDTH = 80
_FLAGS, _FLAGS_AT_THE_END = 8, 2
"""Flags that are listed for each variation: by `show`, and when a run ends."""


def print_summary(console: Console, details: RunDetails) -> None:
    """Print all that is known of a run: comparison, conclusion, isolation."""
    _print_comparison(console, details)
    console.print(conclusion(details))
    if line := isolation_line(details):
        console.print(line, style="dim", highlight=False)


def print_outcome(
    console: Console,
    details: RunDetails,
    *,
    simulated: bool = False,
    steps: Sequence[str] | None = None,
) -> None:
    """Print how a run has ended, to fit a screen: the next step comes last.

    Args:
        console: Where it is printed.
        details: The run.
        simulated: Whether its cost is not charged to anybody.
        steps: What to do next; the commands that fit its end when absent.
    """
    _print_comparison(console, details, simulated=simulated)
    lines = verdict_lines(details, brief=True)
    for variation in details.variations:
        lines += flag_lines(variation, most=_FLAGS_AT_THE_END)
    console.print(Group(*lines))
    steps = next_steps(details) if steps is None else steps
    if steps:
        text = "\n".join(["", "next:", *(f"  {step}" for step in steps)])
        console.print(text, style="dim", highlight=False, soft_wrap=True)


def _print_comparison(
    console: Console, details: RunDetails, *, simulated: bool = False
) -> None:
    if any(each.started_at or each.verdict for each in details.variations):
        drawn = comparison(details, width=console.width, simulated=simulated)
        console.print(drawn, Text())
    else:
        console.print(_head(details))


def comparison(details: RunDetails, *, width: int, simulated: bool = False) -> Group:
    """Return checks × variations, then size, cost and time.

    Variations that do not fit side by side go below each other, in tables of equal
    size.
    """
    fit = max(1, (width - _LABEL_WIDTH) // _CELL_WIDTH)
    variations = details.variations
    tables = max(1, -(-len(variations) // fit))
    size = max(1, -(-len(variations) // tables))
    blocks = [
        _matrix(details, variations[start : start + size], simulated=simulated)
        for start in range(0, len(variations), size)
    ]
    return Group(_head(details), *blocks)


def _head(details: RunDetails) -> Text:
    return Text(f"run {details.id[-8:]} · {details.status}", style="bold")


def _matrix(
    details: RunDetails, variations: Sequence[Variation], *, simulated: bool
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", max_width=_LABEL_WIDTH)
    for variation in variations:
        head = f"{variation.number} {variation.spec.agent}{_mark(details, variation)}"
        table.add_column(head, min_width=_CELL_WIDTH - 2)
    if {v.status for v in details.variations} != {VariationStatus.FINISHED}:
        table.add_row("state", *(v.status.value for v in variations))
    for check in details.checks:
        label = Text(escape(check.label), overflow="fold")
        table.add_row(label, *(check_cell(v.verdict, check.label) for v in variations))
    _add_figures(table, details, variations, simulated=simulated)
    failures = [_failure(variation) for variation in variations]
    if any(failures):
        table.add_row("trouble", *failures)
    return table


def _add_figures(
    table: Table,
    details: RunDetails,
    variations: Sequence[Variation],
    *,
    simulated: bool,
) -> None:
    evidence = details.evidence
    if evidence and evidence.cross_tests:
        table.add_row("cross-tests", *(cross_cell(evidence, v) for v in variations))
    for heading, figures in _figures(variations, simulated=simulated).items():
        table.add_row(heading, *figures)


def _mark(details: RunDetails, variation: Variation) -> str:
    """Return the mark of the winner (★) or of the recommended variation (←)."""
    if variation.number == details.winner:
        return " ★"
    return " ←" if variation.number == details.recommended else ""


def _figures(
    variations: Sequence[Variation], *, simulated: bool
) -> dict[str, list[str]]:
    """Return the rows that are shown and never decide."""
    cost = "cost, simulated" if simulated else "cost"
    return {
        "change": [_size(variation) for variation in variations],
        "tokens, time": [_effort(variation) for variation in variations],
        cost: [wording.money(variation.usage.cost_usd) for variation in variations],
    }


def _effort(variation: Variation) -> str:
    time = duration(variation.started_at, variation.finished_at)
    return f"{tokens(variation.usage)}, {time}"


def _size(variation: Variation) -> str:
    verdict = variation.verdict
    return wording.patch_size(verdict.patch) if verdict else "–"


def _failure(variation: Variation) -> Text:
    failure = variation.failure
    return Text(one_line(failure.message, _TEXT_WIDTH) if failure else "", style="red")


def conclusion(details: RunDetails) -> Group:
    """Return the winner or the recommendation, its reasons, and the flags."""
    lines = verdict_lines(details, brief=False)
    for variation in details.variations:
        lines += flag_lines(variation, most=_FLAGS)
        notes = variation.verdict.notes if variation.verdict else ()
        lines += [Text(f"note, {variation.number}: {escape(note)}") for note in notes]
    return Group(*lines)


def isolation_line(details: RunDetails) -> str:
    """Return how the variations were isolated: back end, network, limits."""
    isolation = next((v.isolation for v in details.variations if v.isolation), None)
    if isolation is None:
        return ""
    enforcers: dict[str, list[str]] = {}
    for limit, enforcer in isolation.limits.items():
        enforcers.setdefault(enforcer, []).append(limit)
    limits = "; ".join(
        f"{', '.join(names)} by {enforcer}" for enforcer, names in enforcers.items()
    )
    return (
        f"sandbox: {isolation.backend}, network: {isolation.network}, limits: {limits}"
    )
