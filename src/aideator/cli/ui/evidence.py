"""Pictures of the evidence: what became of each check and test, and what the variations' tests say about each other."""

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import one_line, plain
from aideator.domain.check import TestOutcome
from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence
from aideator.domain.run import RunDetails, Variation
from aideator.domain.verdict import Change, CheckChange, TestChange, Verdict

_CHANGES = {
    Change.FIXED: ("✓ fixed", "green"),
    Change.STILL_PASSING: ("✓ passes", "green dim"),
    Change.STILL_FAILING: ("✗ not fixed", "yellow"),
    Change.BROKEN: ("✗ BROKEN", "bold red"),
    Change.FLAKY: ("~ flaky", "magenta"),
    Change.NEW: ("+ new", "cyan"),
    Change.GONE: ("− gone", "yellow"),
}
_COUNTED = (
    Change.BROKEN,
    Change.FIXED,
    Change.FLAKY,
    Change.NEW,
    Change.GONE,
    Change.STILL_FAILING,
)
"""The changes of tests that a cell counts, most telling first."""
_CROSS = {
    CrossOutcome.PASS: ("✓", "green"),
    CrossOutcome.FAIL: ("✗", "red"),
    CrossOutcome.NOT_COMPARABLE: ("·", "dim"),
}
_TEST_WIDTH = 48


def check_cell(verdict: Verdict | None, label: str) -> Text:
    """What a variation did to a check, and to how many of its tests."""
    row = _row(verdict, label)
    if row is None:
        return Text("–", style="dim")
    cell = Text(*_CHANGES[row.change])
    counted = ", ".join(
        f"{row.counts[change]} {_word(change)}"
        for change in _COUNTED
        if row.counts.get(change)
    )
    return cell.append(f"\n{counted}", style="dim") if counted else cell


def _row(verdict: Verdict | None, label: str) -> CheckChange | None:
    return (
        next((row for row in verdict.checks if row.check == label), None)
        if verdict
        else None
    )


def _word(change: Change) -> str:
    return change.value.replace("_", " ").replace("still failing", "failing")


def cross_cell(evidence: Evidence, variation: Variation) -> Text:
    """How many of all variations' own tests a variation passes, of those that could be run on it."""
    said = Counter(test.outcomes.get(variation.number) for test in evidence.cross_tests)
    ran = said[CrossOutcome.PASS] + said[CrossOutcome.FAIL]
    if not ran:
        return Text("–", style="dim")
    style = "green" if not said[CrossOutcome.FAIL] else "yellow"
    cell = Text(f"{said[CrossOutcome.PASS]} of {ran} pass", style=style)
    if said[CrossOutcome.NOT_COMPARABLE]:
        cell.append(
            f"\n{said[CrossOutcome.NOT_COMPARABLE]} not comparable", style="dim"
        )
    return cell


def each_test(details: RunDetails) -> Group:
    """`show --tests`: the tests that changed or do not pass, and the cross-tests, as tests × variations."""
    blocks: list[RenderableType] = []
    judged = [variation for variation in details.variations if variation.verdict]
    for check in details.checks:
        blocks += _check_block(check.label, judged)
    if details.evidence and details.evidence.cross_tests:
        blocks += _cross_block(details.evidence, judged)
    return (
        Group(*blocks)
        if blocks
        else Group(Text("No check of this run tells its tests apart.", style="dim"))
    )


def _check_block(label: str, judged: Sequence[Variation]) -> list[RenderableType]:
    rows = {
        v.number: {test.test: test for test in row.tests}
        for v in judged
        if (row := _row(v.verdict, label))
    }
    names = dict.fromkeys(name for tests in rows.values() for name in tests)
    if not names:
        return []
    table = _table(f"tests of `{plain(label)}`", judged)
    for name in names:
        table.add_row(
            _name(name), *(_test_cell(rows.get(v.number, {}).get(name)) for v in judged)
        )
    told = {v.number: len(rows.get(v.number, {})) for v in judged}
    counted = {v.number: _changed(_row(v.verdict, label)) for v in judged}
    left = max((counted[number] - told[number] for number in told), default=0)
    more = (
        [Text(f"and up to {left} more for each variation", style="dim")] if left else []
    )
    return [table, *more]


def _changed(row: CheckChange | None) -> int:
    return (
        sum(
            count
            for change, count in row.counts.items()
            if change is not Change.STILL_PASSING
        )
        if row
        else 0
    )


def _table(title: str, judged: Sequence[Variation]) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("test", overflow="fold", max_width=_TEST_WIDTH)
    for variation in judged:
        table.add_column(str(variation.number), justify="center")
    return table


def _name(test: str, author: str = "") -> Text:
    name = Text(one_line(test, 4 * _TEST_WIDTH))
    return name.append(f"  {author}", style="dim") if author else name


def _test_cell(test: TestChange | None) -> Text:
    if test is None:
        return Text("·", style="dim")
    word, style = _CHANGES[test.change]
    if test.change is Change.NEW and test.after is not TestOutcome.PASSED:
        return Text("✗ new", style="red")
    return Text(word, style=style)


def _cross_block(
    evidence: Evidence, judged: Sequence[Variation]
) -> list[RenderableType]:
    table = _table(
        "cross-tests: what one variation's tests say about the others", judged
    )
    table.add_column("base", justify="center")
    table.add_column("weight", justify="right")
    for test in evidence.cross_tests:
        authors = "by " + ", ".join(map(str, test.authors))
        said = [
            Text(*_CROSS[test.outcomes.get(v.number, CrossOutcome.NOT_COMPARABLE)])
            for v in judged
        ]
        table.add_row(
            _name(test.test, authors), *said, Text(*_CROSS[test.base]), _weight(test)
        )
    legend = "✓ passes  ✗ fails  · not comparable: it cannot be run there, which counts for nobody"
    cost = evidence.cost
    spent = f"{cost.sandboxes} sandboxes, {cost.seconds:.1f} s, {cost.cached} known before, {cost.left_out} left out"
    notes = [Text(plain(note), style="dim") for note in evidence.notes]
    return [
        table,
        Text(legend, style="dim"),
        Text(f"cost: {spent}", style="dim"),
        *notes,
    ]


def _weight(test: CrossTest) -> Text:
    if not test.stable:
        return Text("flaky", style="magenta")
    return (
        Text(one_line(test.why_not, 24), style="dim")
        if test.why_not
        else Text(f"{test.weight:.2f}")
    )
