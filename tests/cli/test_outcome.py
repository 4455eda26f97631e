"""How the end of a run reads: on one screen, whose word it is, and what to type."""

import pytest
from rich.console import Console

from aideator.cli.parsing import no_single_one
from aideator.cli.ui.evidence import common_path, fold_name
from aideator.cli.ui.next_steps import next_steps
from aideator.cli.ui.summary import print_outcome, print_summary
from aideator.domain.ranking import Evidence
from aideator.domain.run import Failure, RunDetails, RunStatus, VariationStatus
from aideator.domain.verdict import Change, PatchStats, TestChange
from aideator.selection.rank import rank
from tests.cli.test_live import details_of


def printed(details: RunDetails, *, whole: bool = False) -> str:
    console = Console(width=80)
    with console.capture() as shown:
        (print_summary if whole else print_outcome)(console, details)
    return shown.get()


def judged(*fixed: int) -> RunDetails:
    """Return a run of three variations, of which some fix the failing test."""
    run = details_of(3)
    for each in run.variations:
        assert each.verdict
        (row,) = each.verdict.checks
        change = Change.FIXED if each.number in fixed else Change.STILL_FAILING
        test = TestChange(test=f"tests.test_wrap.Test{'x' * 60}.test_it", change=change)
        rows = (
            row.model_copy(
                update={"change": change, "tests": (test,), "counts": {change: 1}}
            ),
        )
        patch = PatchStats(files=1, additions=each.number, deletions=0)
        each.verdict = each.verdict.model_copy(
            update={
                "checks": rows,
                "paths": ("wrap.py", f"test_{each.number}.py"),
                "patch": patch,
                "fingerprint": str(each.number),
            }
        )
    verdicts = [each.verdict for each in run.variations if each.verdict]
    run.ranking = rank(verdicts, Evidence())
    return run


def test_the_end_of_a_run_fits_a_screen_and_ends_with_what_to_type() -> None:
    lines = printed(judged(2)).splitlines()
    assert len(lines) <= 23, "\n".join(lines)
    assert max(map(len, lines)) <= 80
    assert "Variation 2 is recommended" in "\n".join(lines)
    assert lines[-3:] == [
        "  aideator diff eddc7d4a 2",
        '  aideator select eddc7d4a 2 --reason "…"',
        "  aideator apply eddc7d4a 2",
    ]
    assert "Medium: it fixes some" not in "\n".join(lines)


def test_a_tie_is_told_as_a_tie() -> None:
    run = judged(1, 2)
    text = " ".join(printed(run).split())
    assert "1 or 2: equally proven (high confidence)." in text
    assert "1 comes first by its number alone." in text
    assert "They differ in `test_1.py`, `test_2.py`" in text
    assert "(1: 1 file +1 −0, 2: 1 file +2 −0)" in text
    assert [step.split()[1:] for step in next_steps(run)][:2] == [
        ["diff", run.id[-8:], "1"],
        ["diff", run.id[-8:], "2"],
    ]


def test_a_persons_choice_and_reason_are_not_the_platforms_words() -> None:
    run = judged(2)
    run.status, run.winner, run.winner_reason = RunStatus.DECIDED, 3, "reads best"
    text = printed(run, whole=True)
    flat = " ".join(text.split())
    assert "Winner: variation 3. Chosen by a person: reads best" in flat
    assert "AIdeator itself: Variation 2 is recommended" in flat
    assert "To settle it" not in text
    assert [step.split()[1] for step in next_steps(run)] == ["diff", "apply", "publish"]


def test_an_open_answer_names_the_contenders() -> None:
    run = judged()
    assert run.recommended is None
    verbs = [step.split()[1:] for step in next_steps(run)]
    assert verbs[-1][:3] == ["select", run.id[-8:], "1"]
    assert ["diff", run.id[-8:], "3"] in verbs
    assert "N" not in " ".join(next_steps(run)).replace("None", "")


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
def test_a_run_that_failed_before_its_agents_is_told_once(status: RunStatus) -> None:
    run = details_of(3)
    run.status = status
    run.failure = Failure(
        reason="ModelRefusesKey", message="the key is refused (login)"
    )
    for each in run.variations:
        each.verdict, each.status = None, VariationStatus.CANCELLED
    text = printed(run)
    assert text.count("the key is refused") == 1
    assert next_steps(run) == []
    assert len(text.splitlines()) == 2


def test_the_rule_is_explained_by_show_alone() -> None:
    run = judged(2)
    assert "The rule: High: it fixes" in printed(run, whole=True)
    assert "The rule" not in printed(run)


@pytest.mark.parametrize(
    ("fixed", "words", "hint"),
    [
        ((), "1, 2 and 3 are equal", "aideator select eddc7d4a 1"),
        ((2,), "variation 2 is recommended, not chosen", "aideator select eddc7d4a 2"),
        ((1, 3), "1 and 3 are equal", "aideator select eddc7d4a 1"),
    ],
)
def test_a_command_without_a_number_says_which_are_equal(
    fixed: tuple[int, ...], words: str, hint: str
) -> None:
    error = no_single_one(judged(*fixed), "select")
    assert words in str(error)
    assert hint in error.hint


def test_a_long_name_is_broken_after_a_separator() -> None:
    name = "tests/test_wrap.py::WrapTest::test_no_line_is_longer_than_the_width"
    lines = fold_name(name, 40)
    assert lines == ["tests/test_wrap.py::WrapTest::test_no_", name[38:]]
    assert fold_name("x" * 50, 40) == ["x" * 40, "x" * 10]


def test_what_all_names_of_tests_begin_with_is_said_once() -> None:
    assert common_path(["tests/a/x.py::one", "tests/a/x.py::two"]) == "tests/a/x.py::"
    assert common_path(["tests.wrap.A.one", "tests.wrap.B.two"]) == "tests.wrap."
    assert common_path(["a.b", "a.c"]) == ""
    assert common_path(["tests/a.py::one"]) == ""
