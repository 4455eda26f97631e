"""`aideator run`: read the submission, start it, watch it, tell the outcome."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from aideator.app import Aideator
from aideator.cli.connect import Client, Door
from aideator.cli.watching import Exit, Output, choose_output, exit_code, show, watch
from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.run import RunSpec
from aideator.settings import Settings


def read_spec(options: Mapping[str, Any], file: Path | None) -> RunSpec:
    """The submission, from the options or from a YAML file.

    Raises:
        InvalidInput: naming every wrong field.
    """
    try:
        asked = yaml.safe_load(file.read_text()) if file else {k: v for k, v in options.items() if v is not None}
        spec = RunSpec.model_validate(asked)
    except (OSError, yaml.YAMLError) as error:
        raise InvalidInput(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        wrong = [
            FieldError(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()
        ]
        raise InvalidInput(fields=wrong, hint="`aideator run --help` has examples") from None
    path = Path(spec.repo_url).expanduser()
    return spec.model_copy(update={"repo_url": str(path.resolve())}) if path.exists() else spec


async def submit(door: Door, options: Mapping[str, Any], file: Path | None, *, detach: bool) -> int:
    """Start a run and follow it to its end; Ctrl-C cancels it."""
    spec = read_spec(options, file)
    if door.server is None:
        need_a_model(door.settings)
    async with door.connect(work=True) as client:
        if detach and isinstance(client, Aideator):
            raise InvalidInput("--detach needs a server that goes on working", hint="start one: `aideator serve`")
        run = await client.submit(spec, local=True)
        if detach:
            sys.stdout.write(f"{run.id}\n")
            return Exit.RECOMMENDED
        return await _to_the_end(door, client, run.id)


async def _to_the_end(door: Door, client: Client, run_id: str) -> int:
    output = choose_output(door.console, json=door.json)
    if output is not Output.JSON:
        door.note(f"run {run_id}", style="dim")
    try:
        details = await watch(client, run_id, door.console, output)
    except asyncio.CancelledError:
        sys.stderr.write("stopping the agents …\n")
        await client.cancel(run_id)
        sys.stderr.write(f"cancelled; what was done stays: aideator show {run_id[-8:]}\n")
        raise
    if output is not Output.JSON:
        show(door.console, details)
        chosen = details.winner or (details.ranking and details.ranking.recommended) or "N"
        commands = " · ".join(f"aideator {verb} {run_id[-8:]} {chosen}" for verb in ("diff", "select", "apply"))
        door.note(f"\nnext: {commands}", style="dim")
    return exit_code(details)


def need_a_model(settings: Settings) -> None:
    """Refuse early what could only fail late.

    Raises:
        InvalidInput: if there is no key for a model that needs one.
    """
    if settings.anthropic_api_key is None and settings.anthropic_base_url == "https://api.anthropic.com":
        raise InvalidInput(
            "no ANTHROPIC_API_KEY is set, so the agents would have no model",
            hint="export ANTHROPIC_API_KEY=…, or see how it works without one: `aideator demo`",
        )
