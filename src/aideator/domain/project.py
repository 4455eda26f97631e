"""What a repository says, or lets guess, about how it is set up and checked."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from aideator.domain.base import FrozenModel
from aideator.domain.check import Check, Command

ProjectField = Literal["setup", "checks", "protected"]


class Origin(StrEnum):
    """Where a finding is from; the first one that says something holds."""

    REQUEST = "request"
    """The submission."""
    FILE = "file"
    """`.aideator.toml` in the repository, as it is in the base commit."""
    GUESS = "guess"
    """Files such as `package.json`."""


class Project(FrozenModel):
    """One commit, and what a run on it would do besides the agents' work."""

    commit: str
    setup: tuple[Command, ...] = ()
    """Commands that install what the project needs."""
    checks: tuple[Check, ...] = ()
    """Commands that prove a change."""
    protected: tuple[str, ...] = ()
    """Paths that a change must leave alone."""
    sources: dict[ProjectField, Origin] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What a reader should know, such as why nothing is installed."""
