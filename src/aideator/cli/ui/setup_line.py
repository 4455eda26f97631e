"""How a repository is set up and checked: in one line, in a table, while it runs.

Lines may hold anything that a repository does: escape them where they are shown.
"""

from typing import get_args

from rich.console import Group
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import escape
from aideator.domain.events import (
    EventBody,
    HostAnswered,
    HostAsked,
    RunStarted,
    SetupRan,
)
from aideator.domain.hosts import HostAnswer
from aideator.domain.project import Origin, Project, ProjectField, Uncommitted
from aideator.domain.wording import count

_ORIGINS = {
    Origin.REQUEST: "as requested",
    Origin.FILE: ".aideator.toml",
    Origin.GUESS: "guessed",
}
_ABSENT: dict[ProjectField, str] = {
    "setup": "none",
    "checks": "none: nothing is proven then; name one with --check",
    "protected": "none",
}
_ANSWERS = {
    HostAnswer.ONCE: "allowed in this run",
    HostAnswer.REPOSITORY: "allowed in this repository",
    HostAnswer.ALWAYS: "always allowed",
    HostAnswer.REFUSE: "refused",
    HostAnswer.NOBODY: "refused, as nobody answered",
}
_FAILED_LINES = 12
"""Lines of a failed command's output that are shown; its end says most."""


def start_line(body: RunStarted | SetupRan | HostAsked | HostAnswered) -> str:
    """Return what happened before the agents start, in one line."""
    if isinstance(body, SetupRan):
        return _setup_result(body)
    if isinstance(body, HostAsked):
        return f"set-up asks for {body.host} (by {body.asked_by})"
    if isinstance(body, HostAnswered):
        return f"{body.host}: {_ANSWERS[body.answer]}"
    if body.commit is None:
        return f"fetching {body.repo_url}"
    base = f"base {body.commit[:12]}"
    return f"{base}, {count(body.variations, 'variation')} · {setup_line(body)}"


def setup_line(started: RunStarted) -> str:
    """Return set-up, checks and protected paths, and where they come from."""
    setup = "; ".join(command.command for command in started.setup)
    checks = ", ".join(check.label for check in started.checks) or "none"
    parts = [f"checks: {checks}{_origin(started, 'checks')}"]
    if setup:
        parts.insert(0, f"set-up: {setup}{_origin(started, 'setup')}")
    if started.protected:
        parts.append(f"protected: {', '.join(started.protected)}")
    if started.path:
        parts.insert(0, f"in {started.path}")
    return " · ".join(parts)


def _origin(started: RunStarted, finding: ProjectField) -> str:
    origin = started.sources.get(finding, Origin.REQUEST)
    return f" ({_ORIGINS[origin]})" if origin is not Origin.REQUEST else ""


def _setup_result(ran: SetupRan) -> str:
    result = ran.result
    if ran.cached:
        return "set-up was done in an earlier run"
    outcome = "done" if result.passed else "failed"
    line = f"set-up `{result.check}` {outcome} after {result.seconds:.1f} s"
    if ran.hosts:
        line += (
            f", reached {', '.join(host.removesuffix(':443') for host in ran.hosts)}"
        )
    return f"{line}: {result.note}" if result.note else line


def detail_lines(body: EventBody) -> list[str]:
    """Return the lines below an event's own: notes, and the output of what failed."""
    if isinstance(body, RunStarted):
        return [f"note: {note}" for note in body.notes]
    if isinstance(body, SetupRan) and not body.result.passed:
        return body.result.output.splitlines()[-_FAILED_LINES:]
    return []


def project_table(project: Project) -> Group:
    """Return how a repository would be set up and checked, as a table with notes."""
    entries: dict[ProjectField, list[str]] = {
        "setup": [command.command for command in project.setup],
        "checks": [check.label for check in project.checks],
        "protected": list(project.protected),
    }
    table = Table(box=None, show_header=False)
    for finding in get_args(ProjectField):
        listed = entries[finding]
        origin = _ORIGINS[project.sources[finding]] if listed else ""
        table.add_row(
            Text(finding, style="bold"),
            Text("\n".join(map(escape, listed)) or _ABSENT[finding], overflow="fold"),
            Text(origin, style="dim"),
        )
    if project.reach:
        table.add_row(
            Text("from", style="bold"),
            Text("\n".join(map(escape, project.reach)), overflow="fold"),
            Text("this machine's registries", style="dim"),
        )
    remarks = [*project.notes, *_working_tree(project)]
    notes = [Text(f"! {escape(note)}", style="yellow") for note in remarks]
    return Group(Text(f"commit {project.commit[:12]}", style="dim"), table, *notes)


def _working_tree(project: Project) -> list[str]:
    """Return remarks on what the working tree has besides the commit."""
    remarks = []
    if project.uncommitted is not None:
        remarks.append(left_out_line(project.uncommitted))
    if project.ignored:
        remarks.append(
            f"ignored files that .worktreeinclude names: {', '.join(project.ignored)};"
            " --include-ignored lets sandboxes see them"
        )
    return remarks


def left_out_line(uncommitted: Uncommitted) -> str:
    """Return that what is in no commit is not in a run, and what changes that."""
    is_one = uncommitted.changed + uncommitted.untracked == 1
    verb, them = ("is", "it") if is_one else ("are", "them")
    return (
        f"{uncommitted.describe()} {verb} in no commit and not in the run;"
        f" --include-uncommitted takes {them} along"
    )
