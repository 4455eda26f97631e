"""How a project is tested, guessed from its files."""

import json
import os
from pathlib import Path

import pytest

from aideator.setup.guess_checks import guess_checks, seen_but_unknown

SCRIPT = json.dumps({"scripts": {"test": "jest"}})
PYTEST, UNITTEST = "python3 -m pytest -q", "python3 -m unittest discover"


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, []),
        ({"README.md": "import pytest"}, []),
        ({"pytest.ini": ""}, [PYTEST]),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, [PYTEST]),
        ({"pyproject.toml": "[tool.pytest]\n"}, [PYTEST]),
        ({"pyproject.toml": "[project]\n"}, []),
        ({"setup.cfg": "[tool:pytest]\n"}, [PYTEST]),
        ({"tox.ini": "[pytest]\n"}, [PYTEST]),
        ({"tests/conftest.py": ""}, [PYTEST]),
        ({"tests/test_a.py": "import pytest\n"}, [PYTEST]),
        (
            {"tests/test_a.py": "import numpy\n\n\ndef test_x():\n    assert numpy\n"},
            [PYTEST],
        ),
        ({"test_a.py": "async def test_x(client):\n    pass\n"}, [PYTEST]),
        ({"test_a.py": "class T:\n    def test_x(self):\n        pass\n"}, [UNITTEST]),
        ({"tests/test_a.py": "import unittest\n"}, [f"{UNITTEST} -s tests"]),
        ({"tests/test_a.py": "", "tests/__init__.py": ""}, [UNITTEST]),
        ({"test_a.py": "import unittest\n"}, [UNITTEST]),
        ({"package.json": json.dumps({"scripts": {"test": "vitest"}})}, ["npm test"]),
        ({"package.json": SCRIPT, "yarn.lock": "# yarn lockfile v1\n"}, ["npm test"]),
        ({"package.json": f"\ufeff{SCRIPT}"}, ["npm test"]),
        ({"package.json": SCRIPT, "yarn.lock": "__metadata:\n"}, ["yarn test"]),
        (
            {
                "package.json": SCRIPT,
                "yarn.lock": "__metadata:\n",
                ".yarnrc.yml": "nodeLinker: pnp\n",
            },
            ["yarn test"],
        ),
        (
            {
                "package.json": SCRIPT,
                "yarn.lock": "__metadata:\n",
                ".yarnrc.yml": 'a: 1\nnodeLinker: "node-modules"\n',
            },
            ["npm test"],
        ),
        (
            {
                "package.json": json.dumps(
                    {"scripts": {"test": 'echo "Error: no test specified" && exit 1'}}
                )
            },
            [],
        ),
        ({"package.json": json.dumps({"scripts": ["test"]})}, []),
        ({"package.json": "[" * 100_000}, []),
        ({"package.json": "nonsense"}, []),
        ({"go.mod": ""}, ["go test ./..."]),
        ({"Cargo.toml": ""}, ["cargo test"]),
        ({"pom.xml": ""}, ["mvn -q test"]),
        ({"pom.xml": "", "mvnw": ""}, ["sh ./mvnw -q test"]),
        ({"build.gradle.kts": ""}, ["gradle test"]),
        ({"build.gradle": "", "gradlew": ""}, ["sh ./gradlew test"]),
        ({"Makefile": "all: x\n\ntest: all\n\tcc\n"}, ["make test"]),
        ({"Makefile": ".PHONY: test\ncheck lint test:\n\tcc\n"}, ["make test"]),
        ({"Makefile": "test := 1\ntests:\n\tcc\nlatest:\n\tcc\n\ttest: x\n"}, []),
        ({"Makefile": "test:\n\tpytest\n", "pytest.ini": ""}, [PYTEST]),
        (
            {"pytest.ini": "", "package.json": '{"scripts": {"test": "jest"}}'},
            [PYTEST, "npm test"],
        ),
    ],
)
def test_the_guess(tmp_path: Path, files: dict[str, str], commands: list[str]) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert [check.command for check in guess_checks(tmp_path)] == commands


