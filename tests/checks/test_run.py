"""Checks run for real, in sandboxes, with the runners that this machine has; and whatever they do is a clear row."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aideator.checks.compare import State, brief, is_flaky, state
from aideator.checks.compare import outcomes as all_outcomes
from aideator.checks.run import REPORT_BYTES, Doubts
from aideator.domain.check import Check, TestOutcome
from aideator.sandbox.base import Limits
from tests.checks.ground import measured, needs, outcomes

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)

UNITTEST = {
    "test_a.py": "import unittest\n\n\nclass T(unittest.TestCase):\n"
    "    def test_good(self):\n        print('noise ... ok')\n\n"
    "    def test_bad(self):\n        self.assertEqual('é', 1)\n",
    "test_b.py": "import nothere\n",
}
PYTEST = Path(pytest.__file__).parent.parent
"""The site-packages of this environment: pytest is pure Python, so any Python runs it
from there."""
RUN_PYTEST = (
    f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONPATH={PYTEST} python3 -m pytest -q"
)


async def test_unittest_tells_its_tests_and_repeats_only_those_that_failed(
    home: Path,
) -> None:
    (found,) = await measured(home, UNITTEST, "python3 -m unittest discover")
    assert outcomes(found.result) == {
        "test_a.T.test_bad": FAILED,
        "test_a.T.test_good": PASSED,
        "test_b": ERROR,
    }
    assert found.result.source == "text"
    assert found.result.counts == {FAILED: 1, PASSED: 1, ERROR: 1}
    assert "noise" in found.result.output
    assert "AssertionError: 'é' != 1" in found.result.output
    assert [outcomes(run) for run in found.again] == [
        {"test_a.T.test_bad": FAILED, "test_b": ERROR}
    ] * 2
    assert all("test_good" not in run.output for run in found.again)


async def test_pytest_reports_outside_the_tree_and_repeats_by_its_own_ids(
    home: Path,
) -> None:
    files = {
        "tests/test_a.py": "import pytest\n\n\nclass TestX:\n    @pytest.mark.parametrize('v', ['a b', 'ü'])\n"
        "    def test_p(self, v):\n        assert v == 'a b'\n\n\ndef test_quick():\n    pass\n",
        "pytest.ini": "[pytest]\naddopts = --strict-markers\n",
    }
    (found,) = await measured(
        home, files, f"{RUN_PYTEST} tests -p no:cacheprovider", toolchains=(PYTEST,)
    )
    bad = r"tests/test_a.py::TestX::test_p[\xfc]"
    assert outcomes(found.result) == {
        "tests/test_a.py::TestX::test_p[a b]": PASSED,
        bad: FAILED,
        "tests/test_a.py::test_quick": PASSED,
    }
    assert [outcomes(run) for run in found.again] == [{bad: FAILED}] * 2
    assert all("1 failed in" in run.output for run in found.again)
    assert not [path for path in (home / "fork" / "upper").rglob("*.xml")]


async def test_pytest_inside_make_is_reached_by_its_environment(home: Path) -> None:
    files = {
        "test_a.py": "def test_x():\n    assert 0\n",
        "Makefile": f"test:\n\t@{RUN_PYTEST}\n",
    }
    (found,) = await measured(home, files, "make test", toolchains=(PYTEST,))
    assert outcomes(found.result) == {"test_a.py::test_x": FAILED}
    assert [outcomes(run) for run in found.again] == [
        {"test_a.py::test_x": FAILED}
    ] * 2  # the whole check, repeated


NODE = {
    "web/test/a.test.js": "const {test, describe, it} = require('node:test'); const assert = require('assert');\n"
    "describe('sum', () => {\n  it('adds', () => {});\n  it('fails é', () => assert.equal(1, 2));\n"
    "  it.skip('s', () => {});\n});\n"
    "test('parent', async (t) => { await t.test('child', () => assert(0)); });\n",
    "web/test/b.test.js": "require('./nope')\n",
    "web/package.json": '{"scripts": {"test": "node --test"}}\n',
}


@needs("node")
@pytest.mark.parametrize("command", ["cd web && node --test", "cd web && npm test"])
async def test_node_tells_files_and_names_from_a_folder_below(
    home: Path, command: str
) -> None:
    if (
        "npm" in command
        and shutil.which("npm", path="/usr/bin:/bin:/usr/local/bin") is None
    ):
        pytest.skip("this machine has no npm in /usr")
    (found,) = await measured(home, NODE, command)
    a = "web/test/a.test.js"
    assert outcomes(found.result) == {
        f"{a} > sum > adds": PASSED,
        f"{a} > sum > fails é": FAILED,
        f"{a} > sum > s": SKIPPED,
        f"{a} > parent > child": FAILED,
        "web/test/b.test.js": ERROR,
    }
    assert {test.file for test in found.result.tests} == {a, "web/test/b.test.js"}
    assert len(found.again) == 2
    assert all(f"{a} > sum > fails é" in outcomes(run) for run in found.again)


GO = {
    "go.mod": "module example.com/m\n\ngo 1.20\n",
    "a.go": "package m\n\nfunc Add(a, b int) int { return a - b }\n",
    "a_test.go": 'package m\n\nimport "testing"\n\nfunc TestAdd(t *testing.T) {\n'
    '\tt.Run("one", func(t *testing.T) { if Add(1, 1) != 2 { t.Errorf("bad %d", Add(1, 1)) } })\n'
    '\tt.Run("zero", func(t *testing.T) {})\n}\n\nfunc TestOk(t *testing.T) {}\n',
}


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/usr/local/go/bin/go").exists(),
    reason="this machine has no go in /usr/local/go",
)
async def test_go_tells_subtests(home: Path) -> None:
    (found,) = await measured(
        home, GO, "go test ./...", toolchains=(Path("/usr/local/go"),)
    )
    assert outcomes(found.result) == {
        "example.com/m.TestAdd/one": FAILED,
        "example.com/m.TestAdd/zero": PASSED,
        "example.com/m.TestOk": PASSED,
    }
    assert "--- FAIL: TestAdd/one" in found.result.output
    assert [outcomes(run) for run in found.again] == [
        {"example.com/m.TestAdd/one": FAILED}
    ] * 2
    assert all("TestOk" not in run.output for run in found.again)


CARGO = {
    "Cargo.toml": '[package]\nname = "r"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 { a + b }\n#[cfg(test)]\nmod tests {\n"
    "    #[test] fn ok() { assert_eq!(super::add(1, 1), 2); }\n"
    "    #[test] fn bad() { assert_eq!(super::add(1, 1), 3); }\n}\n",
    "tests/it.rs": "#[test]\nfn it() { assert_eq!(r::add(2, 2), 4); }\n",
}


@pytest.fixture
def sysroot() -> Path:
    """Where the Rust toolchain lies."""
    return Path(
        subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    )


@pytest.mark.slow
@needs("rustc", "cc")
async def test_cargo_tells_crates_and_paths(home: Path, sysroot: Path) -> None:
    (found,) = await measured(
        home, CARGO, "cargo test --offline --no-fail-fast", toolchains=(sysroot,)
    )
    assert outcomes(found.result) == {
        "src/lib.rs::tests::bad": FAILED,
        "src/lib.rs::tests::ok": PASSED,
        "tests/it.rs::it": PASSED,
    }, found.result.output
    assert [outcomes(run) for run in found.again] == [
        {"src/lib.rs::tests::bad": FAILED}
    ] * 2


async def test_a_command_that_prints_tap_is_understood(home: Path) -> None:
    (found,) = await measured(
        home,
        {"t.sh": "echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1\n"},
        "sh t.sh",
    )
    assert (found.result.source, outcomes(found.result)) == (
        "tap",
        {"a": PASSED, "b": FAILED},
    )


XML = '<testsuite><testcase classname="c" name="{}"/></testsuite>'


async def test_a_report_that_the_user_names_is_read_unless_it_is_old(
    home: Path,
) -> None:
    files = {
        "out/old.xml": XML.format("old"),
        "new": XML.format("new"),
        "more": XML.format("more"),
    }
    writes = "cp new out/new.xml; mkdir out/a; cp more out/a/more.xml; ln -s ../old.xml out/a/link.xml"
    for report in (
        "out/**/*.xml",
        "out/*.xml",
    ):  # a star crosses folders: more is found rather than less
        (found,) = await measured(home, files, Check(command=writes, report=report))
        assert outcomes(found.result) == {"c.new": PASSED, "c.more": PASSED}
        assert found.result.source == "junit"


async def test_maven_s_reports_are_found_below_every_module(home: Path) -> None:
    files = {
        "mvnw": "for m in . core; do mkdir -p $m/target/surefire-reports;"
        " cp report.xml $m/target/surefire-reports/TEST-$(basename $PWD)$m.xml; done\n",
        "report.xml": '<testsuite><testcase classname="org.x.FooTest" name="bar"/></testsuite>',
    }
    (found,) = await measured(home, files, "sh ./mvnw -q test")
    assert outcomes(found.result) == {"org.x.FooTest.bar": PASSED}, found.result


GRADLE = """\
mkdir -p build/test-results/test
[ -e build/test-results/test/TEST-a.xml ] || cp report.xml build/test-results/test/TEST-a.xml
"""
"""Does as Gradle does: what it has an outcome of is not run again."""


async def test_gradle_runs_again_what_it_has_run_before(home: Path) -> None:
    report = '<testsuite><testcase classname="org.x.FooTest" name="bar"/></testsuite>'
    files = {
        "gradlew": GRADLE,
        "report.xml": report,
        "build/test-results/test/TEST-a.xml": report,
    }
    edited = Doubts(before={}, edited=("bar",))
    (found,) = await measured(home, files, "sh ./gradlew test", doubts=edited)
    assert [outcomes(run) for run in (found.result, *found.again)] == [
        {"org.x.FooTest.bar": PASSED}
    ] * 3


async def test_a_program_that_is_not_there_is_said(home: Path) -> None:
    (found,) = await measured(home, {}, "no-such-tool --version")
    assert (
        found.result.note
        == "a program is not there: sandboxes see /usr and what SANDBOX_TOOLCHAINS names"
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


async def test_a_check_that_takes_its_sandbox_along_is_a_row_and_the_next_one_gets_a_new_sandbox(
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
    first, second = await measured(home, UNITTEST, flood, loud, doubts=Doubts(reruns=0))
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
            '<!DOCTYPE a [<!ENTITY b "c">]><testsuite><testcase name="&b;"/></testsuite>',
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
    assert state(found) is State.FAILS


async def test_a_check_without_tests_is_known_by_its_exit_code(home: Path) -> None:
    (found,) = await measured(home, {"a.py": ""}, "python3 -m unittest")
    assert found.result.tests == ()
    assert found.result.source == "exit_code"


async def test_twenty_thousand_tests_are_told_apart_and_told_briefly(
    home: Path,
) -> None:
    script = (
        "print('<testsuite>'); [print(f'<testcase classname=\"größe\" name=\"tést_{n}\">'"
        " + ('<failure message=\"no\"/>' if n % 100 == 0 else '') + '</testcase>') for n in range(20_000)];"
        " print('</testsuite>'); raise SystemExit(1)"
    )
    check = Check(command="python3 -X utf8 many.py > out.xml", report="out.xml")
    (found,) = await measured(home, {"many.py": script}, check, doubts=Doubts(reruns=1))
    assert found.result.counts == {PASSED: 19_800, FAILED: 200}
    assert found.result.tests[0].test == "größe.tést_0"
    assert len(found.again[0].tests) == 200
    assert len(brief(found.result).model_dump_json()) < 20_000


async def test_a_test_that_passes_only_the_second_time_is_flaky(home: Path) -> None:
    files = {
        "test_a.py": "import os, unittest\n\n\nclass T(unittest.TestCase):\n    def test_x(self):\n"
        "        there = os.path.exists('/tmp/seen')\n        open('/tmp/seen', 'w').close()\n"
        "        self.assertTrue(there)\n",
    }
    (found,) = await measured(home, files, "python3 -m unittest")
    assert all_outcomes(found) == {"test_a.T.test_x": (FAILED, PASSED, PASSED)}
    assert is_flaky(all_outcomes(found)["test_a.T.test_x"])
    assert state(found) is State.FLAKY


async def test_a_check_known_as_a_whole_that_passes_only_the_second_time_is_flaky(
    home: Path,
) -> None:
    (found,) = await measured(home, {}, "test -e seen || { touch seen; false; }")
    assert [found.result.passed, *(run.passed for run in found.again)] == [
        False,
        True,
        True,
    ]
    assert state(found) is State.FLAKY


async def test_what_is_new_or_came_to_pass_is_repeated_on_the_change(
    home: Path,
) -> None:
    (before,) = await measured(home, UNITTEST, "python3 -m unittest discover")
    shutil.rmtree(home / "layer")
    repaired = {
        "test_a.py": UNITTEST["test_a.py"].replace("'é', 1", "1, 1")
        + "\n    def test_new(self):\n        pass\n",
    }
    doubts = Doubts(reruns=1, before={"python3 -m unittest discover": before})
    (after,) = await measured(
        home, repaired, "python3 -m unittest discover", doubts=doubts
    )
    assert outcomes(after.again[0]) == {
        "test_a.T.test_bad": PASSED,
        "test_a.T.test_new": PASSED,
    }
    edited = Doubts(
        reruns=1, before={"python3 -m unittest discover": before}, edited={"test_good"}
    )
    (after,) = await measured(
        home, repaired, "python3 -m unittest discover", doubts=edited
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
<coverage><packages><package><classes><class filename="calc.py"><lines><line number="2" hits="1"/>
<line number="3" hits="0"/><line number="9" hits="0"/></lines></class></classes></package></packages></coverage>"""


async def test_coverage_of_changed_lines_is_taken_from_the_projects_own_report(
    home: Path,
) -> None:
    files = {"c": COBERTURA, "l": "SF:/workspace/src/calc.py\nDA:4,7\nend_of_record\n"}
    lines = {"src/calc.py": {2, 3, 4, 5}}
    command = "cp c coverage.xml; mkdir coverage; cp l coverage/lcov.info"
    (found,) = await measured(home, files, command, doubts=Doubts(lines=lines))
    assert found.covered == (2, 3)
    (found,) = await measured(home, files, "true", doubts=Doubts(lines=lines))
    assert found.covered is None


def test_the_reporter_for_node_is_part_of_the_package() -> None:
    from aideator.checks.runners import REPORTER  # noqa: PLC0415

    assert REPORTER.is_file()
    assert os.fspath(REPORTER).startswith(
        os.fspath(Path(sys.modules["aideator"].__file__ or "").parent)
    )
