"""`aideator run`: read the submission, start it, watch it, tell the outcome."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from aideator.app import Aideator
from aideator.cli.connect import Client, Door
from aideator.cli.ui.watch import Exit, Output, choose_output, exit_code, show, watch
from aideator.domain.errors import FieldError, InvalidInput
from aideator.domain.run import RunDetails, RunSpec
from aideator.settings import Settings

T = TypeVar("T", bound=BaseModel)


def read_spec(options: Mapping[str, Any], file: Path | None) -> RunSpec:
    """The submission, from the options or from a YAML file.

    Raises:
        InvalidInput: naming every wrong field.
    """
    spec = read(
        RunSpec,
        _read_yaml(file)
        if file
        else {k: v for k, v in options.items() if v is not None},
    )
    return spec.model_copy(update={"repo_url": whole_path(spec.repo_url)})


def whole_path(repo: str) -> str:
    """What a person calls a repository, as the server needs it: an absolute path, or the URL as it is.

    Raises:
        InvalidInput: if it is a path that leads nowhere.
    """
    path = Path(repo).expanduser()
    if not path.exists() and not path.is_absolute() and ":" not in repo:
        raise InvalidInput(
            f"there is no directory {repo!r} here, and it is no https URL either"
        )
    return str(path.resolve()) if path.exists() else repo


def read(kind: type[T], asked: Mapping[str, Any]) -> T:
    """What was typed, as the noun that it means.

    Raises:
        InvalidInput: naming every wrong field.
    """
    try:
        return kind.model_validate(asked)
    except ValidationError as error:
        wrong = [
            FieldError(
                ".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")
            )
            for e in error.errors()
        ]
        raise InvalidInput(
            fields=wrong, hint="the command's --help has examples"
        ) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        with file.open(encoding="utf-8") as opened:
            asked = yaml.safe_load(opened)
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise InvalidInput(
            f"{file} cannot be read: {' '.join(str(error).split())}"
        ) from None
    if not isinstance(asked, dict):
        raise InvalidInput(
            f"{file} is not a mapping", hint="begin with `repo_url: …` and `prompt: …`"
        )
    return asked


async def submit(
    door: Door, options: Mapping[str, Any], file: Path | None, *, detach: bool
) -> int:
    """Start a run and follow it to its end; Ctrl-C cancels it."""
    spec = read_spec(options, file)
    if door.url() is None:
        need_a_model(door.settings)
    async with door.connect(work=True) as client:
        if detach and isinstance(client, Aideator):
            raise InvalidInput(
                "--detach needs a server that goes on working",
                hint="start one: `aideator serve`",
            )
        run_id = await _start(client, spec)
        if detach:
            sys.stdout.write(f"{run_id}\n")
            return Exit.RECOMMENDED
        return await _to_the_end(door, client, run_id)


async def _start(client: Client, spec: RunSpec) -> str:
    # A Ctrl-C while the submission is under way finds a run that it can stop, or
    # nothing.
    submitting = asyncio.ensure_future(client.submit(spec, local=True))
    try:
        return (await asyncio.shield(submitting)).id
    except asyncio.CancelledError:
        await _stop(client, (await submitting).id)
        raise


async def _to_the_end(door: Door, client: Client, run_id: str) -> int:
    output = choose_output(door.console, json=door.json)
    if output is not Output.JSON:
        door.note(f"run {run_id}", style="dim")
    try:
        details = await watch(client, run_id, door.console, output)
    except (asyncio.CancelledError, BrokenPipeError):
        await _stop(client, run_id)
        raise
    if output is not Output.JSON:
        show(door.console, details)
        door.note(next_steps(details), style="dim")
    return exit_code(details)


async def _stop(client: Client, run_id: str) -> None:
    sys.stderr.write("stopping the agents …\n")
    await client.cancel(run_id)
    sys.stderr.write(f"cancelled; what was done stays: aideator show {run_id[-8:]}\n")


def next_steps(details: RunDetails) -> str:
    """What a person may want to type now."""
    chosen = details.winner or (details.ranking and details.ranking.recommended)
    lines = [
        f"aideator {verb} {details.id[-8:]} {chosen or 'N'}"
        for verb in ("diff", "select", "apply")
    ]
    return "\n".join(["", "next:", *(f"  {line}" for line in lines)])


def need_a_model(settings: Settings) -> None:
    """Refuse early what could only fail late.

    Raises:
        InvalidInput: if there is no key for a model that needs one.
    """
    if not settings.has_a_model:
        raise InvalidInput(
            "no ANTHROPIC_API_KEY is set, so the agents would have no model",
            hint="export ANTHROPIC_API_KEY=…, or see how it works without one: `aideator demo`",
        )
