"""The verdict: what one variation's change did to each check and test, and its flags.

A flag marks a place that may bend what proves the change rather than do the work.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from aideator.domain.base import FrozenModel
from aideator.domain.check import TestOutcome


class Change(StrEnum):
    """How a check or test ended, compared with its baseline run."""

    FIXED = "fixed"
    BROKEN = "broken"
    STILL_PASSING = "still_passing"
    STILL_FAILING = "still_failing"
    NEW = "new"
    """The base has no such test."""
    GONE = "gone"
    """A test of the base that no longer ran."""
    FLAKY = "flaky"
    """Reruns on the same tree had different outcomes; it decides nothing."""


MOST_TELLING_FIRST = (
    Change.BROKEN,
    Change.FIXED,
    Change.FLAKY,
    Change.NEW,
    Change.GONE,
    Change.STILL_FAILING,
)
"""The order of changes in lists and counts. What passes as before is left out."""


class TestChange(FrozenModel):
    """One test in a verdict."""

    __test__ = False  # pytest would collect a class called Test…

    test: str
    change: Change
    before: TestOutcome | None = None
    """The outcome on the base; null where the base has no such test."""
    after: TestOutcome | None = None
    """The outcome on base + patch; null where the test no longer ran."""
    file: str = ""
    message: str = ""
    """Why it does not pass, from a run in which it failed."""


class CheckChange(FrozenModel):
    """One check in a verdict."""

    check: str
    change: Change
    """Of the check as a whole. A check that fails only because of flaky tests is
    `flaky`."""
    kind: Literal["test", "build", "lint", "types"] = "test"
    counts: dict[Change, int] = Field(default_factory=dict)
    """How many tests changed in each way; empty where only the check as a whole has a
    result."""
    tests: tuple[TestChange, ...] = ()
    """The tests that changed or do not pass, most telling first, of bounded number;
    `counts` covers all."""
    could_not_run: str = ""
    """Why the check could not run on base + patch; empty where it did."""
    output: str = ""
    """The end of what it printed on base + patch, where it did not pass; the `check`
    events hold more."""


class FlagKind(StrEnum):
    """Why a place of a change may bend the proof rather than do the work."""

    DELETED_TEST = "deleted_test"
    WEAKENED_TEST = "weakened_test"
    SKIPPED_TEST = "skipped_test"
    TEST_CONFIG = "test_config"
    CI_CONFIG = "ci_config"
    SNAPSHOT = "snapshot"
    CHECK_COMMAND = "check_command"
    """The change edits what a check's own command calls, such as a Makefile's
    `test`."""
    PROTECTED_PATH = "protected_path"
    SECRET = "secret"


class Flag(FrozenModel):
    """A place of the change that a person has to clear before it can be recommended."""

    kind: FlagKind
    path: str
    hunk: int | None = None
    """The hunk of the file's diff, from 0; null for the file as a whole."""
    excerpt: str = ""
    """The telling lines of that hunk, each with its `+`, `-` or space."""
    message: str
    """What happened there, in a sentence."""
    asked_for: bool = False
    """Whether the task's own words ask for it. It is shown then, and bars nothing."""


class Delta(FrozenModel):
    """A figure beside the evidence, such as lint errors. Shown, never deciding."""

    name: str
    before: float | None
    after: float | None
    unit: str = ""


class PatchStats(FrozenModel):
    """The size of a change. Shown, never deciding."""

    files: int = 0
    additions: int = 0
    deletions: int = 0


class Verdict(FrozenModel):
    """What running its checks showed about one variation."""

    variation_id: int
    patch: PatchStats
    paths: tuple[str, ...] = ()
    """The files that it changes."""
    fingerprint: str = ""
    """Equal for patches that differ only in white space at line ends, context lines
    and order of files."""
    checks: tuple[CheckChange, ...] = ()
    flags: tuple[Flag, ...] = ()
    deltas: tuple[Delta, ...] = ()
    seconds: float = 0.0
    """How long its checks took."""
    notes: tuple[str, ...] = ()
    """Facts that a reader should know, such as a nested repository whose content was
    left out."""

    def check(self, label: str) -> CheckChange | None:
        """Return what happened to the check of this label; None if it did not run."""
        return next((row for row in self.checks if row.check == label), None)

    def count(self, change: Change) -> int:
        """Return how many checks changed in this way."""
        return sum(row.change is change for row in self.checks)

    @property
    def barring_flags(self) -> tuple[Flag, ...]:
        """Return the flags that keep it from being recommended until it is cleared."""
        return tuple(flag for flag in self.flags if not flag.asked_for)

    @property
    def unchanged(self) -> bool:
        """Return whether the agent left the tree as it was."""
        return self.patch.files == 0
