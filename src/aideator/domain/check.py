"""Checks: the commands that say whether a change is right, and their results.

A check that runs tests reports each test by itself where its report can be read.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from aideator.domain.base import FrozenModel

NOT_FOUND = 127
"""The exit code of a POSIX shell when it cannot find a program."""
NOT_FOUND_NOTE = (
    "a program is not there: sandboxes see /usr and what SANDBOX_TOOLCHAINS names"
)
"""The note of a check that ended with `NOT_FOUND`."""


class Command(FrozenModel):
    """A shell command, run with `sh -c` in the root of the repository."""

    command: str = Field(min_length=1, max_length=2000, examples=["npm ci"])
    timeout: float = Field(default=600, gt=0, le=3600, strict=True)
    """Seconds of wall-clock time after which it is stopped and counts as failed."""


class Check(Command):
    """A command that says whether the project works. It passes when it exits with 0."""

    command: str = Field(
        min_length=1, max_length=2000, examples=["python -m pytest -q"]
    )
    """A shell command, run with `sh -c` in the root of the repository."""
    name: str = Field(default="", max_length=80)
    """The name in tables; the command itself when empty."""
    kind: Literal["test", "build", "lint", "types"] = "test"
    """What it shows. A broken build is a gate and tests decide; lint and types are
    shown and never decide."""
    report: str = Field(
        default="", max_length=200, examples=["target/surefire-reports/*.xml"]
    )
    """Where the command leaves its JUnit XML or TAP report, as a glob in the
    repository; test runners that AIdeator knows need none."""

    @property
    def label(self) -> str:
        """Return the name, or the command where there is none."""
        return self.name or self.command


class TestOutcome(StrEnum):
    """How one test ended."""

    __test__ = False  # pytest would collect a class called Test…

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """It could not be run: its file cannot be imported, its fixture breaks."""
    SKIPPED = "skipped"


FAILING = frozenset({TestOutcome.FAILED, TestOutcome.ERROR})
"""The outcomes of a test that ran, or should have run, and did not pass."""


class TestResult(FrozenModel):
    """The result of one test in one run of a check."""

    __test__ = False

    test: str
    """The test's id, as its runner names it; unique within its check."""
    outcome: TestOutcome
    seconds: float = 0.0
    file: str = ""
    """The file that holds it, from the root of the repository; empty where the report
    does not say."""
    message: str = ""
    """Why it did not pass: the end of the report's message, of bounded length."""
    of_subtests: bool = False
    """Whether it holds other tests and its outcome follows from theirs. A test that
    holds others and fails by itself counts as any test."""


class CheckResult(FrozenModel):
    """The result of one run of a check on one tree."""

    check: str
    """The check's label."""
    exit_code: int | None
    """Null when the command did not end by itself (time-out, lost sandbox)."""
    seconds: float
    output: str = ""
    """The end of standard output and standard error."""
    note: str = ""
    """Why there is no exit code, or no report."""
    could_not_run: str = ""
    """Why the check could not start or come to an end, so that the result says nothing
    about the tree, such as a missing program; empty where it ran."""
    source: Literal["exit_code", "junit", "tap", "json", "text"] = "exit_code"
    """What the tests' results were read from; `exit_code` when only the check as a
    whole has a result."""
    counts: dict[TestOutcome, int] = Field(default_factory=dict)
    """How many tests had each outcome."""
    tests: tuple[TestResult, ...] = ()
    """One entry for each test; in events and runs only the first ones of those that
    did not pass."""
    findings: int | None = None
    """How many problems a lint or type check reports; null where its output does not
    say."""

    @property
    def passed(self) -> bool:
        """Return whether the command exited with 0."""
        return self.exit_code == 0


class Measurement(FrozenModel):
    """All runs of one check on one tree: the whole check, and reruns of some tests."""

    result: CheckResult
    whole: tuple[CheckResult, ...] = ()
    """Further runs of the whole check, where a test failed in the first run but passed,
    or was not found, when it was run without the others."""
    again: tuple[CheckResult, ...] = ()
    """The reruns, each of the tests that failed, are new or started to pass; of the
    whole check where its runner cannot select tests."""
    covered: tuple[int, int] | None = None
    """How many changed lines were executed, and how many are executable; null where no
    coverage report says."""

    @property
    def seconds(self) -> float:
        """Return the wall-clock time of all runs together."""
        runs = (self.result, *self.whole, *self.again)
        return sum(run.seconds for run in runs)
