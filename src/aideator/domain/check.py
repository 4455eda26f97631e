"""What is run to find out whether a change is right, and what it said: commands, tests, results."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A fact: it never changes, and says nothing that was not asked for."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True
    )


NOT_FOUND = 127
"""A shell's exit code when a program is not there."""
NOT_FOUND_NOTE = (
    "a program is not there: sandboxes see /usr and what SANDBOX_TOOLCHAINS names"
)


class Command(Frozen):
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
    """How the check is called in tables; the command itself when empty."""
    kind: Literal["test", "build", "lint", "types"] = "test"
    """What it shows. A broken build is a gate, tests decide; lint and types are shown
    and never decide."""
    report: str = Field(
        default="", max_length=200, examples=["target/surefire-reports/*.xml"]
    )
    """Where the command leaves its JUnit XML or TAP report, as a glob in the
    repository; known runners need none."""

    @property
    def label(self) -> str:
        """The name, or the command."""
        return self.name or self.command


class TestOutcome(StrEnum):
    """How one test ended."""

    __test__ = False  # for pytest, which collects what is called Test…

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """It could not be run: its file cannot be imported, its fixture breaks."""
    SKIPPED = "skipped"


class TestResult(Frozen):
    """What one test said."""

    __test__ = False

    test: str
    """The test's id, as its runner names it; unique within its check."""
    outcome: TestOutcome
    seconds: float = 0.0
    file: str = ""
    """The file that holds it, from the root of the repository, where the report says
    so."""
    message: str = ""
    """Why it did not pass: the end of what the report says, bounded."""


class CheckResult(Frozen):
    """What one check said about one tree."""

    check: str
    """The check's label."""
    exit_code: int | None
    """Null when the command did not end by itself (time-out, lost sandbox)."""
    seconds: float
    output: str = ""
    """The end of standard output and standard error."""
    note: str = ""
    """Why there is no exit code, or no report."""
    source: Literal["exit_code", "junit", "tap", "json", "text"] = "exit_code"
    """Where the tests' results come from; `exit_code` when the check is known only as a
    whole."""
    counts: dict[TestOutcome, int] = Field(default_factory=dict)
    """How many tests ended how."""
    tests: tuple[TestResult, ...] = ()
    """One entry for each test; in events and runs only those that did not pass, and of
    those the first ones."""
    findings: int | None = None
    """How many problems a check of lint or types reports; null where its output does
    not say."""

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0."""
        return self.exit_code == 0


class Measurement(Frozen):
    """All that is known of one check on one tree: what it said, and what its doubtful tests said when run again."""

    result: CheckResult
    again: tuple[CheckResult, ...] = ()
    """Each time the tests that failed, are new or came to pass; the whole check where
    they cannot be run alone."""
    covered: tuple[int, int] | None = None
    """How many of the changed lines that can be run were run, and how many there are;
    where a report tells."""

    @property
    def seconds(self) -> float:
        """How long it all took."""
        return self.result.seconds + sum(run.seconds for run in self.again)
