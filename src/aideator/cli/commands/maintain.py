"""Commands that maintain an installation: `doctor` and `gc`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import SERVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aideator.sandbox.base import Finding

app = typer.Typer()


@command(
    app,
    panel=SERVE,
    server=False,
    epilog="""
Examples:

- `aideator doctor`

- `aideator doctor --json | jq .ok`

Exit code: 0 runs can be executed here, 1 something is missing.
""",
)
async def doctor(context: CommandContext) -> int:
    """Check what works on this machine, and show how to fix what does not."""
    from aideator.app.wiring import examine
    from aideator.cli.ui.findings import print_finding

    findings = await examine(context.settings)
    problem = _problem(findings)
    if context.json:
        import json

        rows = [vars(finding) for finding in findings]
        sys.stdout.write(json.dumps({"ok": not problem, "findings": rows}) + "\n")
    else:
        for finding in findings:
            print_finding(context.console, finding)
        context.print_line(problem or "Runs can be executed here.")
    return int(bool(problem))


def _problem(findings: "Sequence[Finding]") -> str:
    """Return what cannot be done here yet; empty where runs can be executed."""
    wrong = [finding for finding in findings if not finding.ok]
    if any(finding.fatal for finding in wrong):
        return "Runs cannot be executed here yet."
    if any(finding.name == "model" for finding in wrong):
        return "Only the demo can run here yet (`aideator demo`): there is no model."
    return ""


@command(
    app,
    panel=SERVE,
    json=False,
    server=False,
    epilog="""
Examples:

- `aideator gc`

- `aideator gc --max-mb 0` removes everything that is not in use
""",
)
async def gc(
    context: CommandContext,
    *,
    max_mb: Annotated[
        int | None,
        typer.Option(
            help="Megabytes to keep at most, 0 for only what is in use; "
            "MAX_CACHE_SIZE_MB when absent.",
            min=0,
        ),
    ] = None,
) -> None:
    """Free disk space: remove the least recently used repositories and environments."""
    from aideator.app.sources import open_cache

    settings = context.settings
    kept = settings.max_cache_size_mb if max_mb is None else max_mb
    freed = open_cache(settings).gc(kept * 2**20, idle=0)
    sys.stdout.write(f"freed {freed / 2**20:.1f} MB in {settings.aideator_home}\n")
