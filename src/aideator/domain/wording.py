"""The words for evidence, shared by the ranking, the command line and pull requests.

Pure functions without colour or markup, which the command line and the forges add. The
names of tests, checks and files come from a project or an agent: escape them where they
are shown.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from aideator.domain.check import CheckResult, TestOutcome
from aideator.domain.ranking import Confidence, Cost, CrossOutcome, Opinion, Ranking
from aideator.domain.verdict import (
    MOST_TELLING_FIRST,
    Change,
    CheckChange,
    Flag,
    PatchStats,
    TestChange,
)

NAMES_SHOWN = 3
"""Names that a sentence lists before it says how many more there are."""

_CHANGES = {
    Change.FIXED: "fixed",
    Change.BROKEN: "broken",
    Change.STILL_PASSING: "passes",
    Change.STILL_FAILING: "still fails",
    Change.NEW: "new",
    Change.GONE: "gone",
    Change.FLAKY: "flaky",
}
_COUNTED_CHANGES = _CHANGES | {
    Change.STILL_PASSING: "still passing",
    Change.STILL_FAILING: "still failing",
}
_TEST_OUTCOMES = {
    TestOutcome.PASSED: "passes",
    TestOutcome.FAILED: "fails",
    TestOutcome.ERROR: "cannot be run",
    TestOutcome.SKIPPED: "skipped",
}
_CROSS_OUTCOMES = {
    CrossOutcome.PASS: "passes",
    CrossOutcome.FAIL: "fails",
    CrossOutcome.NOT_COMPARABLE: "not comparable",
}
_CONFIDENCES = {
    Confidence.HIGH: "high confidence",
    Confidence.MEDIUM: "medium confidence",
    Confidence.OPEN: "open",
}

CANNOT_TELL = "I cannot tell which is right"
NOT_COMPARABLE = "it cannot be run there, which counts for nobody"
"""What `not comparable` means, as an explanation below a table."""


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 test`, `3 tests`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def joined(parts: Sequence[str]) -> str:
    """Return an enumeration: `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def quoted(names: Sequence[str], total: int = 0) -> str:
    """Return the first names in backticks, and how many more there are.

    Args:
        names: What is listed; a verdict may hold only the first ones.
        total: How many there are in all, if that is more than `names`.
    """
    more = max(total, len(names)) - len(names[:NAMES_SHOWN])
    listed = ", ".join(f"`{name}`" for name in names[:NAMES_SHOWN])
    return f"{listed} and {more} more" if more and listed else listed


def variations(numbers: Iterable[int]) -> str:
    """Return the name of one variation or of several: `Variations 1 and 3`."""
    listed = [str(number) for number in sorted(numbers)]
    return f"{'Variations' if len(listed) > 1 else 'Variation'} {joined(listed)}"


def check_word(check: CheckChange) -> str:
    """Return what happened to a check, such as `fixed`, or that it could not run."""
    return "could not run" if check.could_not_run else change_word(check.change)


def change_word(change: Change) -> str:
    """Return what happened to a check or test, such as `still fails`."""
    return _CHANGES[change]


def changed_test_word(test: TestChange) -> str:
    """Return what happened to a test; of a new one also that it does not pass."""
    word = change_word(test.change)
    after = test.after or TestOutcome.PASSED
    if test.change is Change.NEW and after is not TestOutcome.PASSED:
        return f"{word}, {outcome_word(after)}"
    return word


def change_counts(
    check: CheckChange, changes: Iterable[Change] = MOST_TELLING_FIRST
) -> str:
    """Return how many tests of a check changed in which way: `2 fixed, 1 new`.

    Empty where the check does not tell its tests apart, or none changed so.
    """
    return ", ".join(
        f"{check.counts[change]} {_COUNTED_CHANGES[change]}"
        for change in changes
        if check.counts.get(change)
    )


def outcome_word(outcome: TestOutcome) -> str:
    """Return how one test ended."""
    return _TEST_OUTCOMES[outcome]


def cross_outcome_word(outcome: CrossOutcome) -> str:
    """Return what a cross-test said about a variation."""
    return _CROSS_OUTCOMES[outcome]


def cross_counts(outcomes: Iterable[CrossOutcome | None]) -> tuple[str, str]:
    """Return how many cross-tests a variation passes, and how many are no answer.

    Such as `3 of 4 pass` and `1 not comparable`; either is empty where there is none.
    """
    found = Counter(outcomes)
    ran = found[CrossOutcome.PASS] + found[CrossOutcome.FAIL]
    other = found[CrossOutcome.NOT_COMPARABLE]
    return (
        f"{found[CrossOutcome.PASS]} of {ran} pass" if ran else "",
        f"{other} not comparable" if other else "",
    )


def check_outcome(result: CheckResult) -> str:
    """Return the result of a check, such as `check x fails (3 of 4 tests pass)`."""
    if result.could_not_run:
        return f"check `{result.check}` could not run ({result.could_not_run})"
    total = sum(result.counts.values())
    passed = result.counts.get(TestOutcome.PASSED, 0)
    said = f"check `{result.check}` {'passes' if result.passed else 'fails'}"
    detail = result.note
    if total:
        detail = f"{passed} of {total} tests" + ("" if result.passed else " pass")
    return f"{said} ({detail})" if detail else said


def confidence_words(confidence: Confidence) -> str:
    """Return a tier of confidence as it stands beside a recommendation."""
    return _CONFIDENCES[confidence]


def recommendation(ranking: Ranking | None) -> str:
    """Return which variation is recommended and how sure that is, without a full stop.

    Such as `Variation 2 is recommended (high confidence)`.
    """
    if ranking is None or ranking.recommended is None:
        return "No variation is recommended"
    sure = confidence_words(ranking.confidence)
    return f"Variation {ranking.recommended} is recommended ({sure})"


def opinion(said: Opinion) -> str:
    """Return what a judge model preferred, as a sentence."""
    among = joined([str(number) for number in said.among])
    if said.preferred is None:
        return (
            f"The judge ({said.model}) has no preference among {among} "
            "that holds in both orders."
        )
    return (
        f"The judge ({said.model}) prefers variation {said.preferred} among {among}, "
        "in both orders; that is an opinion, not a proof."
    )


def flag_line(flag: Flag) -> str:
    """Return where a flag is and what happened there, without its excerpt."""
    return f"{flag.path}: {flag.message}"


def money(usd: float | None) -> str:
    """Return an amount in US dollars; a model without a price costs "unknown"."""
    return "unknown" if usd is None else f"${usd:.4f}"


def patch_size(stats: PatchStats | None) -> str:
    """Return the size of a change: `2 files +30 −4`, or `no change`."""
    if stats is None or not stats.files:
        return "no change"
    files = count(stats.files, "file")
    return f"{files} +{stats.additions} −{stats.deletions}"


def evidence_cost(cost: Cost) -> str:
    """Return what cross-testing cost, in one line."""
    return (
        f"{cost.sandboxes} sandboxes, {cost.seconds:.1f} s, "
        f"{cost.cached} known before, {cost.left_out} left out"
    )


UNCHANGED = "changed nothing"
"""Gates read as what follows `Variation 1`; see `Standing.gate`."""


def gate_of_builds(checks: Sequence[str]) -> str:
    """Return the gate of a variation that does not build."""
    return f"does not build ({quoted(checks)})"


def gate_of_tests(broken: Sequence[str], total: int) -> str:
    """Return the gate of a variation that breaks tests which passed on the base."""
    return f"breaks {quoted(broken, total)}, which passed on the base"


def gate_of_flags(flags: Iterable[Flag]) -> str:
    """Return the gate of a variation with flags that nobody has cleared."""
    paths = list(dict.fromkeys(flag.path for flag in flags))
    return f"touches what proves it ({quoted(paths)}), which needs your word"
