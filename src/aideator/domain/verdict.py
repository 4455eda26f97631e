"""Evidence: what a check said, what a change did against the baseline, which change is recommended."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Check(_Frozen):
    """One command that says whether the project works. It passes when it exits with 0."""

    command: str = Field(min_length=1, max_length=2000, examples=["python -m pytest -q"])
    """A shell command, run with `sh -c` in the root of the repository."""
    name: str = Field(default="", max_length=80)
    """How the check is called in tables; the command itself when empty."""
    timeout: float = Field(default=600, gt=0, le=3600, strict=True)
    """Seconds of wall-clock time after which the check counts as failed."""

    @property
    def label(self) -> str:
        """The name, or the command."""
        return self.name or self.command


class CheckResult(_Frozen):
    """What one check said about one tree."""

    check: str
    """The check's label."""
    exit_code: int | None
    """Null when the command did not end by itself (time-out, lost sandbox)."""
    seconds: float
    output: str = ""
    """The end of standard output and standard error."""
    note: str = ""
    """Why there is no exit code."""

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0."""
        return self.exit_code == 0


class Change(StrEnum):
    """What a variation did to one check, against the baseline run of the same check."""

    FIXED = "fixed"
    BROKEN = "broken"
    STILL_PASSING = "still_passing"
    STILL_FAILING = "still_failing"


class CheckChange(_Frozen):
    """One row of a verdict."""

    check: str
    change: Change


class PatchStats(_Frozen):
    """The size of a change. Shown, never deciding."""

    files: int = 0
    additions: int = 0
    deletions: int = 0


class Verdict(_Frozen):
    """What the platform found out about one variation by running it."""

    variation_id: int
    patch: PatchStats
    checks: tuple[CheckChange, ...] = ()
    notes: tuple[str, ...] = ()
    """Facts that a reader should know, such as a nested repository whose content was left out."""

    def count(self, change: Change) -> int:
        """How many checks changed in this way."""
        return sum(row.change is change for row in self.checks)

    @property
    def unchanged(self) -> bool:
        """Whether the agent left the tree as it was."""
        return self.patch.files == 0


class Confidence(StrEnum):
    """How far the evidence carries."""

    HIGH = "high"
    MEDIUM = "medium"
    OPEN = "open"


class Ranking(_Frozen):
    """The order of the variations and the recommendation, with reasons."""

    order: tuple[int, ...]
    """Variation ids, best first. Those that failed are left out."""
    recommended: int | None
    """The recommended variation, or null: "I cannot tell"."""
    confidence: Confidence
    reasons: tuple[str, ...]
    """Sentences made from the recorded results, the most telling first."""
