"""What runners print when they cannot run, and when they merely fail."""

from pathlib import Path

import pytest

from aideator.checks.dependencies import declared_modules
from aideator.checks.known_runners import RUNNERS
from aideator.checks.startup import NO_TESTS, STARTUPS, why_not_run
from aideator.domain.check import CheckResult, TestOutcome, TestResult


def result(exit_code: int | None, output: str, *tests: TestResult) -> CheckResult:
    return CheckResult(
        check="c", exit_code=exit_code, seconds=1.0, output=output, tests=tests
    )


@pytest.mark.parametrize(
    ("runner", "exit_code", "output", "reason"),
    [
        (
            "pytest",
            1,
            "/usr/bin/python3: No module named pytest\n",
            "/usr/bin/python3: No module named pytest",
        ),
        (
            "pytest",
            4,
            "ImportError while loading conftest '/workspace/tests/conftest.py'.\n"
            "tests/conftest.py:1: in <module>\n    import freezegun\n"
            "E   ModuleNotFoundError: No module named 'freezegun'\n",
            "ImportError while loading conftest '/workspace/tests/conftest.py'.",
        ),
        (
            "pytest",
            4,
            "ERROR: usage: python -m pytest [options] [file_or_dir]\n"
            "python -m pytest: error: unrecognized arguments: --cov\n",
            "ERROR: usage: python -m pytest [options] [file_or_dir]",
        ),
        ("pytest", 5, "\nno tests ran in 0.01s\n", NO_TESTS),
        ("unittest", 5, "\n------\nRan 0 tests in 0.000s\n\nNO TESTS RAN\n", NO_TESTS),
        ("unittest", 0, "\n------\nRan 0 tests in 0.000s\n\nOK\n", NO_TESTS),
        ("", 127, "sh: 1: jest: not found\n", "sh: 1: jest: not found"),
        ("", 126, "sh: 1: ./test.sh: Permission denied\n", "sh: 1: ./test.sh: "),
        ("jest", 1, 'npm error Missing script: "test"\n', "npm error Missing script"),
        ("jest", 1, "No tests found, exiting with code 1\n", NO_TESTS),
        ("vitest", 1, "\nNo test files found, exiting with code 1\n", NO_TESTS),
        ("", 1, "Error: Cannot find module 'express'\n", "Error: Cannot find module"),
        ("", 2, "make: *** No rule to make target 'test'.  Stop.\n", "make: *** No "),
        ("", 2, "sh: x: not found\nmake: *** [Makefile:2: test] Error 127\n", "make: "),
        ("go", 1, "go: cannot find main module, but ...\n", "go: cannot find main"),
        (
            "go",
            1,
            "a.go:3:8: no required module provides package example.com/x; to add it:\n",
            "a.go:3:8: no required module provides package",
        ),
        (
            "cargo",
            101,
            "error: could not find `Cargo.toml` in `/workspace`\n",
            "error: could not find",
        ),
        (
            "maven",
            1,
            "[ERROR] Failed to execute goal: Could not resolve dependencies for x\n",
            "[ERROR] Failed to execute goal: Could not resolve dependencies",
        ),
        ("gradle", 1, "> Could not resolve org.junit:junit:4.13.\n", "> Could not"),
        ("", 137, "", "it was killed"),
    ],
)
def test_a_runner_that_cannot_run_is_told_from_one_that_fails(
    runner: str, exit_code: int, output: str, reason: str
) -> None:
    assert why_not_run(runner, result(exit_code, output)).startswith(reason)


@pytest.mark.parametrize(
    ("runner", "exit_code", "output"),
    [
        ("", 1, "FAIL: 1 of 3\n"),
        ("", 0, "make: *** No rule to make target is what this prints\n"),
        ("go", 1, "./a.go:3:2: undefined: clamp\nFAIL\tx [build failed]\n"),
        ("cargo", 101, "error[E0432]: unresolved import `x::y`\n"),
        ("", 1, "Error: Cannot find module './clamp'\nRequire stack:\n"),
        ("", 1, "Error: Cannot find module '/workspace/clamp.js'\n"),
        ("", 1, "AssertionError: the log says 'No module named x'\n"),
        ("maven", 1, "[ERROR] COMPILATION ERROR :\n[ERROR] cannot find symbol\n"),
    ],
)
def test_work_that_is_not_done_yet_is_a_failure(
    runner: str, exit_code: int, output: str
) -> None:
    assert why_not_run(runner, result(exit_code, output)) == ""


def test_a_check_that_reported_a_test_has_run() -> None:
    test = TestResult(test="t", outcome=TestOutcome.ERROR)
    output = "/usr/bin/python3: No module named pytest\n"
    assert why_not_run("pytest", result(4, output, test)) == ""


def test_a_check_that_was_stopped_could_not_run() -> None:
    stopped = result(None, "").model_copy(update={"note": "stopped after 5 s"})
    assert why_not_run("", stopped) == "stopped after 5 s"


def test_every_runner_has_its_words() -> None:
    assert set(STARTUPS) == {runner.name for runner in RUNNERS}


FILES = {
    "pyproject.toml": "[project]\nname = 'x'\ndependencies = ['free-zer>=1']\n"
    "[dependency-groups]\ntest = ['other[all]', {include-group = 'x'}]\n",
    "requirements-dev.txt": "# tools\nthird==3 ; python_version > '3'\n-r x.txt\n",
    "setup.py": "setup(install_requires=['fourth>=2'])\n",
}


def test_dependencies_are_read_from_the_projects_files(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    assert declared_modules(tmp_path) >= {"free_zer", "other", "third", "fourth"}
    assert "root" not in declared_modules(tmp_path)
    (tmp_path / "pyproject.toml").write_text("project = 3\n[tool]\npoetry = []\n")
    assert "free_zer" not in declared_modules(tmp_path)


def test_tests_that_lack_a_dependency_could_not_run_and_others_did() -> None:
    def error(module: str) -> TestResult:
        message = f"E   ModuleNotFoundError: No module named '{module}'"
        return TestResult(test=module, outcome=TestOutcome.ERROR, message=message)

    declared = frozenset({"free_zer"})
    passed = TestResult(test="t", outcome=TestOutcome.PASSED)

    def reason(*tests: TestResult) -> str:
        return why_not_run("pytest", result(2, "", *tests), declared)

    assert reason(error("free_zer"), error("free_zer")) == "No module named 'free_zer'"
    # The module may be what the agents are asked to write.
    assert reason(error("not_yet_written")) == ""
    assert reason(error("free_zer"), error("not_yet_written")) == ""
    assert reason(error("free_zer"), passed) == ""
