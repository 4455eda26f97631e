"""How commands are recognised and rewritten.

Nothing of the project is touched, and what is not understood stays as it is.
"""

import json
from pathlib import Path

import pytest

from aideator.checks.runners import MAX_COMMAND, Plan, plan
from aideator.checks.selecting import short_name
from aideator.domain.check import Check, TestOutcome, TestResult


def planned(command: str, tree: Path, **more: str) -> Plan:
    return plan(Check.model_validate({"command": command} | more), tree)


def case(test: str, file: str = "") -> TestResult:
    return TestResult(test=test, outcome=TestOutcome.FAILED, file=file)


@pytest.mark.parametrize(
    ("command", "runner"),
    [
        ("pytest", "pytest"),
        ("python3 -m pytest -q tests", "pytest"),
        ("PYTHONPATH=src .venv/bin/pytest -q", "pytest"),
        ("uv run pytest", "pytest"),
        ("pip list && coverage run -m pytest", "pytest"),
        ("python3 -m unittest discover -s tests", "unittest"),
        ("coverage run -m unittest", "unittest"),
        ("npx vitest run", "vitest"),
        ("node_modules/.bin/jest src", "jest"),
        ("node --test", "node"),
        ("node --import tsx --test test/*.ts", "node"),
        ("cd web && node --test", "node"),
        ("go test ./...", "go"),
        ("cargo test --all", "cargo"),
        ("cargo +nightly test", "cargo"),
        ("cargo nextest run", "nextest"),
        ("mvn -q test", "maven"),
        ("sh ./mvnw -q verify", "maven"),
        ("./gradlew test", "gradle"),
        ("make test", ""),
        ("npm test", ""),
        ("echo pytest-like", ""),
        ("node --test --test-reporter=tap", ""),
    ],
)
def test_a_command_is_known_by_its_last_step(
    tmp_path: Path, command: str, runner: str
) -> None:
    assert planned(command, tmp_path).runner.name == runner


@pytest.mark.parametrize(
    "command",
    [
        "python3 -m unittest | tee log",
        "go test ./... 2>/dev/null",
        "(cargo test)",
        "vitest run &",
        "for i in 1 2; do python3 -m unittest; done",
        "python3 -m unittest 'unclosed",
        "python3 -m unittest # for now",
        "python3 -m unittest\ntrue",
    ],
)
def test_a_command_that_is_more_than_a_chain_is_left_as_it_is(
    tmp_path: Path, command: str
) -> None:
    found = planned(command, tmp_path)
    assert found.command() == command
    assert found.command([case("test_a.T.test_x")]) is None


def test_a_runner_inside_a_pipe_is_still_reached_by_its_environment(
    tmp_path: Path,
) -> None:
    found = planned("pytest -q | tail -3", tmp_path)
    assert "--junitxml" in found.runner.env["PYTEST_ADDOPTS"]
    assert found.command() == "pytest -q | tail -3"


NO_FAIL = "-Dsurefire.failIfNoSpecifiedTests=false"


@pytest.mark.parametrize(
    ("command", "test", "chosen"),
    [
        (
            "pytest -q",
            case("tests/a.py::test_x[a b]", "tests/a.py"),
            "pytest -q 'tests/a.py::test_x[a b]'",
        ),
        (
            "python3 -m pytest -k slow -x tests",
            case("t.py::test", "t.py"),
            "python3 -m pytest -k slow -x t.py::test",
        ),
        (
            "make && pytest tests",
            case("t.py::test", "t.py"),
            "make &&pytest t.py::test",
        ),
        (
            "python3 -m unittest discover",
            case("a.T.test_x"),
            "python3 -m unittest discover -v -k a.T.test_x",
        ),
        (
            "go test ./...",
            case("e.com/m.TestA/one"),
            "go test ./... -json -count=1 -run '^(TestA)$'",
        ),
        (
            "cargo test",
            case("tests/it.rs::it", "tests/it.rs"),
            "cargo test -- --exact it",
        ),
        (
            "cargo test -- --nocapture",
            case("src/lib.rs::a::b", "src/lib.rs"),
            "cargo test -- --nocapture --exact a::b",
        ),
        (
            "cargo nextest run",
            case("r::it::it_works"),
            "cargo nextest run -E 'test(it_works)'",
        ),
        (
            "mvn test",
            case("x.FooTest.bar"),
            f"mvn test -Dtest='x.FooTest#bar' {NO_FAIL}",
        ),
        (
            "gradle test",
            case("org.x.FooTest.bar()"),
            "gradle test --no-build-cache --tests org.x.FooTest.bar",
        ),
        (
            "node --test",
            case("test/a.test.js > x", "test/a.test.js"),
            "node --test test/a.test.js",
        ),
        (
            "jest",
            case("a.js > x", "a.js"),
            "jest --json --outputFile={report}.json --runTestsByPath a.js",
        ),
        (
            "cd web && node --test",
            case("web/a.test.js > x", "web/a.test.js"),
            "cd web && node --test a.test.js",
        ),
    ],
)
def test_some_tests_are_selected_as_each_runner_takes_it(
    tmp_path: Path, command: str, test: TestResult, chosen: str
) -> None:
    assert planned(command, tmp_path).command([test]) == chosen


