"""Pictures of a run for a terminal.

Whatever an agent wrote is hostile: it is made plain before it is shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich import box
from rich.cells import chop_cells
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import end_of, one_line, plain
from aideator.cli.ui.evidence import check_cell, cross_cell
from aideator.cli.ui.reduce import Lane, View
from aideator.cli.ui.setup_line import found_line
from aideator.domain.check import CheckResult
from aideator.domain.run import Run, RunDetails, Variation
from aideator.domain.usage import Usage
from aideator.domain.verdict import Verdict

_STYLES = {
    "queued": "dim",
    "thinking": "magenta",
    "working": "cyan",
    "writing": "blue",
    "checking": "yellow",
    "done": "green",
    "failed": "red",
    "stopped": "red dim",
}
_LABEL_WIDTH, _CELL_WIDTH = 24, 15
"""Cells of the comparison: what a row is called, and the least that a variation
needs."""
_FLAGS = 8
"""Flags that are listed for each variation."""
_PANEL_WIDTH, _PANEL_HEIGHT = 36, 10
"""Cells: the least width that can be read, and the height with borders and a line of
trouble."""


def money(usage: Usage) -> str:
    """Tokens and cost, short."""
    return f"{_tokens(usage)} tok · {_cost(usage)}"


def _tokens(usage: Usage) -> str:
    return f"{usage.tokens / 1000:.1f}k" if usage.tokens >= 1000 else str(usage.tokens)


def _cost(usage: Usage) -> str:
    return "unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"


def agent_name(lane: Lane) -> str:
    """Return agent, model and effort of a variation in one line."""
    return " · ".join(
        part for part in (lane.spec.agent, lane.spec.model, lane.spec.effort) if part
    )


def live(
    view: View, *, width: int, height: int, now: datetime | None = None
) -> RenderableType:
    """The wall: a panel for each variation, or a line for each where the screen is too small for panels.

    `now` is the moment that a replay has come to; the present one when absent.
    """
    now = now or datetime.now(UTC)
    lanes = [lane for _, lane in sorted(view.lanes.items())]
    across = max(1, min(len(lanes), width // _PANEL_WIDTH))
    if 1 + -(-len(lanes) // across) * _PANEL_HEIGHT > height:
        return Group(_headline(view, width), *_lines(lanes, width, height - 3, now))
    wall = Table.grid(padding=(0, 1, 0, 0))
    for start in range(0, len(lanes), across):
        wall.add_row(
            *(
                _panel(lane, width // across - 1, now)
                for lane in lanes[start : start + across]
            )
        )
    return Group(_headline(view, width), wall)


def _lines(lanes: list[Lane], width: int, count: int, now: datetime) -> list[Text]:
    """As many variations as fit, those at work first."""
    if len(lanes) > count:
        lanes = sorted(
            lanes,
            key=lambda lane: (
                lane.started is None or lane.ended is not None,
                lane.number,
            ),
        )
    rows = [_row(lane, width, now) for lane in lanes[:count]]
    others = Counter(lane.state for lane in lanes[count:])
    told = ", ".join(f"{number} {state}" for state, number in others.items())
    return [*rows, Text(f"and {told}", style="dim")] if told else rows


def _row(lane: Lane, width: int, now: datetime) -> Text:
    spent = money(lane.usage)
    head = f"{lane.number:>3} {lane.state}{_elapsed(lane, now)}"
    about = (
        lane.failure
        or lane.trouble
        or (_progress(lane, width) if lane.verdict else lane.tool or lane.said)
    )
    room = max(0, width - len(head) - len(spent) - 6)
    row = Text.assemble(
        (head, f"bold {_STYLES.get(lane.state, 'white')}"),
        "  ",
        one_line(about, room) if room else "",
        no_wrap=True,
    )
    row.truncate(max(0, width - len(spent) - 2), overflow="ellipsis", pad=True)
    return row.append(f"  {spent}", style="dim")


def _headline(view: View, width: int) -> Text:
    if view.started is None or view.started.commit is None:
        what = view.started.repo_url if view.started else "the repository"
        return Text(view.trouble or one_line(f"fetching {what} …", width), style="dim")
    if view.trouble and not any(lane.started for lane in view.lanes.values()):
        return Text(one_line(view.trouble, width), style="red")
    if len(view.setup) < len(view.started.setup) and not view.is_set_up:
        now = view.started.setup[len(view.setup)].command
        return Text(
            one_line(
                f"setting up ({len(view.setup) + 1} of {len(view.started.setup)}): {now}",
                width,
            )
        )
    return Text(
        one_line(
            f"base {view.started.commit[:12]} · {found_line(view.started)}", width
        ),
        style="dim",
    )


def _panel(lane: Lane, width: int, now: datetime) -> Panel:
    style = _STYLES.get(lane.state, "white")
    inner = max(10, width - 4)
    said = _last_lines(lane.said, inner, 3)
    rows = [
        Text(f"{lane.state}{_elapsed(lane, now)}", style=f"bold {style}"),
        Text(said, style="italic dim" if lane.channel == "thought" else ""),
        Text(f"▸ {one_line(lane.tool, inner - 2)}" if lane.tool else "", style="cyan"),
        Text(_progress(lane, inner)),
        Text(money(lane.usage), style="dim"),
    ]
    if lane.failure or lane.trouble:
        rows.append(Text(one_line(lane.failure or lane.trouble, inner), style="red"))
    return Panel(
        Group(*rows),
        title=f"{lane.number} {agent_name(lane)}",
        border_style=style,
        width=width,
    )


def _last_lines(text: str, width: int, count: int) -> str:
    lines = [
        line.strip() for line in chop_cells(end_of(text, width * count), width)[-count:]
    ]
    return "\n".join(lines + [""] * (count - len(lines)))


def _elapsed(lane: Lane, now: datetime) -> str:
    if lane.started is None:
        return ""
    seconds = ((lane.ended or now) - lane.started).total_seconds()
    return f" · {seconds:.0f} s" + (
        f" · attempt {lane.attempt}" if lane.attempt > 1 else ""
    )


def _progress(lane: Lane, width: int) -> str:
    if lane.verdict is not None:
        return one_line(f"{_size(lane.verdict)} · {_checks_word(lane.checks)}", width)
    parts = [
        f"{lane.calls} tool calls",
        lane.plan,
        _checks_word(lane.checks) if lane.checks else "",
    ]
    return one_line(" · ".join(part for part in parts if part), width)


def _checks_word(checks: Iterable[CheckResult]) -> str:
    results = list(checks)
    return (
        f"{sum(r.passed for r in results)}✓ {sum(not r.passed for r in results)}✗"
        if results
        else "no checks"
    )


def _size(verdict: Verdict) -> str:
    stats = verdict.patch
    if not stats.files:
        return "no change"
    return f"{stats.files} file{'s' * (stats.files > 1)} +{stats.additions} −{stats.deletions}"


def comparison(details: RunDetails, *, width: int) -> Group:
    """The verdict matrix: checks × variations against the baseline, then size, cost and time.

    Variations that do not fit side by side go below each other, in tables of equal
    size.
    """
    across = max(1, (width - _LABEL_WIDTH) // _CELL_WIDTH)
    agents = details.variations
    tables = max(1, -(-len(agents) // across))
    size = max(1, -(-len(agents) // tables))
    blocks = [
        _matrix(details, agents[start : start + size])
        for start in range(0, len(agents), size)
    ]
    return Group(
        Text(f"run {details.id[-8:]} · {details.status}", style="bold"), *blocks
    )


def _matrix(details: RunDetails, variations: Sequence[Variation]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", max_width=_LABEL_WIDTH)
    recommended = details.ranking.recommended if details.ranking else None
    for variation in variations:
        mark = (
            " ★"
            if variation.number == details.winner
            else " ←"
            if variation.number == recommended
            else ""
        )
        table.add_column(
            f"{variation.number} {variation.spec.agent}{mark}",
            min_width=_CELL_WIDTH - 2,
        )
    table.add_row("state", *(v.status.value for v in variations))
    for check in details.checks:
        label = Text(plain(check.label), overflow="fold")
        table.add_row(label, *(check_cell(v.verdict, check.label) for v in variations))
    if details.evidence and details.evidence.cross_tests:
        table.add_row(
            "cross-tests", *(cross_cell(details.evidence, v) for v in variations)
        )
    table.add_row(
        "change", *(_size(v.verdict) if v.verdict else "–" for v in variations)
    )
    table.add_row("tokens", *(_tokens(v.usage) for v in variations))
    table.add_row("cost", *(_cost(v.usage) for v in variations))
    table.add_row("time", *(_seconds(v.started_at, v.finished_at) for v in variations))
    failures = [
        one_line(v.failure.message, 80) if v.failure else "" for v in variations
    ]
    if any(failures):
        table.add_row("trouble", *(Text(failure, style="red") for failure in failures))
    return table


def _seconds(start: datetime | None, end: datetime | None) -> str:
    return f"{(end - start).total_seconds():.1f} s" if start and end else "–"


def conclusion(details: RunDetails) -> Group:
    """The recommendation with its reasons, in sentences."""
    lines: list[Text] = []
    if details.failure:
        lines.append(
            Text(f"The run failed: {plain(details.failure.message)}", style="red")
        )
    if details.winner is not None:
        again = (
            f", decided before in run {details.reused_from[-8:]}"
            if details.reused_from
            else ""
        )
        lines.append(
            Text(f"Winner: variation {details.winner}{again}.", style="bold green")
        )
    elif details.ranking and details.ranking.recommended is not None:
        head = f"Recommended: variation {details.ranking.recommended} (confidence: {details.ranking.confidence})"
        lines.append(Text(head, style="bold green"))
    elif details.ranking:
        lines.append(Text("No recommendation.", style="bold yellow"))
    if details.ranking:
        lines += [Text(f"  · {plain(reason)}") for reason in details.ranking.reasons]
        lines += (
            [Text(f"To settle it: {plain(details.ranking.settle)}")]
            if details.ranking.settle
            else []
        )
        lines += (
            [Text(plain(details.ranking.rule), style="dim")]
            if details.ranking.rule
            else []
        )
    lines += [line for variation in details.variations for line in _flags(variation)]
    return Group(*lines)


def _flags(variation: Variation) -> list[Text]:
    """What needs the user's word, with the first line that tells it."""
    flags = variation.verdict.flags if variation.verdict else ()
    style = "yellow" if variation.cleared is None else "dim"
    lines = []
    for flag in flags[:_FLAGS]:
        told = one_line(flag.excerpt.partition("\n")[0], 80)
        where = f"⚑ variation {variation.number}, {one_line(flag.path, 60)}: {plain(flag.message)}"
        lines.append(Text(where + (f"  {told}" if told else ""), style=style))
    if len(flags) > _FLAGS:
        lines.append(
            Text(
                f"⚑ variation {variation.number}: {len(flags) - _FLAGS} more",
                style=style,
            )
        )
    return lines