PROJECT = {"pyproject.toml": "[project]\n"}
PYTEST_TEST = "def test_x():\n    pass\n"
UNIT = "import unittest\n"


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({"tests/unit/test_x.py": PYTEST_TEST}, [PYTEST]),
        ({"test/test_x.py": PYTEST_TEST}, [PYTEST]),
        ({"pkg/tests/test_x.py": PYTEST_TEST}, [PYTEST]),
        ({"src/pkg/tests/test_x.py": PYTEST_TEST}, [PYTEST]),
        ({"tests/x_test.py": PYTEST_TEST}, [PYTEST]),
        (
            {"pkg/test/__init__.py": "", "pkg/test/x_test.py": UNIT},
            [f"{UNITTEST} -s pkg/test -t . -p '*_test.py'"],
        ),
        ({"test/test_x.py": UNIT}, [f"{UNITTEST} -s test"]),
        (
            {"manage.py": "import django\n", "app/tests.py": UNIT},
            ["python3 manage.py test"],
        ),
        ({"tox.ini": "[testenv]\ncommands = x\n"}, ["python -m tox run -e py"]),
        ({"noxfile.py": "import nox\n"}, ["python -m nox"]),
        ({"runtests.py": "run()\n"}, ["python3 runtests.py"]),
        ({"node_modules/x/test_x.py": PYTEST_TEST}, []),
    ],
)
def test_the_guess_of_everyday_layouts_of_python(
    tmp_path: Path, files: dict[str, str], commands: list[str]
) -> None:
    for name, content in {**PROJECT, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert [check.command for check in guess_checks(tmp_path)] == commands


@pytest.mark.parametrize(
    ("scripts", "checks"),
    [
        (
            {"test": "xo && ava && tsd"},
            [
                ("npx --no-install xo", "lint"),
                ("npx --no-install ava", "test"),
                ("npx --no-install tsd", "types"),
            ],
        ),
        (
            {"test": "node lint.js && node --test"},
            [("node lint.js", "lint"), ("node --test", "test")],
        ),
        (
            {
                "pretest": "npm run lint",
                "lint": "eslint .",
                "test": "npm run tests-only",
                "tests-only": "nyc tape 'test/**/*.js'",
                "posttest": "npx npm@'>= 10.2' audit --production",
            },
            [
                ("npm run lint", "lint"),
                ("npm run tests-only", "test"),
                ("npx npm@'>= 10.2' audit --production", "lint"),
            ],
        ),
        (
            {
                "test": "npm run build && npm run all",
                "build": "tsc",
                "all": "a && mocha",
            },
            [
                ("npm run build", "build"),
                ("npx --no-install a", "test"),
                ("npx --no-install mocha", "test"),
            ],
        ),
        (
            {"test": "NODE_ENV=test tape t.js && tsc --noEmit"},
            [
                ("NODE_ENV=test npx --no-install tape t.js", "test"),
                ("npx --no-install tsc --noEmit", "types"),
            ],
        ),
        ({"test": "mocha | tee log && xo"}, [("npm test", "test")]),
        ({"test": "karma start && mocha"}, [("npx --no-install mocha", "test")]),
        ({"test": "karma start"}, []),
        ({"test": "mocha"}, [("npm test", "test")]),
        (
            {"test": "tap", "posttest": "npm run lint"},
            [("npx --no-install tap", "test"), ("npm run lint", "lint")],
        ),
        ({"test:unit": "vitest run"}, [("npm run test:unit", "test")]),
    ],
)
def test_the_steps_of_a_test_script_are_checks_of_their_own(
    tmp_path: Path, scripts: dict[str, str], checks: list[tuple[str, str]]
) -> None:
    (tmp_path / "package.json").write_text(json.dumps({"scripts": scripts}))
    found = guess_checks(tmp_path)
    assert [(check.command, check.kind) for check in found] == checks
    has_karma = "karma" in scripts.get("test", "")
    assert ("needs a browser" in "".join(seen_but_unknown(tmp_path))) is has_karma


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"build.sbt": ""}, "sbt -batch test"),
        ({"Gemfile": "", "spec/spec_helper.rb": ""}, "bundle exec rspec"),
        ({"Rakefile": "Rake::TestTask.new\n"}, "bundle exec rake test"),
        ({"phpunit.xml.dist": ""}, "vendor/bin/phpunit"),
        ({"phpunit.xml": "", "tests/Pest.php": ""}, "vendor/bin/pest"),
        ({"App.sln": ""}, "dotnet test"),
        ({"mix.exs": ""}, "mix test"),
        ({"Package.swift": ".testTarget(name:)"}, "swift test"),
        (
            {"CMakeLists.txt": "enable_testing()"},
            "cmake -S . -B build && cmake --build build && ctest --test-dir build",
        ),
        ({"meson.build": "test('a', a)"}, "meson setup build && meson test -C build"),
        ({"configure.ac": ""}, "autoreconf -i && ./configure && make check"),
        ({"MODULE.bazel": ""}, "bazel test //..."),
        ({"deno.json": "{}"}, "deno test -A"),
        ({"test/a.bats": ""}, "bats test"),
        ({"t/a.t": ""}, "prove -l -r t"),
        ({"justfile": "test: build\n  x\n"}, "just test"),
        ({"Taskfile.yml": "tasks:\n  test:\n"}, "task test"),
        ({"Makefile": "check:\n\tx\n"}, "make check"),
        ({"MODULE.bazel": "", "go.mod": ""}, "go test ./..."),
    ],
)
def test_a_build_file_tells_how_its_kind_is_tested(
    tmp_path: Path, files: dict[str, str], command: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert [check.command for check in guess_checks(tmp_path)] == [command]


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        (
            {
                "backend/pyproject.toml": "[tool.pytest.ini_options]\n",
                "frontend/package.json": SCRIPT,
                "docs/readme.md": "",
            },
            [f"cd backend && {PYTEST}", "cd frontend && npm test"],
        ),
        (
            {
                "package.json": '{"workspaces": ["packages/*"]}',
                "packages/a/package.json": SCRIPT,
                "packages/b/package.json": "{}",
                "other/package.json": SCRIPT,
            },
            ["cd packages/a && npm test"],
        ),
        (
            {
                "go.work": "go 1.22\n\nuse (\n\t./a\n\t./b\n)\n",
                "a/go.mod": "",
                "b/go.mod": "",
            },
            ["cd a && go test ./...", "cd b && go test ./..."],
        ),
        (
            {
                "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/*"]\n',
                "libs/x/pyproject.toml": "[project]\n",
                "libs/x/tests/test_x.py": UNIT,
                "libs/y/pyproject.toml": "[tool.pytest]\n",
            },
            None,
        ),
        ({"package.json": '{"workspaces": ["../*", "a b", "$(x)"]}'}, []),
    ],
)
def test_each_package_of_a_repository_has_its_own_checks(
    tmp_path: Path, files: dict[str, str], commands: list[str] | None
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = [check.command for check in guess_checks(tmp_path)]
    if commands is None:
        assert found
    else:
        assert found == commands


def test_what_is_seen_and_not_known_is_named(tmp_path: Path) -> None:
    (tmp_path / "dune-project").write_text("")
    (tmp_path / "environment.yml").write_text("dependencies:\n  - numpy\n")
    assert guess_checks(tmp_path) == ()
    assert [note.split(" is seen")[0] for note in seen_but_unknown(tmp_path)] == [
        "Conda",
        "OCaml",
    ]


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "test_a.py").write_text("import pytest\n")
    (elsewhere / "package.json").write_text('{"scripts": {"test": "x"}}')
    root = tmp_path / "root"
    root.mkdir()
    (root / "tests").symlink_to(elsewhere)
    (root / "package.json").symlink_to(elsewhere / "package.json")
    (root / "go.mod").symlink_to("/dev/zero")
    os.mkfifo(root / "setup.cfg")
    os.mkfifo(root / "Makefile")
    (root / "pyproject.toml").mkdir()
    assert guess_checks(root) == ()


def test_only_the_beginning_of_a_huge_file_is_read(tmp_path: Path) -> None:
    with (tmp_path / "Makefile").open("wb") as file:
        file.truncate(2**40)
    assert guess_checks(tmp_path) == ()
