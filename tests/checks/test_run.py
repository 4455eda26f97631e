"""Checks run for real, in sandboxes: whatever they do is a result like any other."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from aideator.checks.compare import State, brief, state_of
from aideator.checks.outcomes import is_flaky, outcomes_by_test
from aideator.checks.run import REPORT_BYTES, RerunPolicy
from aideator.domain.check import Check, TestOutcome
from aideator.sandbox.base import Limits
from tests.checks.measuring import UNITTEST, measured, outcomes

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)


async def test_a_program_that_is_not_there_is_said(home: Path) -> None:
    (found,) = await measured(home, {}, "no-such-tool --version")
    assert (
        found.result.note
        == "a program is not there: sandboxes see /usr and what SANDBOX_TOOLCHAINS "
        "names"
    )


# What may go wrong


async def test_a_check_that_hangs_is_stopped_and_the_next_one_runs(home: Path) -> None:
    hangs = Check(command="sleep 1000 & sleep 1000", timeout=1)
    first, second = await measured(home, UNITTEST, hangs, "echo fine")
    assert (first.result.exit_code, first.result.note, first.again) == (
        None,
        "stopped after 1 s",
        (),
    )
    assert second.result.passed
    assert second.result.output == "fine\n"


async def test_a_check_that_ends_its_sandbox_is_a_row_and_the_next_gets_a_new_one(
    home: Path,
) -> None:
    first, second = await measured(
        home, {}, "touch here; kill -9 -1", "ls; test ! -e here"
    )
    assert (first.result.exit_code, first.result.passed) == (None, False)
    assert "sandbox" in first.result.note
    assert second.result.passed


async def test_a_check_that_runs_out_of_memory_fails(home: Path) -> None:
    hog = "python3 -c 'x = bytearray(900 << 20); print(sum(x))'"
    first, second = await measured(
        home, {}, hog, "true", limits=Limits(memory_bytes=256 * 2**20)
    )
    assert not first.result.passed
    assert second.result.passed


@pytest.mark.slow
async def test_a_check_that_prints_a_gigabyte_is_kept_in_part_and_its_exit_code_decides(
    home: Path,
) -> None:
    flood = Check(
        command="head -c 1000000000 /dev/zero | tr '\\0' x; echo the end; false",
        timeout=300,
    )
    loud = "head -c 20000000 /dev/zero | tr '\\0' x >&2; python3 -m unittest"
    first, second = await measured(
        home, UNITTEST, flood, loud, policy=RerunPolicy(reruns=0)
    )
    assert first.result.exit_code == 1
    assert first.result.output.endswith("the end\n")
    assert len(first.result.output) < 20_000
    assert second.result.tests == ()
    assert f"larger than {REPORT_BYTES // 2**20} MiB" in second.result.note


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ("<testsuite><testcase name='a'>", "broken XML"),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><testsuite><testcase '
            'name="&b;"/></testsuite>',
            "declares an entity",
        ),
        ("nonsense", "neither XML nor JSON"),
    ],
)
async def test_a_broken_report_is_said_and_the_exit_code_decides(
    home: Path, report: str, why: str
) -> None:
    check = Check(command="cat broken > out.xml", report="out.xml")
    (found,) = await measured(home, {"broken": report}, check)
    assert (found.result.passed, found.result.tests, found.result.source) == (
        True,
        (),
        "exit_code",
    )
    assert why in found.result.note


async def test_a_report_of_many_megabytes_is_not_read(home: Path) -> None:
    check = Check(
        command=f"head -c {REPORT_BYTES + 1000} /dev/zero > out.xml", report="out.xml"
    )
    (found,) = await measured(home, {}, check)
    assert found.result.tests == ()
    assert "larger than" in found.result.note


async def test_a_check_that_needs_the_network_fails_as_on_any_machine_without(
    home: Path,
) -> None:
    call = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    (found,) = await measured(home, {}, f'python3 -c "{call}"')
    assert found.result.exit_code == 1
    assert "unreachable" in found.result.output
    assert state_of(found) is State.FAILS


async def test_a_check_without_tests_is_known_by_its_exit_code(home: Path) -> None:
    (found,) = await measured(home, {"a.py": ""}, "python3 -m unittest")
    assert found.result.tests == ()
    assert found.result.source == "exit_code"


async def test_twenty_thousand_tests_are_told_apart_and_told_briefly(
    home: Path,
) -> None:
    script = (
        "print('<testsuite>'); [print(f'<testcase classname=\"größe\" "
        'name="tést_{n}">\''
        " + ('<failure message=\"no\"/>' if n % 100 == 0 else '') + '</testcase>') "
        "for n in range(20_000)];"
        " print('</testsuite>'); raise SystemExit(1)"
    )
    check = Check(command="python3 -X utf8 many.py > out.xml", report="out.xml")
    (found,) = await measured(
        home, {"many.py": script}, check, policy=RerunPolicy(reruns=1)
    )
    assert found.result.counts == {PASSED: 19_800, FAILED: 200}
    assert found.result.tests[0].test == "größe.tést_0"
    assert len(found.again[0].tests) == 200
    assert len(brief(found.result).model_dump_json()) < 20_000


async def test_a_test_that_passes_only_the_second_time_is_flaky(home: Path) -> None:
    files = {
        "test_a.py": "import os, unittest\n\n\nclass T(unittest.TestCase):\n    def "
        "test_x(self):\n"
        "        there = os.path.exists('/tmp/seen')\n        open('/tmp/seen', "
        "'w').close()\n"
        "        self.assertTrue(there)\n",
    }
    (found,) = await measured(home, files, "python3 -m unittest")
    assert outcomes_by_test(found) == {"test_a.T.test_x": (FAILED, PASSED, PASSED)}
    assert is_flaky(outcomes_by_test(found)["test_a.T.test_x"])
    assert state_of(found) is State.FLAKY


async def test_a_check_known_as_a_whole_that_passes_only_the_second_time_is_flaky(
    home: Path,
) -> None:
    (found,) = await measured(home, {}, "test -e seen || { touch seen; false; }")
    assert [found.result.passed, *(run.passed for run in found.again)] == [
        False,
        True,
        True,
    ]
    assert state_of(found) is State.FLAKY


async def test_what_is_new_or_came_to_pass_is_repeated_on_the_change(
    home: Path,
) -> None:
    (before,) = await measured(home, UNITTEST, "python3 -m unittest discover")
    shutil.rmtree(home / "layer")
    repaired = {
        "test_a.py": UNITTEST["test_a.py"].replace("'é', 1", "1, 1")
        + "\n    def test_new(self):\n        pass\n",
    }
    policy = RerunPolicy(reruns=1, baseline={"python3 -m unittest discover": before})
    (after,) = await measured(
        home, repaired, "python3 -m unittest discover", policy=policy
    )
    assert outcomes(after.again[0]) == {
        "test_a.T.test_bad": PASSED,
        "test_a.T.test_new": PASSED,
    }
    edited = RerunPolicy(
        reruns=1,
        baseline={"python3 -m unittest discover": before},
        edited={"test_good"},
    )
    (after,) = await measured(
        home, repaired, "python3 -m unittest discover", policy=edited
    )
    assert "test_a.T.test_good" in outcomes(after.again[0])


async def test_findings_of_linters_are_counted(home: Path) -> None:
    says = "printf 'a.py:1:1: F401 x\\na.py:2:1: E1 y\\n'; false"
    lint, types, clean = await measured(
        home,
        {},
        Check(command=says, kind="lint"),
        Check(
            command="echo 'Found 17 errors in 3 files (checked 9 source files)'; false",
            kind="types",
        ),
        Check(command="true", kind="lint"),
    )
    assert [each.result.findings for each in (lint, types, clean)] == [2, 17, 0]
    assert lint.again == ()


COBERTURA = """<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>
<coverage><packages><package><classes><class filename="calc.py"><lines><line
number="2" hits="1"/>
<line number="3" hits="0"/><line number="9"
hits="0"/></lines></class></classes></package></packages></coverage>"""


async def test_coverage_of_changed_lines_is_taken_from_the_projects_own_report(
    home: Path,
) -> None:
    files = {"c": COBERTURA, "l": "SF:/workspace/src/calc.py\nDA:4,7\nend_of_record\n"}
    lines = {"src/calc.py": {2, 3, 4, 5}}
    command = "cp c coverage.xml; mkdir coverage; cp l coverage/lcov.info"
    (found,) = await measured(home, files, command, policy=RerunPolicy(lines=lines))
    assert found.covered == (2, 3)
    (found,) = await measured(home, files, "true", policy=RerunPolicy(lines=lines))
    assert found.covered is None


def test_the_reporter_for_node_is_part_of_the_package() -> None:
    from aideator.checks.runners import REPORTER  # noqa: PLC0415

    assert REPORTER.is_file()
    assert os.fspath(REPORTER).startswith(
        os.fspath(Path(sys.modules["aideator"].__file__ or "").parent)
    )