def limits_line(details: RunDetails) -> str:
    """What held the variations in, on one line."""
    isolation = next((v.isolation for v in details.variations if v.isolation), None)
    if isolation is None:
        return ""
    keepers: dict[str, list[str]] = {}
    for name, keeper in isolation.limits.items():
        keepers.setdefault(keeper, []).append(name)
    limits = "; ".join(
        f"{', '.join(names)} by {keeper}" for keeper, names in keepers.items()
    )
    return (
        f"sandbox: {isolation.backend}, network: {isolation.network}, limits: {limits}"
    )


def runs_table(runs: Iterable[Run]) -> Table:
    """Runs, newest first."""
    table = Table(box=None)
    for column in ("run", "status", "N", "winner", "repository", "prompt", "age"):
        table.add_column(column)
    for run in runs:
        winner = str(run.winner) if run.winner is not None else ""
        row = (
            run.id[-8:],
            run.status.value,
            str(run.spec.variations),
            winner,
            end_of(run.spec.repo_url, 32),
        )
        table.add_row(*row, one_line(run.spec.prompt, 40), _age(run.created_at))
    return table


def _age(moment: datetime) -> str:
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def show_patch(console: Console, patch: str) -> None:
    """A patch in colour, escapes made harmless."""
    console.print(Syntax(plain(patch), "diff", theme="ansi_dark", word_wrap=True))
