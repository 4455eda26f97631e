"""How a project is tested, guessed from its files."""

import json
import os
from pathlib import Path

import pytest

from aideator.setup.guess_checks import guess_checks

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
