"""Draw the evidence: changes of checks and tests, and the matrix of cross-tests."""

from collections.abc import Sequence
from itertools import chain, takewhile

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aideator.cli.ui.escape import escape, one_line
from aideator.domain import wording
from aideator.domain.check import FAILING
from aideator.domain.ranking import CrossOutcome, CrossTest, Evidence
from aideator.domain.run import RunDetails, Variation
from aideator.domain.verdict import Change, CheckChange, TestChange, Verdict

_CHANGES = {
    Change.FIXED: ("✓", "green"),
    Change.STILL_PASSING: ("✓", "green dim"),
    Change.STILL_FAILING: ("✗", "yellow"),
    Change.BROKEN: ("✗", "bold red"),
    Change.FLAKY: ("~", "magenta"),
    Change.NEW: ("+", "cyan"),
    Change.GONE: ("−", "yellow"),
}
"""Mark and style of each change."""
_CROSS = {
    CrossOutcome.PASS: ("✓", "green"),
    CrossOutcome.FAIL: ("✗", "red"),
    CrossOutcome.NOT_COMPARABLE: ("·", "dim"),
}
_ABSENT = ("·", "dim")
_TEST_WIDTH = 44
_REASON_WIDTH = 24
_SEPARATORS = ("/", "::", ".")
_LEAST_PATH = 8


def check_cell(verdict: Verdict | None, label: str) -> Text:
    """Return what a variation did to a check, and to how many of its tests."""
    row = _row(verdict, label)
    if row is None:
        return Text("–", style="dim")
    mark, style = _CHANGES[row.change]
    cell = Text(f"{mark} {wording.check_word(row)}", style)
    counts = wording.change_counts(row)
    return cell.append(f"\n{counts}", style="dim") if counts else cell


def _row(verdict: Verdict | None, label: str) -> CheckChange | None:
    return verdict.check(label) if verdict else None


def cross_cell(evidence: Evidence, variation: Variation) -> Text:
    """Return how many cross-tests a variation passes, of those that could be run."""
    outcomes = [test.outcomes.get(variation.number) for test in evidence.cross_tests]
    passed, not_comparable = wording.cross_counts(outcomes)
    if not passed:
        return Text("–", style="dim")
    style = "yellow" if CrossOutcome.FAIL in outcomes else "green"
    cell = Text(passed, style=style)
    return cell.append(f"\n{not_comparable}", "dim") if not_comparable else cell


def tables_of_tests(details: RunDetails) -> Group:
    """Return the tests that changed or fail, and the cross-tests, by variation."""
    judged = [variation for variation in details.variations if variation.verdict]
    blocks: list[RenderableType] = []
    for check in details.checks:
        blocks += _check_block(check.label, judged)
    if details.evidence and details.evidence.cross_tests:
        blocks += _cross_block(details.evidence, judged)
    if not blocks:
        blocks = [Text("No check of this run reports single tests.", style="dim")]
    return Group(*blocks)


def _check_block(label: str, judged: Sequence[Variation]) -> list[RenderableType]:
    """Return the table of one check's tests; nothing where there are none."""
    rows = [_row(variation.verdict, label) for variation in judged]
    columns = [_by_name(row) for row in rows]
    names = list(dict.fromkeys(chain.from_iterable(columns)))
    if not names:
        return []
    shared = common_path(names)
    where = f", in {escape(shared)}" if shared else ""
    table = _table(f"tests of `{escape(label)}`{where}", judged)
    for name in names:
        short = _name(name.removeprefix(shared))
        table.add_row(short, *(_test_cell(tests.get(name)) for tests in columns))
    # A verdict names a bounded number of tests, and counts all.
    more = max(_changed(row) - len(row.tests) for row in rows if row is not None)
    if more <= 0:
        return [table]
    return [table, Text(f"and up to {more} more for each variation", style="dim")]


def _by_name(row: CheckChange | None) -> dict[str, TestChange]:
    return {test.test: test for test in row.tests} if row else {}


def common_path(names: Sequence[str]) -> str:
    """Return the path with which all names of tests begin, up to its last separator.

    Empty for less than two names, or a path that is too short to be worth it.
    """
    if len(names) < 2:
        return ""
    pairs = zip(min(names), max(names), strict=False)
    same = takewhile(lambda pair: pair[0] == pair[1], pairs)
    shared = "".join(pair[0] for pair in same)
    end = max(shared.rfind(separator) + len(separator) for separator in _SEPARATORS)
    return shared[:end] if end >= _LEAST_PATH else ""


def _changed(row: CheckChange) -> int:
    return sum(row.counts.values()) - row.counts.get(Change.STILL_PASSING, 0)


def _table(title: str, judged: Sequence[Variation]) -> Table:
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("test", overflow="fold", max_width=_TEST_WIDTH)
    for variation in judged:
        table.add_column(str(variation.number), justify="center")
    return table


def _name(test: str, author: str = "") -> Text:
    name = Text("\n".join(fold_name(one_line(test, 4 * _TEST_WIDTH), _TEST_WIDTH)))
    return name.append(f"  {author}", style="dim") if author else name


def fold_name(name: str, width: int) -> list[str]:
    """Return the lines of a long name, broken after a separator where it has one."""
    lines = []
    while len(name) > width:
        end = max(name.rfind(separator, 0, width) for separator in "/.:_- ") + 1
        if end <= width // 2:
            end = width
        lines.append(name[:end])
        name = name[end:]
    return [*lines, name]


def _test_cell(test: TestChange | None) -> Text:
    if test is None:
        return Text(*_ABSENT)
    mark, style = _CHANGES[test.change]
    if test.change is Change.NEW and test.after in FAILING:
        mark, style = "✗", "red"
    return Text(f"{mark} {wording.changed_test_word(test)}", style=style)


def _cross_block(
    evidence: Evidence, judged: Sequence[Variation]
) -> list[RenderableType]:
    title = "cross-tests: one variation's tests, run on the others"
    table = _table(title, judged)
    table.add_column("base", justify="center")
    table.add_column("weight", justify="right")
    for test in evidence.cross_tests:
        authors = "by " + ", ".join(map(str, test.authors))
        outcomes = [
            test.outcomes.get(variation.number, CrossOutcome.NOT_COMPARABLE)
            for variation in judged
        ]
        marks = [Text(*_CROSS[outcome]) for outcome in (*outcomes, test.base)]
        table.add_row(_name(test.test, authors), *marks, _weight(test))
    legend = [
        f"{mark} {wording.cross_outcome_word(outcome)}"
        for outcome, (mark, _) in _CROSS.items()
    ]
    below = [
        f"{'  '.join(legend)}: {wording.NOT_COMPARABLE}",
        f"cost: {wording.evidence_cost(evidence.cost)}",
        *(escape(note) for note in evidence.notes),
    ]
    return [table, *(Text(line, style="dim") for line in below)]


def _weight(test: CrossTest) -> Text:
    if not test.stable:
        return Text("flaky", style="magenta")
    if test.why_not:
        return Text(one_line(test.why_not, _REASON_WIDTH), style="dim")
    return Text(f"{test.weight:.2f}")
