"""Commands that maintain an installation: `doctor` and `gc`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import SERVE

if TYPE_CHECKING:
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

    findings = await examine(context.settings)
    broken = any(not finding.ok and finding.fatal for finding in findings)
    if context.json:
        import json

        rows = [vars(finding) for finding in findings]
        sys.stdout.write(json.dumps({"ok": not broken, "findings": rows}) + "\n")
        return int(broken)
    for finding in findings:
        _print_finding(context, finding)
    context.print_line(
        "Runs cannot be executed here yet." if broken else "Runs can be executed here."
    )
    return int(broken)


def _print_finding(context: CommandContext, finding: "Finding") -> None:
    from rich.text import Text

    if finding.ok:
        mark = ("✓", "green")
    elif finding.fatal:
        mark = ("✗", "red")
    else:
        mark = ("!", "yellow")
    context.print(
        Text.assemble(mark, " ", (finding.name, "bold"), f" {finding.detail}")
    )
    if finding.fix and not finding.ok:
        context.print_line(f"    → {finding.fix}", style="cyan")


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
            "MAX_CACHE_SIZE_MB when absent."
        ),
    ] = None,
) -> None:
    """Free disk space: remove the least recently used repositories and environments."""
    from aideator.app.sources import open_cache

    settings = context.settings
    kept = settings.max_cache_size_mb if max_mb is None else max_mb
    freed = open_cache(settings).gc(kept * 2**20, idle=0)
    sys.stdout.write(f"freed {freed / 2**20:.1f} MB in {settings.aideator_home}\n")
