"""Turn what was typed into objects of the domain, and refuse early what must fail."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from aideator.domain import wording
from aideator.domain.errors import Conflict, FieldError, InvalidInput
from aideator.domain.field_errors import field_message
from aideator.domain.run import RunSpec
from aideator.settings import Settings

if TYPE_CHECKING:
    from aideator.cli.command import Client
    from aideator.domain.run import RunDetails

T = TypeVar("T", bound=BaseModel)


def read_text(argument: str | None) -> str | None:
    """Return a text argument; standard input for `-`."""
    return sys.stdin.read() if argument == "-" else argument


def read_spec(options: Mapping[str, Any], file: Path | None) -> RunSpec:
    """Return a submission, from options or from a YAML file instead of them.

    Raises:
        InvalidInput: naming every wrong field.
    """
    given = _read_yaml(file) if file else _without_nulls(options)
    spec = validate(RunSpec, given)
    return spec.model_copy(update={"repo_url": absolute_repository(spec.repo_url)})


def repository_or_here(
    repo: str | None, prompt: str | None
) -> tuple[str | None, str | None]:
    """Return repository and prompt; this folder if the repository was left out.

    That is so where the only argument is no path and no URL, but a text, and this
    folder is in a git repository. It is said on stderr.
    """
    if repo is None or prompt is not None or not _is_a_text(repo):
        return repo, prompt
    here = Path.cwd()
    if not any((folder / ".git").exists() for folder in (here, *here.parents)):
        return repo, prompt
    sys.stderr.write(f"(in this folder, {here}: no repository was named)\n")
    return ".", repo


def _is_a_text(argument: str) -> bool:
    is_url = "://" in argument or argument.startswith("git@")
    return " " in argument.strip() and not is_url and not Path(argument).exists()


def _without_nulls(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def absolute_repository(repo: str) -> str:
    """Return an absolute path for a relative one, as a server needs; a URL as it is.

    Raises:
        InvalidInput: if it is a path that does not exist.
    """
    path = Path(repo).expanduser()
    if path.exists():
        return str(path.resolve())
    if not path.is_absolute() and ":" not in repo:
        raise InvalidInput(
            f"there is no directory {repo!r} here, and it is not an https URL either"
        )
    return repo


def validate(kind: type[T], fields: Mapping[str, Any]) -> T:
    """Return a model made of the fields.

    Raises:
        InvalidInput: naming every wrong field.
    """
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        wrong = [
            FieldError(".".join(map(str, e["loc"])), field_message(e))
            for e in error.errors()
        ]
        raise InvalidInput(fields=wrong) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        with file.open(encoding="utf-8") as opened:
            fields = yaml.safe_load(opened)
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InvalidInput(f"{file} cannot be read: {why}") from None
    if not isinstance(fields, dict):
        raise InvalidInput(
            f"{file} is not a mapping", hint="begin with `repo_url: …` and `prompt: …`"
        )
    return fields


def require_model(settings: Settings) -> None:
    """Refuse work for agents where there is no model: it could only fail later.

    Raises:
        InvalidInput: if there is no key for a model that needs one.
        Unavailable: if a key is stored and cannot be read.
    """
    from aideator.app.model_key import with_stored_key
    from aideator.app.model_trial import WAYS_TO_A_MODEL

    if not with_stored_key(settings).has_a_model:
        raise InvalidInput(
            "no ANTHROPIC_API_KEY is set and no key is stored, so agents have no model",
            hint=f"one of these; or `aideator demo`, which needs no model\n"
            f"{WAYS_TO_A_MODEL}",
        )


async def default_variation(
    client: "Client", run_id: str, *, verb: str = "diff"
) -> int:
    """Return the number of the winner, else of the recommended variation.

    Args:
        client: Where the run is.
        run_id: The run.
        verb: The command, for the hint of the error.

    Raises:
        Conflict: if there is neither; it says which variations are equal.
    """
    details = await client.get(run_id)
    number = details.winner or details.recommended
    if number is None:
        raise no_single_one(details, verb)
    return number


def no_single_one(details: "RunDetails", verb: str) -> Conflict:
    """Return the error of a command that needs a variation's number.

    Args:
        details: The run.
        verb: The command, for the hint.
    """
    from aideator.cli.ui.next_steps import equals

    changed = [each for each in details.variations if each.verdict]
    if not changed:
        return Conflict(
            f"run {details.id[-8:]} has no change of any variation ({details.status})",
            hint=f"`aideator show {details.id[-8:]}` says why",
        )
    tied = equals(details)
    named = tied[0] if tied else changed[0].number
    return Conflict(
        _why_several(details, tied),
        hint=f"name one of 1 … {len(details.variations)}: "
        f"`aideator {verb} {details.id[-8:]} {named}`",
    )


def _why_several(details: "RunDetails", tied: tuple[int, ...]) -> str:
    if len(tied) > 1:
        numbers = wording.joined([str(number) for number in tied])
        return f"{numbers} are equal: nothing that was run tells them apart"
    if details.recommended is not None:
        return f"variation {details.recommended} is recommended, not chosen"
    return "no variation was chosen or recommended"
