"""Evidence about one variation: what its change did to each check and test, and what about it looks like cheating."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from aideator.domain.check import Frozen, TestOutcome


class Change(StrEnum):
    """What a variation did to one check or one test, against the baseline run of the same."""

    FIXED = "fixed"
    BROKEN = "broken"
    STILL_PASSING = "still_passing"
    STILL_FAILING = "still_failing"
    NEW = "new"
    """There is no such test on the base."""
    GONE = "gone"
    """A test of the base that was not run any more."""
    FLAKY = "flaky"
    """Repeated on the same tree it said different things; it decides nothing."""


class TestChange(Frozen):
    """One test in a verdict."""

    __test__ = False  # for pytest, which collects what is called Test…

    test: str
    change: Change
    before: TestOutcome | None = None
    """On the base; null where it does not exist."""
    after: TestOutcome | None = None
    file: str = ""
    message: str = ""
    """Why it does not pass, from the run that fails."""


class CheckChange(Frozen):
    """One check in a verdict."""

    check: str
    change: Change
    """Of the check as a whole. One that fails for nothing but flaky tests is
    `flaky`."""
    kind: Literal["test", "build", "lint", "types"] = "test"
    counts: dict[Change, int] = Field(default_factory=dict)
    """How many tests changed in which way; empty where tests are not told apart."""
    tests: tuple[TestChange, ...] = ()
    """Those that changed or do not pass, most telling first, bounded; `counts` knows of
    all."""


class FlagKind(StrEnum):
    """What about a change may be cheating rather than repairing."""

    DELETED_TEST = "deleted_test"
    WEAKENED_TEST = "weakened_test"
    SKIPPED_TEST = "skipped_test"
    TEST_CONFIG = "test_config"
    CI_CONFIG = "ci_config"
    SNAPSHOT = "snapshot"
    CHECK_COMMAND = "check_command"
    """What a check's own command calls was changed, such as a Makefile's `test`."""
    PROTECTED_PATH = "protected_path"
    SECRET = "secret"


class Flag(Frozen):
    """A place of the change that needs a person's word before the variation can be recommended."""

    kind: FlagKind
    path: str
    hunk: int | None = None
    """The hunk of the file's diff, from 0; null for the file as a whole."""
    excerpt: str = ""
    """The telling lines of that hunk, with their marks."""
    message: str
    """What happened there, in a sentence."""


class Delta(Frozen):
    """A figure beside the evidence, such as lint errors. Shown, never deciding."""

    name: str
    before: float | None
    after: float | None
    unit: str = ""


class PatchStats(Frozen):
    """The size of a change. Shown, never deciding."""

    files: int = 0
    additions: int = 0
    deletions: int = 0


class Verdict(Frozen):
    """What the platform found out about one variation by running it."""

    variation_id: int
    patch: PatchStats
    paths: tuple[str, ...] = ()
    """The files that it changes."""
    fingerprint: str = ""
    """Equal for patches that differ in nothing but white space at line ends, context
    and order of files."""
    checks: tuple[CheckChange, ...] = ()
    flags: tuple[Flag, ...] = ()
    deltas: tuple[Delta, ...] = ()
    seconds: float = 0.0
    """How long its checks took."""
    notes: tuple[str, ...] = ()
    """Facts that a reader should know, such as a nested repository whose content was
    left out."""

    def count(self, change: Change) -> int:
        """How many checks changed in this way."""
        return sum(row.change is change for row in self.checks)

    @property
    def unchanged(self) -> bool:
        """Whether the agent left the tree as it was."""
        return self.patch.files == 0
