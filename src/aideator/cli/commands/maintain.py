"""Commands that maintain an installation: `doctor` and `gc`."""

import sys
from typing import Annotated

import typer

from aideator.cli.command import CommandContext, command
from aideator.cli.parameters import SERVE

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
    broken = any(not finding.ok and finding.fatal for finding in findings)
    has_model = all(finding.ok for finding in findings if finding.name == "model")
    if context.json:
        import json

        rows = [vars(finding) for finding in findings]
        is_ready = has_model and not broken
        sys.stdout.write(json.dumps({"ok": is_ready, "findings": rows}) + "\n")
        return int(not is_ready)
    for finding in findings:
        print_finding(context.console, finding)
    context.print_line(_conclusion(broken=broken, has_model=has_model))
    return int(broken or not has_model)


def _conclusion(*, broken: bool, has_model: bool) -> str:
    if broken:
        return "Runs cannot be executed here yet."
    if not has_model:
        return "Only the demo can run here yet (`aideator demo`): there is no model."
    return "Runs can be executed here."


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
