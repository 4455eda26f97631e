"""How a repository is set up and checked, as it states itself or as guessed."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from aideator.domain.base import FrozenModel
from aideator.domain.check import Check, Command

ProjectField = Literal["setup", "checks", "protected"]


class Origin(StrEnum):
    """Where a setting of the project comes from, in order of precedence."""

    REQUEST = "request"
    """The submission."""
    FILE = "file"
    """`.aideator.toml` in the repository, as of the base commit."""
    GUESS = "guess"
    """Guessed from files such as `package.json`."""


class Project(FrozenModel):
    """The set-up, checks and protected paths of a run on one commit."""

    commit: str
    setup: tuple[Command, ...] = ()
    """Commands that install the project's dependencies."""
    checks: tuple[Check, ...] = ()
    """Commands that test a change."""
    protected: tuple[str, ...] = ()
    """Paths (globs) whose change is flagged."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts that the repository's file names for set-up. A person is asked before it
    reaches one."""
    reach: tuple[str, ...] = ()
    """What set-up may reach without a question: registries, with who uses them."""
    sources: dict[ProjectField, Origin] = Field(default_factory=dict)
    """Where each of the three comes from."""
    notes: tuple[str, ...] = ()
    """Remarks, such as why nothing is installed."""
