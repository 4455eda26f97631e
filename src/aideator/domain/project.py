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


class Uncommitted(FrozenModel):
    """What is in a user's working tree, but in no commit."""

    changed: int = 0
    """Files that differ from the commit, staged or not."""
    untracked: int = 0
    """New files that no rule ignores."""

    def describe(self) -> str:
        """Return the counts in words."""
        parts = [
            f"{count} {kind} file{'s' if count != 1 else ''}"
            for count, kind in (
                (self.changed, "changed"),
                (self.untracked, "untracked"),
            )
            if count
        ]
        return " and ".join(parts)


class Location(FrozenModel):
    """What a text that names a repository means, such as an address of a browser."""

    repo_url: str
    ref: str | None = None
    """The branch, tag or commit that the address names, or a pull request's head."""
    path: str = ""
    """The folder that it names."""
    prompt: str = ""
    """An issue's title and text as a task. Anyone may have written them."""
    title: str = ""
    """The issue's title."""


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
    uncommitted: Uncommitted | None = None
    """What a repository of this machine has in its working tree only, told to its own
    user: a run takes it along with `include_uncommitted`."""
    ignored: tuple[str, ...] = ()
    """The ignored files that its `.worktreeinclude` names, likewise: sandboxes see
    those of them that `include_ignored` names."""
