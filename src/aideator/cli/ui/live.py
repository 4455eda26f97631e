"""Draw a run while it works: a panel or a line for each variation."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.cells import cell_len, chop_cells
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import end_of_line, one_line
from aideator.cli.ui.figures import spent
from aideator.cli.ui.reduce import RunView, VariationView
from aideator.cli.ui.setup_line import setup_line
from aideator.domain import wording
from aideator.domain.check import CheckResult

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
_PANEL_WIDTH, _PANEL_HEIGHT = 36, 10
"""Terminal cells: the least width that can be read; the height with borders and a line
for trouble."""
_SAID_LINES = 3


def live(
    view: RunView, *, width: int, height: int, now: datetime | None = None
) -> RenderableType:
    """Return the picture of a run.

    Each variation is a panel, or a line where the screen is too small for panels.

    Args:
        view: The run.
        width: Columns of the screen.
        height: Lines of the screen.
        now: The moment that a replay has reached; the current time when absent.
    """
    now = now or datetime.now(UTC)
    variations = [variation for _, variation in sorted(view.variations.items())]
    if view.trouble and not view.has_agents:
        return Text()  # the outcome, which follows, says it whole
    columns = max(1, min(len(variations), width // _PANEL_WIDTH))
    rows = -(-len(variations) // columns)
    head = _headline(view, width, now)
    room = height - 1 - head.plain.count("\n")
    if rows * _PANEL_HEIGHT > room:
        return Group(head, *_lines(variations, width, room - 2, now))
    grid = Table.grid(padding=(0, 1, 0, 0))
    for start in range(0, len(variations), columns):
        shown = variations[start : start + columns]
        grid.add_row(*(_panel(v, width // columns - 1, now) for v in shown))
    return Group(head, grid)


def _question(view: RunView, width: int) -> Text:
    """Return the question about a host that set-up waits for."""
    host, asked_by = next(iter(view.asked_hosts.items()))
    keys = "[o]nce · this [r]epository · [a]lways · [n]o"
    question = f"set-up asks for {host.removesuffix(':443')} (by {asked_by}). Allow it?"
    return Text(f"{one_line(question, width)}\n  {keys}", style="bold yellow")


def _headline(view: RunView, width: int, now: datetime) -> Text:
    """Return what the run does before its agents start, with a clock, or its base."""
    if view.asked_hosts:
        return _question(view, width)
    text = Text(preparation(view, now, width=width))
    if not text:
        assert view.started is not None
        line = f"base {(view.started.commit or '')[:12]} · {setup_line(view.started)}"
        return Text(one_line(line, width), style="dim")
    if printed := _last_printed(view):
        text.append(f"\n  {one_line(printed, width - 2)}", style="dim")
    return text


def preparation(view: RunView, now: datetime, *, width: int) -> str:
    """Return what goes on before the agents start, with a clock; empty afterwards."""
    current = _preparation(view)
    clock = _clock(view.step_at, now) if current else ""
    return one_line(current, width - len(clock)) + clock


def _preparation(view: RunView) -> str:
    """Return the step before the agents that goes on now; empty when all are done."""
    started = view.started
    if started is None or started.commit is None:
        return f"fetching {started.repo_url if started else 'the repository'} …"
    if view.has_agents:
        return ""
    commands = [] if view.is_set_up else [each.command for each in started.setup]
    labels = [check.label for check in started.checks]
    return _step("setting up", commands, len(view.setup)) or _step(
        "checking the base", labels, len(view.baseline)
    )


def _step(what: str, names: Sequence[str], done: int) -> str:
    """Return which of several steps is next; empty when all are done."""
    if done >= len(names):
        return ""
    return f"{what} ({done + 1} of {len(names)}): {names[done]}"


def _clock(since: datetime | None, now: datetime) -> str:
    """Return how long something takes already; empty in its first second."""
    seconds = (now - since).total_seconds() if since else 0
    return f" · {seconds:.0f} s" if seconds >= 1 else ""


def _last_printed(view: RunView) -> str:
    """Return the last line that set-up or a check of the base has printed so far."""
    if view.setup_line:
        return view.setup_line
    results = [*view.setup, *view.baseline]
    lines = results[-1].output.strip().splitlines() if results else []
    return lines[-1] if lines else ""


def _lines(
    variations: list[VariationView], width: int, count: int, now: datetime
) -> list[Text]:
    """Return as many lines as fit, those at work first, and a count of the others."""
    if len(variations) > count:
        variations = sorted(variations, key=lambda v: (not _is_at_work(v), v.number))
    lines = [_line(variation, width, now) for variation in variations[:count]]
    others = Counter(variation.state for variation in variations[count:])
    if others:
        counts = ", ".join(f"{number} {state}" for state, number in others.items())
        lines.append(Text(f"and {counts}", style="dim"))
    return lines


def _is_at_work(variation: VariationView) -> bool:
    return variation.started is not None and variation.ended is None


def _line(variation: VariationView, width: int, now: datetime) -> Text:
    cost = spent(variation.usage)
    head = f"{variation.number:>3} {variation.state}{_elapsed(variation, now)}"
    room = max(0, width - len(head) - len(cost) - 6)
    style = f"bold {_STYLES.get(variation.state, 'white')}"
    activity = one_line(_activity(variation, width), room) if room else ""
    line = Text.assemble((head, style), "  ", activity, no_wrap=True)
    line.truncate(max(0, width - len(cost) - 2), overflow="ellipsis", pad=True)
    return line.append(f"  {cost}", style="dim")


def _activity(variation: VariationView, width: int) -> str:
    """Return what a line has room for: trouble, result or current work."""
    if variation.failure or variation.trouble:
        return variation.failure or variation.trouble
    if variation.verdict:
        return _progress(variation, width)
    return variation.tool or variation.said


def _panel(variation: VariationView, width: int, now: datetime) -> Panel:
    style = _STYLES.get(variation.state, "white")
    inner = max(10, width - 4)
    elapsed = _elapsed(variation, now)
    is_thought = variation.channel == "thought"
    tool = f"▸ {one_line(variation.tool, inner - 2)}" if variation.tool else ""
    rows = [
        Text(f"{variation.state}{elapsed}", style=f"bold {style}"),
        Text(
            _last_lines(variation.said, inner, _SAID_LINES),
            style="italic dim" if is_thought else "",
        ),
        Text(tool, style="cyan"),
        Text(_progress(variation, inner)),
        Text(spent(variation.usage), style="dim"),
    ]
    trouble = variation.failure or variation.trouble
    if trouble:
        rows.append(Text(one_line(trouble, inner), style="red"))
    return Panel(
        Group(*rows),
        title=Text(one_line(f"{variation.number} {_agent(variation)}", inner)),
        border_style=style,
        width=width,
    )


def _agent(variation: VariationView) -> str:
    """Return agent, model and effort of a variation."""
    spec = variation.spec
    return " · ".join(part for part in (spec.agent, spec.model, spec.effort) if part)


def _last_lines(text: str, width: int, count: int) -> str:
    """Return the last lines of a text, broken between words where it has any."""
    lines: list[str] = []
    for line in text.splitlines():
        flat = end_of_line(line, width * (count + 1))
        # Wide characters, which have no spaces between words, take two cells.
        is_narrow = cell_len(flat) == len(flat)
        lines += textwrap.wrap(flat, width) if is_narrow else chop_cells(flat, width)
    end = [line.strip() for line in lines if line.strip()][-count:]
    return "\n".join(end + [""] * (count - len(end)))


def _elapsed(variation: VariationView, now: datetime) -> str:
    if variation.started is None:
        return _clock(variation.queued_at, now)
    seconds = ((variation.ended or now) - variation.started).total_seconds()
    attempt = f" · attempt {variation.attempt}" if variation.attempt > 1 else ""
    return f" · {seconds:.0f} s{attempt}"


def _progress(variation: VariationView, width: int) -> str:
    checks = _check_counts(variation.checks)
    if variation.verdict is not None:
        size = wording.patch_size(variation.verdict.patch)
        return one_line(f"{size} · {checks or 'no checks'}", width)
    calls = wording.count(variation.calls, "tool call")
    parts = [calls, variation.plan, checks]
    return one_line(" · ".join(part for part in parts if part), width)


def _check_counts(checks: Sequence[CheckResult]) -> str:
    """Return how many checks pass and fail; empty where none has ended."""
    if not checks:
        return ""
    passed = sum(result.passed for result in checks)
    return f"{passed}✓ {len(checks) - passed}✗"
