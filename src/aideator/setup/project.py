"""Determine a run's set-up, checks and protected paths.

Each comes from the submission, else from `.aideator.toml`, else from a guess. The file
is read from the base commit only, so a variation that changes it has no effect.
"""

import tomllib
from typing import Annotated, TypeVar

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from aideator.domain.base import FrozenModel
from aideator.domain.check import Check, Command
from aideator.domain.errors import RepositoryError
from aideator.domain.field_errors import field_message
from aideator.domain.hosts import HOST_PATTERN, MAX_HOST
from aideator.domain.project import Origin, Project
from aideator.domain.run import RunSpec
from aideator.repositories.checkout import Checkout
from aideator.setup.files import read_file
from aideator.setup.guess_checks import guess_checks, seen_but_unknown
from aideator.setup.guess_setup import guess_setup
from aideator.setup.toml import parse_toml

FILE_NAME = ".aideator.toml"
_HINT = (
    "correct the file in the repository, or give setup, checks and protected in the"
    " submission"
)


_T = TypeVar("_T")


def _as_command(value: object) -> object:
    return {"command": value} if isinstance(value, str) else value


class ProjectFile(FrozenModel):
    """`.aideator.toml`. A command is a string, or a table with the fields below."""

    model_config = ConfigDict(title=FILE_NAME)

    setup: tuple[Annotated[Command, BeforeValidator(_as_command)], ...] | None = Field(
        default=None, max_length=20
    )
    """Commands that install the project's dependencies, once per commit; guessed when
    absent, none when empty. Also a table: `commands` is this list, `allowed_hosts` the
    next one."""
    allowed_hosts: tuple[
        Annotated[str, Field(pattern=HOST_PATTERN, max_length=MAX_HOST)], ...
    ] = Field(default=(), max_length=50)
    """Hosts (`host` or `host:port`) that set-up needs besides the registries; also
    `allowed_hosts` of a table `[setup]`. A person is asked before it reaches one."""
    checks: tuple[Annotated[Check, BeforeValidator(_as_command)], ...] | None = Field(
        default=None, max_length=20
    )
    """Commands that test a change; guessed when absent, none when empty."""
    protected: tuple[str, ...] | None = Field(default=None, max_length=100)
    """Paths (globs) whose change is flagged; none when absent."""

    @model_validator(mode="before")
    @classmethod
    def _accept_a_table(cls, data: object) -> object:
        if not isinstance(data, dict) or not isinstance(data.get("setup"), dict):
            return data
        table = dict(data["setup"])
        hosts = table.pop("allowed_hosts", ())
        commands = table.pop("commands", None)
        if table:
            raise ValueError(f"setup has no field {next(iter(table))!r}")
        return {**data, "setup": commands, "allowed_hosts": hosts}


def find_project(
    checkout: Checkout, spec: RunSpec | None = None, *, can_install: bool
) -> Project:
    """Determine what a run on this commit would do. Blocks: call it in a thread.

    Args:
        checkout: The commit's files.
        spec: The submission, which takes precedence.
        can_install: Whether set-up may reach any host; only set-up that can work is
            guessed.

    Raises:
        RepositoryError: if `.aideator.toml` is needed and not valid.
    """
    asked = ProjectFile()
    if spec is not None:
        asked = ProjectFile(
            setup=spec.setup, checks=spec.checks, protected=spec.protected
        )
    complete = None not in (asked.setup, asked.checks, asked.protected)
    file = ProjectFile() if complete else read_project_file(checkout)
    if checkout.folder and asked.protected is None:
        file = _with_protected_of_root(file, checkout)
    guessed, notes = guess_setup(checkout.project, can_install=can_install)
    guessed_checks = guess_checks(checkout.project)
    unknown = seen_but_unknown(checkout.project)
    setup_from, setup = _first(asked.setup, file.setup, guessed)
    checks_from, checks = _first(asked.checks, file.checks, guessed_checks)
    checks = _with_limit(checks, spec)
    protected_from, protected = _first(asked.protected, file.protected, ())
    return Project(
        commit=checkout.commit.sha,
        setup=setup,
        checks=checks,
        protected=protected,
        allowed_hosts=file.allowed_hosts,
        sources={
            "setup": setup_from,
            "checks": checks_from,
            "protected": protected_from,
        },
        notes=(
            *checkout.notes,
            *(notes if setup_from is Origin.GUESS else ()),
            *(unknown if checks_from is Origin.GUESS else ()),
        ),
    )


def _with_limit(checks: tuple[Check, ...], spec: RunSpec | None) -> tuple[Check, ...]:
    """Return the checks with the time limit of the submission, if it has one."""
    if spec is None or spec.check_timeout is None:
        return checks
    limit = {"timeout": spec.check_timeout}
    return tuple(check.model_copy(update=limit) for check in checks)


def _with_protected_of_root(file: ProjectFile, checkout: Checkout) -> ProjectFile:
    """Return a folder's file with all protected paths named from the root.

    What the repository protects as a whole stays protected.
    """
    in_folder = [f"{checkout.folder}/{path}" for path in file.protected or ()]
    of_root = read_project_file(checkout.in_folder("")).protected or ()
    protected = (*of_root, *in_folder) or file.protected
    return file.model_copy(update={"protected": protected})


def _first(requested: _T | None, in_file: _T | None, guessed: _T) -> tuple[Origin, _T]:
    """Return the value with the highest precedence, and where it comes from."""
    if requested is not None:
        return Origin.REQUEST, requested
    if in_file is not None:
        return Origin.FILE, in_file
    return Origin.GUESS, guessed


def read_project_file(checkout: Checkout) -> ProjectFile:
    """Read `.aideator.toml` in the run's folder; without one, all fields are absent.

    Raises:
        RepositoryError: naming the invalid line or field.
    """
    try:
        return ProjectFile.model_validate(
            parse_toml(read_file(checkout.project / FILE_NAME).decode("utf-8-sig"))
        )
    except FileNotFoundError:
        return ProjectFile()
    except OSError as error:
        raise RepositoryError(
            f"{FILE_NAME} cannot be read: {error.strerror}", hint=_HINT
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RepositoryError(f"{FILE_NAME} is not TOML: {error}", hint=_HINT) from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{_field(entry['loc'])}: {field_message(entry)}"
            for entry in error.errors()[:10]
        )
        raise RepositoryError(f"{FILE_NAME}: {wrong[:2000]}", hint=_HINT) from None


def _field(location: tuple[int | str, ...]) -> str:
    """Write a field's location as in `checks[1].kind`, counting from 1."""
    parts = [
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in location
    ]
    return "".join(parts).removeprefix(".")
