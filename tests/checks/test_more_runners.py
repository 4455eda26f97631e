"""One small project of each kind, run for real where this machine has the tool.

Tools of npm are looked for in the folder that AIDEATOR_TEST_NODE_MODULES names, those
of Python in the virtual environment that AIDEATOR_TEST_VENV names.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from aideator.checks.known_runners import RUNNERS
from aideator.checks.line_readers import recognise_lines
from aideator.checks.reports import read
from aideator.domain.check import FAILING, TestOutcome
from tests.checks.measuring import measured, outcomes

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)
NODE_MODULES = Path(os.environ.get("AIDEATOR_TEST_NODE_MODULES", "/nowhere"))
VENV = Path(os.environ.get("AIDEATOR_TEST_VENV", "/nowhere"))
UNIT = (
    "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_good(self):\n"
    "        pass\n\n    def test_bad(self):\n        self.assertEqual(1, 2)\n"
)
SHELL = {"good.sh": "exit 0\n", "bad.sh": "exit 1\n"}


@dataclass(frozen=True)
class Project:
    """A project with one test that passes and one that fails."""

    runner: str
    command: str
    files: dict[str, str]
    said: dict[str, TestOutcome]


def node(name: str) -> str:
    return f"{NODE_MODULES}/.bin/{name}"


PROJECTS = (
    Project(
        "mocha",
        node("mocha"),
        {
            "test/a.js": "const a = require('assert');\ndescribe('sum', () => {\n"
            "  it('good (1)', () => {});\n  it('bad', () => a.equal(1, 2));\n"
            "  it.skip('later', () => {});\n});\n"
        },
        {
            "test/a.js > sum good (1)": PASSED,
            "test/a.js > sum bad": FAILED,
            "test/a.js > sum later": SKIPPED,
        },
    ),
    Project(
        "ava",
        node("ava"),
        {
            "package.json": '{"type": "module"}',
            "test.js": f"import test from '{NODE_MODULES}/ava/entrypoints/main.mjs';\n"
            "test('good', t => t.is(1, 1));\ntest('bad', t => t.is(1, 2));\n",
        },
        {"good": PASSED, "bad": FAILED},
    ),
    Project(
        "tape",
        node("tape") + " test.js",
        {
            "test.js": f"const test = require('{NODE_MODULES}/tape');\n"
            "test('good', t => { t.equal(1, 1, 'one'); t.end(); });\n"
            "test('bad', t => { t.equal(1, 2, 'two'); t.end(); });\n"
        },
        {"one": PASSED, "two": FAILED},
    ),
    Project(
        "jasmine",
        node("jasmine"),
        {
            "spec/a_spec.js": "describe('sum', () => {\n  it('good', () => "
            "expect(1).toBe(1));\n  it('bad', () => expect(1).toBe(2));\n});\n",
            "spec/support/jasmine.json": '{"spec_dir": "spec", "spec_files": '
            '["**/*_spec.js"]}',
        },
        {"spec/a_spec.js > sum > good": PASSED, "spec/a_spec.js > sum > bad": FAILED},
    ),
    Project(
        "bats",
        f"{node('bats')} test",
        {"test/a.bats": '@test "good" {\n  true\n}\n\n@test "bad" {\n  false\n}\n'},
        {"good": PASSED, "bad": FAILED},
    ),
    Project(
        "prove",
        "prove -r t",
        {
            "t/a.t": 'print "1..2\\nok 1 - good\\nnot ok 2 - bad\\n";\n',
            "t/b.t": "use Nothing::There;\n",
        },
        {"t/a.t > good": PASSED, "t/a.t > bad": FAILED, "t/b.t": ERROR},
    ),
    Project(
        "ctest",
        "cmake -S . -B build && cmake --build build && ctest --test-dir build",
        {
            "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(a NONE)\n"
            "enable_testing()\nadd_test(NAME good COMMAND true)\n"
            "add_test(NAME bad COMMAND false)\n"
        },
        {"good": PASSED, "bad": FAILED},
    ),
    Project(
        "meson",
        "meson setup build && meson test -C build",
        {
            "meson.build": "project('a')\ntest('good', find_program('true'))\n"
            "test('bad', find_program('false'))\n"
        },
        {"a:good": PASSED, "a:bad": FAILED},
    ),
    Project(
        "automake",
        "make check",
        {
            "Makefile": "check:\n\t@echo 'PASS: good'; echo 'FAIL: bad'; "
            "echo '# TOTAL: 2'; exit 1\n"
        },
        {"good": PASSED, "bad": FAILED},
    ),
    Project(
        "nose2",
        f"{VENV}/bin/nose2",
        {"test_a.py": UNIT},
        {"test_a.T.test_good": PASSED, "test_a.T.test_bad": FAILED},
    ),
    Project(
        "django",
        f"{VENV}/bin/python manage.py test",
        {
            "manage.py": "import os, sys\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'conf'\n"
            "from django.core.management import execute_from_command_line\n"
            "execute_from_command_line(sys.argv)\n",
            "conf.py": "SECRET_KEY = 'x'\nDATABASES = {}\nINSTALLED_APPS = ['app']\n",
            "app/__init__.py": "",
            "app/tests.py": UNIT.replace("unittest.TestCase", "SimpleTestCase").replace(
                "import unittest", "from django.test import SimpleTestCase"
            ),
        },
        {"app.tests.T.test_good": PASSED, "app.tests.T.test_bad": FAILED},
    ),
)


def _is_here(project: Project) -> bool:
    program = project.command.split()[0]
    return shutil.which(program, path=f"/usr/bin:/bin:{VENV}/bin") is not None


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.runner)
async def test_a_project_of_its_kind_is_told_test_by_test(
    home: Path, project: Project
) -> None:
    if not _is_here(project):
        pytest.skip(f"this machine has no {project.runner}")
    toolchains = tuple(path for path in (NODE_MODULES, VENV) if path.exists())
    (found,) = await measured(
        home, project.files, project.command, toolchains=toolchains
    )
    assert outcomes(found.result) == project.said, found.result.output
    failing = {test: said for test, said in project.said.items() if said in FAILING}
    assert [outcomes(run) for run in found.again] == [failing] * 2


def test_each_kind_is_recognised_by_its_command() -> None:
    commands = {project.runner: project.command for project in PROJECTS} | {
        "tap": "npx --no-install tap --cov",
        "deno": "deno test -A",
        "bun": "bun test",
        "rspec": "bundle exec rspec",
        "minitest": "bundle exec rake test",
        "phpunit": "vendor/bin/pest",
        "dotnet": "dotnet test",
        "sbt": "sbt -batch test",
        "bazel": "bazel test //...",
        "swift": "swift test",
        "tox": "python -m tox run -e py",
    }
    for runner, command in commands.items():
        last = command.rpartition("&&")[2]
        assert next(r.name for r in RUNNERS if r.calls.search(last)) == runner


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "//pkg:good_test        (cached) PASSED in 0.1s\n"
            "//pkg:bad_test                  FAILED in 0.3s\n"
            "Executed 1 out of 2 tests: 1 test passes.\n",
            {"//pkg:good_test": PASSED, "//pkg:bad_test": FAILED},
        ),
        (
            "CalcTest#test_good = 0.00 s = .\nCalcTest#test_bad = 0.01 s = F\n"
            "2 runs, 2 assertions, 1 failures, 0 errors, 0 skips\n",
            {"CalcTest#test_good": PASSED, "CalcTest#test_bad": FAILED},
        ),
        (
            "Test Case 'CalcTests.testGood' passed (0.001 seconds)\n"
            "Test Case 'CalcTests.testBad' failed (0.002 seconds)\n"
            "\t Executed 2 tests, with 1 failure (0 unexpected) in 0.0 seconds\n",
            {"CalcTests.testGood": PASSED, "CalcTests.testBad": FAILED},
        ),
        ("PASS: a\nFAIL: b\n", {}),
    ],
)
def test_lines_of_a_runner_are_read_to_their_end(
    said: str, told: dict[str, TestOutcome]
) -> None:
    assert {test.test: test.outcome for test in recognise_lines(said).tests} == told


def test_documents_of_rspec_and_visual_studio_are_read() -> None:
    rspec = read(
        b'{"examples": [{"full_description": "a good", "status": "passed", "file_path":'
        b' "./spec/a_spec.rb"}, {"full_description": "a bad", "status": "failed",'
        b' "file_path": "./spec/a_spec.rb", "exception": {"message": "no"}}]}'
    )
    assert {test.test: test.outcome for test in rspec.tests} == {
        "spec/a_spec.rb > a good": PASSED,
        "spec/a_spec.rb > a bad": FAILED,
    }
    trx = read(
        b'<TestRun><Results><UnitTestResult testName="A.Good" outcome="Passed"/>'
        b'<UnitTestResult testName="A.Bad" outcome="Failed"><Output/></UnitTestResult>'
        b"</Results></TestRun>"
    )
    assert {test.test: test.outcome for test in trx.tests} == {
        "A.Good": PASSED,
        "A.Bad": FAILED,
    }
