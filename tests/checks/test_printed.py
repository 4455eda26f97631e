"""Runners without a report are read from recorded samples of what they print."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.checks.printed import (
    go,
    go_output,
    libtest,
    nextest,
    recognise,
    tap,
    unittest,
)
from aideator.checks.reports import Report
from aideator.domain.check import TestOutcome

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)
RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def outcomes(report: Report) -> dict[str, TestOutcome]:
    return {test.test: test.outcome for test in report.tests if not test.of_subtests}


def of_subtests(report: Report) -> dict[str, TestOutcome]:
    return {test.test: test.outcome for test in report.tests if test.of_subtests}


def test_unittest_tells_failures_from_modules_and_classes_that_cannot_be_run() -> None:
    report = unittest(recorded("unittest.txt"))
    assert outcomes(report) == {
        "test_a.C.setUpClass": ERROR,
        "test_a.T.test_e": FAILED,
        "test_a.T.test_f": FAILED,
        "test_a.T.test_ok": PASSED,
        "test_a.T.test_s": SKIPPED,
        "test_a.T.test_sub": FAILED,
        "test_a.T.test_us": FAILED,
        "test_a.T.test_x": PASSED,
        "test_b": ERROR,
    }
    messages = {test.test: test.message for test in report.tests}
    assert messages["test_a.T.test_f"].endswith("AssertionError: 1 != 2")
    assert "No module named 'nope'" in messages["test_b"]
    assert "AssertionError: 0 != 1" in messages["test_a.T.test_sub"]


def test_an_older_unittest_names_the_class_only() -> None:
    said = (
        "test_f (test_a.T) ... FAIL\ntest_g (test_a.T) ... ok\n\n"
        + "=" * 70
        + "\nFAIL: test_f (test_a.T)\n"
        + "-" * 70
    )
    said += (
        "\nTraceback …\nAssertionError\n\n"
        + "-" * 70
        + "\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n"
    )
    assert outcomes(unittest(said)) == {
        "test_a.T.test_f": FAILED,
        "test_a.T.test_g": PASSED,
    }


@pytest.mark.parametrize(
    "said",
    ["", "/usr/bin/python3: No module named unittest", "test_f (test_a.T.test_f) ... "],
)
def test_a_unittest_that_does_not_come_to_its_end_tells_no_tests(said: str) -> None:
    report = unittest(said)
    assert report.tests == ()
    assert "did not come to its end" in report.note


def test_cargo_names_tests_by_crate_file_and_path() -> None:
    report = libtest(recorded("cargo.txt"))
    assert outcomes(report) == {
        "src/lib.rs::tests::bad": FAILED,
        "src/lib.rs::tests::ign": SKIPPED,
        "src/lib.rs::tests::ok": PASSED,
        "src/lib.rs::tests::pan": PASSED,
        "tests/it.rs::it": PASSED,
        "src/lib.rs - add (line 1)": PASSED,
    }
    bad = next(test for test in report.tests if test.outcome is FAILED)
    assert bad.file == "src/lib.rs"
    assert "assertion `left == right` failed" in bad.message


def test_nextest_prints_a_line_for_each_test() -> None:
    said = (
        "    Starting 3 tests across 2 binaries\n"
        "        PASS [   0.005s] r tests::ok\n"
        "        FAIL [   0.004s] r::it it_breaks\n"
        "        SKIP [         ] r tests::later\n"
        "     Summary [   0.010s] 2 tests run: 1 passed, 1 failed, 1 skipped\n"
    )
    assert outcomes(nextest(said)) == {
        "r::tests::ok": PASSED,
        "r::it::it_breaks": FAILED,
        "r::tests::later": SKIPPED,
    }
    assert nextest("PASS").tests == ()


def test_go_tells_subtests_and_packages_that_cannot_be_built() -> None:
    report = go(recorded("go.jsonl"))
    assert outcomes(report) == {
        "example.com/m.TestAdd/one": FAILED,
        "example.com/m.TestAdd/zero": PASSED,
        "example.com/m.TestSkip": SKIPPED,
        "example.com/m.TestOk": PASSED,
        "example.com/m/sub": ERROR,
    }
    messages = {test.test: test.message for test in report.tests}
    assert "bad 0" in messages["example.com/m.TestAdd/one"]
    assert "undefined: undefinedname" in messages["example.com/m/sub"]
    assert "--- FAIL: TestAdd/one (0.00s)\n" in go_output(recorded("go.jsonl"))
    assert "{" not in go_output(recorded("go.jsonl"))


TAP = """TAP version 14
1..5
# Subtest: outer
    ok 1 - inner
    not ok 2 - breaks
      ---
      message: "expected 1, got 2"
      ...
    1..2
not ok 1 - outer
ok 2 - plain # time=3ms
not ok 3 - later # TODO not yet
ok 4 - gone # SKIP no network
ok
"""


def test_tap_tells_subtests_directives_and_why() -> None:
    report = tap(TAP)
    assert report.source == "tap"
    assert outcomes(report) == {
        "outer > inner": PASSED,
        "outer > breaks": FAILED,
        "plain": PASSED,
        "later": SKIPPED,
        "gone": SKIPPED,
        "test 5": PASSED,
    }
    assert (
        next(t.message for t in report.tests if t.outcome is FAILED)
        == 'message: "expected 1, got 2"'
    )


def test_a_test_that_fails_outside_its_subtests_is_told() -> None:
    events = "".join(
        f'{{"Action":"{action}","Package":"m","Test":"{test}"}}\n'
        for action, test in [
            ("pass", "TestTwice/case"),
            ("fail", "TestTwice"),
            ("fail", "TestTable/row"),
            ("fail", "TestTable"),
            ("pass", "TestFine/row"),
            ("pass", "TestFine"),
        ]
    )
    assert outcomes(go(events)) == {
        "m.TestTwice/case": PASSED,
        "m.TestTwice": FAILED,
        "m.TestTable/row": FAILED,
        "m.TestFine/row": PASSED,
    }
    assert of_subtests(go(events)) == {"m.TestTable": FAILED, "m.TestFine": PASSED}
    said = "    ok 1 - inner\n    1..1\nnot ok 1 - outer\n1..1\n"
    assert outcomes(tap(said)) == {"outer > inner": PASSED, "outer": FAILED}


def test_tap_that_bails_out_tells_no_tests_and_says_so() -> None:
    assert tap("1..2\nok 1 - a\nBail out! no database\n") == Report(
        note="Bail out! no database"
    )


def test_a_known_output_of_an_unknown_command_is_recognised() -> None:
    assert recognise("make: entering\n" + recorded("cargo.txt")).tests
    assert recognise(TAP).source == "tap"
    assert recognise("all is well\nok\n") == Report()


@given(
    st.text(
        alphabet=st.sampled_from(" \n.#-:(){}1not okPASFILtesRan=>\t\"'"), max_size=300
    )
)
def test_whatever_is_printed_reading_ends(said: str) -> None:
    for reader in (unittest, libtest, nextest, go, tap, recognise):
        for text in (
            said,
            said + "\nRan 1 test in 0.1s\n",
            "1..2\n" + said,
            said + "\ntest result: ok",
        ):
            report = reader(text)
            assert report.tests == () or report.note == ""
