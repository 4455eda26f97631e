"""Draw a run that has ended: the comparison of its variations, and the conclusion."""

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import escape, one_line
from aideator.cli.ui.evidence import check_cell, cross_cell
from aideator.cli.ui.figures import duration, tokens
from aideator.cli.ui.outputs import FEW_LINES, end_of_output
from aideator.domain import wording
from aideator.domain.ranking import Ranking
from aideator.domain.run import RunDetails, Variation

_LABEL_WIDTH, _CELL_WIDTH = 24, 15
"""Terminal cells: the width of a row's label, and the least width of a variation."""
_TEXT_WIDTH, _FLAG_WIDTH = 80, 240
_FLAGS = 8
"""Flags that are listed for each variation."""


def print_summary(console: Console, details: RunDetails) -> None:
    """Print the comparison, the conclusion, and how the variations were isolated."""
    console.print(comparison(details, width=console.width))
    console.print(conclusion(details))
    if line := isolation_line(details):
        console.print(line, style="dim", highlight=False)


def comparison(details: RunDetails, *, width: int) -> Group:
    """Return checks × variations, then size, cost and time.

    Variations that do not fit side by side go below each other, in tables of equal
    size.
    """
    fit = max(1, (width - _LABEL_WIDTH) // _CELL_WIDTH)
    variations = details.variations
    tables = max(1, -(-len(variations) // fit))
    size = max(1, -(-len(variations) // tables))
    head = Text(f"run {details.id[-8:]} · {details.status}", style="bold")
    blocks = [
        _matrix(details, variations[start : start + size])
        for start in range(0, len(variations), size)
    ]
    return Group(head, *blocks)


def _matrix(details: RunDetails, variations: Sequence[Variation]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", max_width=_LABEL_WIDTH)
    for variation in variations:
        head = f"{variation.number} {variation.spec.agent}{_mark(details, variation)}"
        table.add_column(head, min_width=_CELL_WIDTH - 2)
    table.add_row("state", *(v.status.value for v in variations))
    for check in details.checks:
        label = Text(escape(check.label), overflow="fold")
        table.add_row(label, *(check_cell(v.verdict, check.label) for v in variations))
    evidence = details.evidence
    if evidence and evidence.cross_tests:
        table.add_row("cross-tests", *(cross_cell(evidence, v) for v in variations))
    for heading, figures in _figures(variations).items():
        table.add_row(heading, *figures)
    failures = [_failure(variation) for variation in variations]
    if any(failures):
        table.add_row("trouble", *failures)
    return table


def _mark(details: RunDetails, variation: Variation) -> str:
    """Return the mark of the winner (★) or of the recommended variation (←)."""
    if variation.number == details.winner:
        return " ★"
    return " ←" if variation.number == details.recommended else ""


def _figures(variations: Sequence[Variation]) -> dict[str, list[str]]:
    """Return the rows that are shown and never decide."""
    return {
        "change": [_size(variation) for variation in variations],
        "tokens": [tokens(variation.usage) for variation in variations],
        "cost": [wording.money(variation.usage.cost_usd) for variation in variations],
        "time": [duration(v.started_at, v.finished_at) for v in variations],
    }


def _size(variation: Variation) -> str:
    verdict = variation.verdict
    return wording.patch_size(verdict.patch) if verdict else "–"


def _failure(variation: Variation) -> Text:
    failure = variation.failure
    return Text(one_line(failure.message, _TEXT_WIDTH) if failure else "", style="red")


def conclusion(details: RunDetails) -> Group:
    """Return the winner or the recommendation, its reasons, and the flags."""
    lines = _outcome(details)
    if details.ranking:
        lines += _reasons(details.ranking)
    for variation in details.variations:
        lines += _flags(variation)
    return Group(*lines)


def _outcome(details: RunDetails) -> list[Text]:
    lines: list[Text] = []
    if details.failure:
        message = escape(details.failure.message)
        lines.append(Text(f"The run failed: {message}", style="red"))
        if details.failure.output:
            lines.append(end_of_output(details.failure.output, lines=FEW_LINES))
    if details.winner is not None:
        reused = details.reused_from
        before = f", decided before in run {reused[-8:]}" if reused else ""
        winner = f"Winner: variation {details.winner}{before}."
        lines.append(Text(winner, style="bold green"))
    elif details.ranking:
        known = details.recommended is not None
        style = "bold green" if known else "bold yellow"
        lines.append(Text(f"{wording.recommendation(details.ranking)}.", style=style))
    return lines


def _reasons(ranking: Ranking) -> list[Text]:
    lines = [Text(f"  · {escape(reason)}") for reason in ranking.reasons]
    if ranking.settle:
        lines.append(Text(f"To settle it: {escape(ranking.settle)}"))
    if ranking.rule:
        lines.append(Text(escape(ranking.rule), style="dim"))
    return lines


def _flags(variation: Variation) -> list[Text]:
    """Return what a person has to clear, each with the first line of its excerpt."""
    flags = variation.verdict.flags if variation.verdict else ()
    style = "yellow" if variation.cleared is None else "dim"
    head = f"⚑ variation {variation.number}"
    lines: list[str] = []
    for flag in flags[:_FLAGS]:
        excerpt = one_line(flag.excerpt.partition("\n")[0], _TEXT_WIDTH)
        line = f"{head}, {one_line(wording.flag_line(flag), _FLAG_WIDTH)}"
        lines.append(f"{line}  {excerpt}" if excerpt else line)
    if len(flags) > _FLAGS:
        lines.append(f"{head}: {len(flags) - _FLAGS} more")
    return [Text(line, style=style) for line in lines]


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