@pytest.mark.parametrize(
    "command",
    ["pytest $TESTS", "pytest tests/test_*.py", "node --test a.test.js", "make test"],
)
def test_what_cannot_be_selected_is_run_whole(tmp_path: Path, command: str) -> None:
    assert (
        planned(command, tmp_path).command(
            [case("tests/test_a.py::test_x", "tests/test_a.py")]
        )
        is None
    )


def test_a_selection_that_no_command_line_holds_is_run_whole(tmp_path: Path) -> None:
    many = [case(f"test_a.T.test_{number:040}") for number in range(MAX_COMMAND // 40)]
    assert planned("python3 -m unittest", tmp_path).command(many) is None


@pytest.mark.parametrize(
    ("script", "command", "runner", "whole"),
    [
        ("vitest run", "npm test", "vitest", "npm test -- --reporter=default"),
        ("jest", "npm run test", "jest", "npm run test -- --json"),
        ("jest", "yarn test", "jest", "yarn test --json"),
        ("node --test", "npm t", "node", "npm t"),
        ("tsc && vitest run", "npm test", "", "npm test"),
        ("./run-tests.sh", "npm test", "", "npm test"),
    ],
)
def test_a_script_of_package_json_is_looked_into(
    tmp_path: Path, script: str, command: str, runner: str, whole: str
) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": {"test": script}}))
    found = planned(command, tmp_path)
    assert found.runner.name == runner
    assert (found.command() or "").startswith(whole)


def test_npm_hands_a_selection_to_what_its_script_calls(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text(
        json.dumps({"scripts": {"test": "node --test"}})
    )
    assert (
        planned("npm test", tmp_path).command([case("a.test.js > x", "a.test.js")])
        == "npm test -- a.test.js"
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{" * 100_000, '{"scripts": []}', '{"scripts": {"test": 7}}']
)
def test_a_package_json_of_any_kind_does_no_harm(tmp_path: Path, content: str) -> None:
    (tmp_path / "package.json").write_text(content)
    assert planned("npm test", tmp_path).command() == "npm test"


def test_a_package_json_that_leads_elsewhere_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(json.dumps({"scripts": {"test": "vitest run"}}))
    (tmp_path / "package.json").symlink_to("elsewhere")
    assert planned("npm test", tmp_path).runner.name == ""


def test_the_users_own_report_comes_first(tmp_path: Path) -> None:
    assert planned("pytest", tmp_path, report="out/*.xml").reports == ("out/*.xml",)
    assert planned("pytest --junitxml=out.xml", tmp_path).reports == ("out.xml",)


def test_builds_and_linters_are_known_as_a_whole(tmp_path: Path) -> None:
    found = planned("pytest --collect-only", tmp_path, kind="lint")
    assert (found.runner.name, found.reports, found.runner.env) == ("", (), {})


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/test_a.py::TestX::test_p[a/b.c]", "test_p"),
        ("test_a.T.test_f", "test_f"),
        ("example.com/m.TestAdd/a.b", "TestAdd"),
        ("src/lib.rs::tests::bad", "bad"),
        ("org.x.FooTest.bar()", "bar"),
        ("a.test.js > sum > adds (twice)", "adds (twice)"),
    ],
)
def test_a_test_is_known_by_its_own_name(test: str, name: str) -> None:
    assert short_name(test) == name
