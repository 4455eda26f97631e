"""What a run has found out about its repository, in words.

They may hold anything: who shows them makes them plain.
"""

from aideator.domain.events import EventBody, RunStarted, SetupRan
from aideator.domain.project import Origin, ProjectField

SOURCES = {
    Origin.REQUEST: "as asked for",
    Origin.FILE: ".aideator.toml",
    Origin.GUESS: "guessed",
}
_FAILED_LINES = 12
"""Lines of a failed command's output that are shown: the end tells the most."""


def opening(body: RunStarted | SetupRan) -> str:
    """What happens before the agents begin."""
    return _setup(body) if isinstance(body, SetupRan) else _started(body)


def _started(started: RunStarted) -> str:
    if started.commit is None:
        return f"fetching {started.repo_url}"
    return f"base {started.commit[:12]}, {started.variations} variations · {found_line(started)}"


def found_line(started: RunStarted) -> str:
    """Set-up, checks and protected paths, and where they are from."""
    setup = "; ".join(command.command for command in started.setup)
    checks = ", ".join(check.label for check in started.checks) or "none"
    parts = [
        f"set-up: {setup}{_source(started, 'setup')}" if setup else "",
        f"checks: {checks}{_source(started, 'checks')}",
        f"protected: {', '.join(started.protected)}" if started.protected else "",
    ]
    return " · ".join(part for part in parts if part)


def _source(started: RunStarted, what: ProjectField) -> str:
    source = started.sources.get(what, Origin.REQUEST)
    return f" ({SOURCES[source]})" if source is not Origin.REQUEST else ""


def _setup(ran: SetupRan) -> str:
    result = ran.result
    if ran.cached:
        return "set-up was done in an earlier run"
    how = "done" if result.passed else "failed"
    return f"set-up `{result.check}` {how} after {result.seconds:.1f} s{f': {result.note}' if result.note else ''}"


def remarks(body: EventBody) -> list[str]:
    """What stands below the line of an event."""
    match body:
        case RunStarted(notes=notes):
            return [f"note: {note}" for note in notes]
        case SetupRan(result=result) if not result.passed:
            return result.output.splitlines()[-_FAILED_LINES:]
        case _:
            return []
