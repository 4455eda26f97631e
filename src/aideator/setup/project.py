"""What a run does besides the agents' work: as the submission says, else `.aideator.toml`, else a guess.

The file is read from the base commit only: what a variation writes into it changes
nothing.
"""

import tomllib
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from aideator.domain.check import Check, Command, Frozen
from aideator.domain.errors import RepositoryError
from aideator.domain.project import Origin, Project
from aideator.domain.run import RunSpec
from aideator.repositories.checkout import Checkout
from aideator.setup.egress import Egress
from aideator.setup.guess_checks import guess_checks, read_file
from aideator.setup.guess_setup import guess_setup

FILE_NAME = ".aideator.toml"
_HINT = "mend the file in the repository, or name setup, checks and protected in the submission"


_T = TypeVar("_T")


def _as_command(value: object) -> object:
    return {"command": value} if isinstance(value, str) else value


class ProjectFile(Frozen):
    """`.aideator.toml`. A command is a string, or a table with the fields below."""

    model_config = ConfigDict(title=FILE_NAME)

    setup: tuple[Annotated[Command, BeforeValidator(_as_command)], ...] | None = Field(
        default=None, max_length=20
    )
    """Commands that install what the project needs, once per commit; guessed when
    absent, none when empty."""
    checks: tuple[Annotated[Check, BeforeValidator(_as_command)], ...] | None = Field(
        default=None, max_length=20
    )
    """Commands that prove a change; guessed when absent, none when empty."""
    protected: tuple[str, ...] | None = Field(default=None, max_length=100)
    """Paths (globs) that a change must leave alone, or be flagged; none when absent."""


def find_project(
    checkout: Checkout, egress: Egress, spec: RunSpec | None = None
) -> Project:
    """Find out what a run on this commit would do. Blocks: call it in a thread.

    Args:
        checkout: The commit's files.
        egress: What set-up may reach: what cannot work is not guessed.
        spec: The submission, whose word comes first.

    Raises:
        RepositoryError: if `.aideator.toml` is needed and cannot be understood.
    """
    asked = (
        (spec.setup, spec.checks, spec.protected)
        if spec is not None
        else (None, None, None)
    )
    file = read_project_file(checkout) if None in asked else ProjectFile()
    guessed, notes = guess_setup(checkout.path, egress)
    setup_from, setup = _first(asked[0], file.setup, guessed)
    checks_from, checks = _first(asked[1], file.checks, guess_checks(checkout.path))
    protected_from, protected = _first(asked[2], file.protected, ())
    return Project(
        commit=checkout.commit.sha,
        setup=setup,
        checks=checks,
        protected=protected,
        sources={
            "setup": setup_from,
            "checks": checks_from,
            "protected": protected_from,
        },
        notes=(*checkout.notes, *(notes if setup_from is Origin.GUESS else ())),
    )


def _first(asked: _T | None, stated: _T | None, guessed: _T) -> tuple[Origin, _T]:
    if asked is not None:
        return Origin.REQUEST, asked
    return (Origin.FILE, stated) if stated is not None else (Origin.GUESS, guessed)


def read_project_file(checkout: Checkout) -> ProjectFile:
    """Read the commit's `.aideator.toml`; one that is not there states nothing.

    Raises:
        RepositoryError: naming the line, or the field.
    """
    try:
        return ProjectFile.model_validate(
            tomllib.loads(read_file(checkout.path / FILE_NAME).decode())
        )
    except FileNotFoundError:
        return ProjectFile()
    except OSError as error:
        raise RepositoryError(
            f"{FILE_NAME} cannot be read: {error.strerror}", hint=_HINT
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise RepositoryError(f"{FILE_NAME} is not TOML: {error}", hint=_HINT) from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{_field(entry['loc'])}: {entry['msg']}" for entry in error.errors()[:10]
        )
        raise RepositoryError(f"{FILE_NAME}: {wrong}", hint=_HINT) from None


def _field(location: tuple[int | str, ...]) -> str:
    """`checks[1].kind`, as a reader of the file would write it."""
    return "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location
    ).removeprefix(".")
