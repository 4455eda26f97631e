"""Pictures of a run for a terminal. Whatever an agent wrote is hostile: it is made plain before it is shown."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from aideator.cli.view import Lane, View
from aideator.domain.run import Run, RunDetails
from aideator.domain.usage import Usage
from aideator.domain.verdict import Change, CheckResult, Verdict

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[PX^_].*?(\x1b\\|$)|.)?", re.DOTALL)
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
_CHANGES = {
    Change.FIXED: ("✓ fixed", "green"),
    Change.STILL_PASSING: ("✓ passes", "green dim"),
    Change.STILL_FAILING: ("✗ still fails", "yellow"),
    Change.BROKEN: ("✗ BROKEN", "bold red"),
}


def plain(text: str) -> str:
    """Text without terminal escapes, control characters and bidirectional overrides; line breaks stay."""
    text = _ESCAPES.sub("", text)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})


def one_line(text: str, width: int) -> str:
    """The end of a text, on one line."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= width else "…" + flat[-(width - 1) :]


def money(usage: Usage) -> str:
    """Tokens and cost, short."""
    tokens = f"{usage.tokens / 1000:.1f}k tok" if usage.tokens >= 1000 else f"{usage.tokens} tok"
    return f"{tokens} · cost unknown" if usage.cost_usd is None else f"{tokens} · ${usage.cost_usd:.4f}"


def seat_name(lane: Lane) -> str:
    """Who sits on a seat."""
    return " · ".join(part for part in (lane.seat.agent, lane.seat.model, lane.seat.effort) if part)


def live(view: View, *, width: int) -> RenderableType:
    """The wall: one panel for each variation."""
    across = max(1, min(len(view.lanes), width // 36))
    panel_width = width // across - (1 if across > 1 else 0)
    panels = [_panel(lane, panel_width) for _, lane in sorted(view.lanes.items())]
    return Group(_headline(view, width), Columns(panels, width=panel_width, padding=(0, 1, 0, 0)))


def _headline(view: View, width: int) -> Text:
    if view.started is None:
        return Text(view.trouble or "fetching the repository …", style="dim")
    checks = ", ".join(check.label for check in view.started.checks) or "none"
    guessed = " (guessed)" if view.started.checks_guessed else ""
    return Text(one_line(f"base {view.started.commit[:12]} · checks: {checks}{guessed}", width), style="dim")


def _panel(lane: Lane, width: int) -> Panel:
    style = _STYLES.get(lane.state, "white")
    inner = max(10, width - 4)
    said = _last_lines(lane.said, inner, 3)
    rows = [
        Text(f"{lane.state}{_elapsed(lane)}", style=f"bold {style}"),
        Text(said, style="italic dim" if lane.channel == "thought" else ""),
        Text(f"▸ {one_line(lane.tool, inner - 2)}" if lane.tool else "", style="cyan"),
        Text(_progress(lane, inner)),
        Text(money(lane.usage), style="dim"),
    ]
    if lane.failure or lane.trouble:
        rows.append(Text(one_line(lane.failure or lane.trouble, inner), style="red"))
    return Panel(Group(*rows), title=f"{lane.number} {seat_name(lane)}", border_style=style, width=width)


def _last_lines(text: str, width: int, count: int) -> str:
    flat = one_line(text, width * count)
    lines = [flat[start : start + width] for start in range(0, len(flat), width)]
    return "\n".join((lines + [""] * count)[:count])


def _elapsed(lane: Lane) -> str:
    if lane.started is None:
        return ""
    seconds = ((lane.ended or datetime.now(UTC)) - lane.started).total_seconds()
    return f" · {seconds:.0f} s" + (f" · attempt {lane.attempt}" if lane.attempt > 1 else "")


def _progress(lane: Lane, width: int) -> str:
    if lane.verdict is not None:
        return one_line(f"{_size(lane.verdict)} · {_checks_word(lane.checks)}", width)
    parts = [f"{lane.calls} tool calls", lane.plan, _checks_word(lane.checks) if lane.checks else ""]
    return one_line(" · ".join(part for part in parts if part), width)


def _checks_word(checks: Iterable[CheckResult]) -> str:
    results = list(checks)
    return f"{sum(r.passed for r in results)}✓ {sum(not r.passed for r in results)}✗" if results else "no checks"


def _size(verdict: Verdict) -> str:
    stats = verdict.patch
    return f"{stats.files} files +{stats.additions} −{stats.deletions}" if stats.files else "no change"


def comparison(details: RunDetails) -> Table:
    """The verdict matrix: checks × variations against the baseline, then size, cost and time."""
    table = Table(title=f"run {details.id[-8:]}", title_justify="left")
    table.add_column("")
    recommended = details.ranking.recommended if details.ranking else None
    for variation in details.variations:
        mark = " ★" if variation.number == details.winner else " ←" if variation.number == recommended else ""
        table.add_column(f"{variation.number} {variation.seat.agent}{mark}")
    table.add_row("state", *(v.status.value for v in details.variations))
    for check in details.checks:
        table.add_row(f"`{one_line(check.label, 40)}`", *(_cell(v.verdict, check.label) for v in details.variations))
    table.add_row("change", *(_size(v.verdict) if v.verdict else "–" for v in details.variations))
    table.add_row("spent", *(money(v.usage) for v in details.variations))
    table.add_row("time", *(_seconds(v.started_at, v.finished_at) for v in details.variations))
    failures = [one_line(v.failure.message, 60) if v.failure else "" for v in details.variations]
    if any(failures):
        table.add_row("trouble", *(Text(failure, style="red") for failure in failures))
    return table


def _cell(verdict: Verdict | None, label: str) -> Text:
    change = next((row.change for row in verdict.checks if row.check == label), None) if verdict else None
    return Text(*_CHANGES[change]) if change else Text("–", style="dim")


def _seconds(start: datetime | None, end: datetime | None) -> str:
    return f"{(end - start).total_seconds():.1f} s" if start and end else "–"


def conclusion(details: RunDetails) -> Group:
    """The recommendation with its reasons, in sentences."""
    lines: list[Text] = []
    if details.failure:
        lines.append(Text(f"The run failed: {plain(details.failure.message)}", style="red"))
    if details.winner is not None:
        again = f", decided before in run {details.reused_from[-8:]}" if details.reused_from else ""
        lines.append(Text(f"Winner: variation {details.winner}{again}.", style="bold green"))
    elif details.ranking and details.ranking.recommended is not None:
        head = f"Recommended: variation {details.ranking.recommended} (confidence: {details.ranking.confidence})"
        lines.append(Text(head, style="bold green"))
    elif details.ranking:
        lines.append(Text("No recommendation.", style="bold yellow"))
    lines += [Text(f"  · {plain(reason)}") for reason in (details.ranking.reasons if details.ranking else ())]
    return Group(*lines)


def limits_line(details: RunDetails) -> str:
    """What held the variations in, on one line."""
    isolation = next((v.isolation for v in details.variations if v.isolation), None)
    if isolation is None:
        return ""
    limits = ", ".join(f"{name} by {keeper}" for name, keeper in isolation.limits.items())
    return f"sandbox: {isolation.backend}; network: {isolation.network}; {limits}"


def runs_table(runs: Iterable[Run]) -> Table:
    """Runs, newest first."""
    table = Table(box=None)
    for column in ("run", "status", "N", "winner", "repository", "prompt", "age"):
        table.add_column(column)
    for run in runs:
        winner = str(run.winner) if run.winner is not None else ""
        row = (run.id[-8:], run.status.value, str(run.spec.variations), winner, one_line(run.spec.repo_url, 32))
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
