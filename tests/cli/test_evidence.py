"""The evidence on a terminal: each claim in its cell, whatever it holds."""

import pytest
from rich.console import Console, RenderableType

from aideator.cli.ui.evidence import tables_of_tests
from aideator.cli.ui.outputs import outputs_of_checks
from aideator.cli.ui.summary import comparison
from aideator.domain.check import Check, TestOutcome
from aideator.domain.ranking import Cost, CrossOutcome, CrossTest, Evidence
from aideator.domain.run import (
    RunDetails,
    RunSpec,
    RunStatus,
    Variation,
    VariationStatus,
)
from aideator.domain.verdict import Change, CheckChange, PatchStats, TestChange, Verdict

PASS, FAIL, NOT_COMPARABLE = CrossOutcome


def variation(
    number: int, change: Change, *tests: TestChange, more: int = 0
) -> Variation:
    counts: dict[Change, int] = {}
    for test in tests:
        counts[test.change] = counts.get(test.change, 0) + 1
    if more:
        counts[Change.GONE] = counts.get(Change.GONE, 0) + more
    row = CheckChange(check="unit", change=change, counts=counts, tests=tests)
    return Variation(
        run_id="r",
        number=number,
        spec=RunSpec(repo_url="/r", prompt="0123456789").agents()[0],
        status=VariationStatus.FINISHED,
        verdict=Verdict(variation_id=number, patch=PatchStats(files=1), checks=(row,)),
    )


def case(
    name: str, change: Change, after: TestOutcome = TestOutcome.PASSED
) -> TestChange:
    return TestChange(test=name, change=change, after=after)


def details() -> RunDetails:
    cross = CrossTest(
        check="unit",
        test="t.T.test_new\x1b[2J",
        file="t.py",
        authors=(1,),
        base=FAIL,
        outcomes={1: PASS, 2: FAIL, 3: NOT_COMPARABLE},
        weight=0.5,
    )
    flaky = CrossTest(
        check="unit",
        test="t.T.odd",
        file="t.py",
        authors=(2,),
        base=PASS,
        outcomes={},
        stable=False,
    )
    failed, cost = TestOutcome.FAILED, Cost(sandboxes=3, seconds=1.25, left_out=2)
    return RunDetails(
        id="01a20286-e495-75be-b296-6354eddc7d4a",
        spec=RunSpec(repo_url="/repo", prompt="Make the test pass", variations=3),
        status=RunStatus.FINISHED,
        checks=(Check(command="make test", name="unit"),),
        evidence=Evidence(cross_tests=(cross, flaky), cost=cost, notes=("a note",)),
        variations=(
            variation(
                1,
                Change.FIXED,
                case("t.T.test_a", Change.FIXED),
                case("t.T.test_new\x1b[2J", Change.NEW),
            ),
            variation(
                2,
                Change.FLAKY,
                case("t.T.test_a", Change.FLAKY),
                case("t.T.mine", Change.NEW, failed),
            ),
            variation(
                3, Change.BROKEN, case("t.T.test_b", Change.BROKEN, failed), more=7
            ),
        ),
    )


def printed(drawn: RenderableType, *, width: int) -> str:
    """Return what a terminal without colours shows."""
    console = Console(width=width)
    with console.capture() as shown:
        console.print(drawn)
    return shown.get()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_comparison_counts_tests_and_cross_tests(width: int) -> None:
    text = printed(comparison(details(), width=width), width=width)
    flat = " ".join(text.split())
    for words in (
        "✓ fixed",
        "~ flaky",
        "✗ broken",
        "1 fixed, 1 new",
        "cross-tests",
        "1 of 1 pass",
        "0 of 1 pass",
    ):
        assert words in flat, words
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80, 120])
def test_each_test_that_tells_something_has_its_row(width: int) -> None:
    text = printed(tables_of_tests(details()), width=width)
    rows = {
        line.split()[0]: line.split()[1:]
        for line in text.splitlines()
        if line.strip().startswith("t.T.")
    }
    assert rows["t.T.test_a"] == ["✓", "fixed", "~", "flaky", "·"]
    assert rows["t.T.mine"] == ["·", "✗", "new,", "fails", "·"]
    assert rows["t.T.test_b"] == ["·", "·", "✗", "broken"]
    assert rows["t.T.test_new"][-5:] == ["✓", "✗", "·", "✗", "0.50"]
    assert rows["t.T.odd"][-1] == "flaky"
    for words in (
        "and up to 7 more for each variation",
        "3 sandboxes, 1.2 s, 0 known before, 2 left out",
        "a note",
    ):
        assert words in text, words
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= width


def test_a_run_whose_checks_do_not_tell_tests_apart_says_so() -> None:
    run = details().model_copy(update={"evidence": None, "variations": ()})
    text = printed(tables_of_tests(run), width=100)
    assert "No check of this run reports single tests." in text


def test_the_end_of_what_a_failing_check_printed_is_shown_once() -> None:
    run = details()
    printed_by = "".join(f"line {number}\n" for number in range(20)) + "\x1b[2Jend\n"
    alike = []
    for each in run.variations[:2]:
        assert each.verdict is not None
        (row,) = each.verdict.checks
        failing = row.model_copy(
            update={"output": printed_by, "could_not_run": "No module named x"}
        )
        verdict = each.verdict.model_copy(update={"checks": (failing,)})
        alike.append(each.model_copy(update={"verdict": verdict}))
    run = run.model_copy(update={"variations": tuple(alike)})
    text = printed(outputs_of_checks(run, lines=3), width=100)
    assert "output of `unit` on 1, 2" in text
    assert "line 18" in text
    assert "line 17" not in text
    assert text.count("end") == 1
    assert "\x1b" not in text
    table = printed(comparison(run, width=100), width=100)
    assert "could not run" in table
