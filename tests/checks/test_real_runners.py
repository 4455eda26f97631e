"""Checks run for real, in sandboxes, with the test runners that this machine has."""

import shutil
import subprocess
from pathlib import Path

import pytest

from aideator.checks.run import RerunPolicy
from aideator.domain.check import Check, TestOutcome
from tests.checks.measuring import UNITTEST, measured, needs, outcomes

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)

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
        "tests/test_a.py": "import pytest\n\n\nclass TestX:\n    "
        "@pytest.mark.parametrize('v', ['a b', 'ü'])\n"
        "    def test_p(self, v):\n        assert v == 'a b'\n\n\ndef test_quick():\n"
        "    pass\n",
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
    "web/test/a.test.js": "const {test, describe, it} = require('node:test'); const "
    "assert = require('assert');\n"
    "describe('sum', () => {\n  it('adds', () => {});\n  it('fails é', () => "
    "assert.equal(1, 2));\n"
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
    '\tt.Run("one", func(t *testing.T) { if Add(1, 1) != 2 { t.Errorf("bad %d", '
    "Add(1, 1)) } })\n"
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
    "src/lib.rs": "pub fn add(a: i32, b: i32) -> i32 { a + b }\n#[cfg(test)]\nmod "
    "tests {\n"
    "    #[test] fn ok() { assert_eq!(super::add(1, 1), 2); }\n"
    "    #[test] fn bad() { assert_eq!(super::add(1, 1), 3); }\n}\n",
    "tests/it.rs": "#[test]\nfn it() { assert_eq!(r::add(2, 2), 4); }\n",
}


@pytest.fixture
def sysroot() -> Path:
    """Where the Rust toolchain lies. rustup's shim alone is none."""
    asked = subprocess.run(
        ["rustc", "--print", "sysroot"], capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        pytest.skip(f"rustc has no toolchain: {asked.stderr.strip()}")
    return Path(asked.stdout.strip())


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
    writes = (
        "cp new out/new.xml; mkdir out/a; cp more out/a/more.xml; ln -s ../old.xml "
        "out/a/link.xml"
    )
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
        "report.xml": '<testsuite><testcase classname="org.x.FooTest" '
        'name="bar"/></testsuite>',
    }
    (found,) = await measured(home, files, "sh ./mvnw -q test")
    assert outcomes(found.result) == {"org.x.FooTest.bar": PASSED}, found.result


GRADLE = """\
mkdir -p build/test-results/test
cd build/test-results/test
[ -e TEST-a.xml ] || cp ../../../report.xml TEST-a.xml
"""
"""Does as Gradle does: what it has an outcome of is not run again."""


async def test_gradle_runs_again_what_it_has_run_before(home: Path) -> None:
    report = '<testsuite><testcase classname="org.x.FooTest" name="bar"/></testsuite>'
    files = {
        "gradlew": GRADLE,
        "report.xml": report,
        "build/test-results/test/TEST-a.xml": report,
    }
    edited = RerunPolicy(baseline={}, edited=("bar",))
    (found,) = await measured(home, files, "sh ./gradlew test", policy=edited)
    assert [outcomes(run) for run in (found.result, *found.again)] == [
        {"org.x.FooTest.bar": PASSED}
    ] * 3
