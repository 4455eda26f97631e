"""Evidence about the variations together: cross-tests, groups, a judge's word, and the order that follows from it."""

from enum import StrEnum

from pydantic import Field

from aideator.domain.check import Frozen
from aideator.domain.usage import Usage


class CrossOutcome(StrEnum):
    """What a test of one variation said about another tree."""

    PASS = "pass"
    FAIL = "fail"
    NOT_COMPARABLE = "not_comparable"
    """It cannot be collected or imported there. Never counts as failed."""


class CrossTest(Frozen):
    """A test that a variation added or changed, run on every other variation and on the base."""

    check: str
    """The label of the check whose runner ran it."""
    test: str
    file: str
    authors: tuple[int, ...]
    """The variations that wrote it, word for word the same."""
    base: CrossOutcome
    outcomes: dict[int, CrossOutcome]
    """By variation id."""
    stable: bool = True
    """Whether it said the same each time."""
    weight: float = 0.0
    """How much it counts, from how well it separates; 0 when it does not count."""
    why_not: str = ""
    """Why it does not count."""
    messages: dict[int, str] = Field(default_factory=dict)
    """Why it failed, by variation id."""


class Cost(Frozen):
    """What evidence cost."""

    sandboxes: int = 0
    seconds: float = 0.0
    cached: int = 0
    """Results that were known already."""
    left_out: int = 0
    """Tests that the bound on sandboxes or seconds did not allow."""


class Opinion(Frozen):
    """What a judge model said about variations that the evidence cannot tell apart."""

    model: str
    among: tuple[int, ...]
    preferred: int | None
    """Null when it said different things in different orders, or preferred none."""
    reasons: tuple[str, ...] = ()
    usage: Usage = Usage()


class Evidence(Frozen):
    """What running the variations against each other has shown."""

    cross_tests: tuple[CrossTest, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()
    """Variation ids that agree on every test and cross-test, largest group first."""
    identical: tuple[tuple[int, ...], ...] = ()
    """Variation ids with the same patch; only where there are two or more."""
    agreement: float | None = None
    """The largest group's share of all variations; null where no test could tell them
    apart."""
    opinion: Opinion | None = None
    cost: Cost = Cost()
    notes: tuple[str, ...] = ()


class Confidence(StrEnum):
    """How far the evidence carries."""

    HIGH = "high"
    MEDIUM = "medium"
    OPEN = "open"


class Standing(Frozen):
    """What decided a variation's place."""

    variation_id: int
    gate: str = ""
    """Why it cannot be recommended; empty when nothing stands in the way."""
    flagged: bool = False
    """Whether the gate is a flag that a person may clear."""
    fixed: int = 0
    broken: int = 0
    cross_score: float = 0.0
    """The weights of the cross-tests that it passes."""
    cross_total: float = 0.0
    """The weights of those that could be run on it."""
    group_share: float = 0.0
    """The share of all variations that behave as it does."""


class Ranking(Frozen):
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
    """What would settle it, where the answer is open."""
    standings: tuple[Standing, ...] = ()
    """In the same order."""
