"""Evidence about the variations together, and the ranking that follows from it.

The evidence: cross-tests, behaviour groups and, where asked for, a judge's opinion.
"""

from enum import StrEnum

from pydantic import Field

from aideator.domain.base import FrozenModel
from aideator.domain.usage import Usage


class CrossOutcome(StrEnum):
    """The outcome of a test of one variation on another tree."""

    PASS = "pass"
    FAIL = "fail"
    NOT_COMPARABLE = "not_comparable"
    """It cannot be collected or imported there. Never counts as failed."""


class CrossTest(FrozenModel):
    """A test that a variation added or edited, run on the base and all variations."""

    check: str
    """The label of the check whose runner ran it."""
    test: str
    file: str
    authors: tuple[int, ...]
    """The variations that wrote this test, all with the same text."""
    base: CrossOutcome
    outcomes: dict[int, CrossOutcome]
    """By variation id."""
    stable: bool = True
    """Whether all its runs on the same tree had the same outcome."""
    weight: float = 0.0
    """How much it counts, from how many variations pass it; 0 when it does not
    count."""
    why_not: str = ""
    """Why it does not count; empty when it does."""
    messages: dict[int, str] = Field(default_factory=dict)
    """Why it failed, by variation id."""


class Cost(FrozenModel):
    """What gathering the evidence cost."""

    sandboxes: int = 0
    seconds: float = 0.0
    cached: int = 0
    """Results that were reused from earlier measurements."""
    left_out: int = 0
    """Tests that the limit on sandboxes or seconds did not allow."""


class Opinion(FrozenModel):
    """The preference of a judge model among variations that no test separates."""

    model: str
    among: tuple[int, ...]
    preferred: int | None
    """Null when the answer depended on the order, or the judge preferred none."""
    reasons: tuple[str, ...] = ()
    usage: Usage = Usage()


class Evidence(FrozenModel):
    """What cross-testing the variations has shown."""

    cross_tests: tuple[CrossTest, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    """Behaviour groups: ids of variations that agree on every test and cross-test,
    largest group first."""
    identical: tuple[tuple[int, ...], ...] = ()
    """Variation ids with the same patch; only where there are two or more."""
    agreement: float | None = None
    """The largest group's share of all variations; null where no test could tell them
    apart."""
    opinion: Opinion | None = None
    judge_usage: Usage = Usage()
    """What judges of this run have used, those of earlier comparisons included. It
    counts towards the run's budget."""
    cost: Cost = Cost()
    notes: tuple[str, ...] = ()

    @property
    def spent_on_judge(self) -> Usage:
        """`judge_usage`, also of evidence that was stored without that field."""
        if self.opinion is None or self.judge_usage.requests:
            return self.judge_usage
        return self.opinion.usage


class Confidence(StrEnum):
    """How well the evidence supports the recommendation."""

    HIGH = "high"
    MEDIUM = "medium"
    OPEN = "open"


class Standing(FrozenModel):
    """The figures that decided a variation's place in the ranking."""

    variation_id: int
    gate: str = ""
    """Why it cannot be recommended, as what follows its name; empty when it can."""
    flagged: bool = False
    """Whether the gate is flags, which a person may clear."""
    fixed: int = 0
    broken: int = 0
    cross_score: float = 0.0
    """The sum of the weights of the cross-tests that it passes."""
    cross_total: float = 0.0
    """The sum of the weights of those that could be run on it."""
    group_share: float = 0.0
    """The share of all variations in its behaviour group."""


class Ranking(FrozenModel):
    """The order of the variations and the recommendation, with reasons."""

    order: tuple[int, ...]
    """Variation ids, best first. Those that failed are left out."""
    recommended: int | None
    """The recommended variation, or null: "I cannot tell"."""
    confidence: Confidence
    reasons: tuple[str, ...]
    """Sentences made from the recorded results, the most telling first."""
    rule: str = ""
    """How the confidence follows from the evidence."""
    settle: str = ""
    """What would settle the question where nothing is recommended."""
    standings: tuple[Standing, ...] = ()
    """In the same order."""
