"""What a change makes necessary to be built again."""

import json
from pathlib import Path

import pytest

from aideator.domain.check import Command
from aideator.setup.rebuild import builds_for

EXTENSION = {"setup.py": "setup(ext_modules=[Extension('a', ['a.c'])])"}
EDITABLE = "python -m pip install -q --no-deps --no-build-isolation -e ."


def package(**scripts: str) -> dict[str, str]:
    return {"package.json": json.dumps({"scripts": scripts})}


@pytest.mark.parametrize(
    ("files", "setup", "path", "builds"),
    [
        (EXTENSION, "python -m pip install -e '.[test]' pytest", "a.c", [EDITABLE]),
        (EXTENSION, "python -m pip install -e .", "src/a.pyx", [EDITABLE]),
        (EXTENSION, "python -m pip install -e .", "a.py", []),
        ({"setup.py": ""}, "python -m pip install -e .", "setup.py", []),
        (
            {"setup.py": ""},
            "pip install . pytest",
            "pkg/a.py",
            [
                "python -m pip install -q --no-deps --no-build-isolation"
                " --force-reinstall ."
            ],
        ),
        ({}, "pip install -r requirements.txt", "a.py", []),
        (
            {"pyproject.toml": '[build-system]\nbuild-backend = "maturin"\n'},
            "maturin develop",
            "src/lib.rs",
            ["maturin develop"],
        ),
        (package(prepare="node build.js"), "npm ci", "src/a.js", ["npm run prepare"]),
        (package(prepare="husky"), "npm ci", "src/a.js", []),
        (package(prepare="node build.js"), "npm ci", "README.md", []),
        (
            {**package(), "binding.gyp": "{}"},
            "npm install",
            "src/a.cc",
            ["npm exec --offline -- node-gyp rebuild"],
        ),
        (package(), "npm run build", "src/a.ts", ["npm run build"]),
        ({}, "make deps", "src/a.c", ["make deps"]),
        ({}, "npx tsc -p .", "src/a.ts", ["npx tsc -p ."]),
    ],
)
def test_what_set_up_built_from_a_changed_file_is_built_again(
    tmp_path: Path, files: dict[str, str], setup: str, path: str, builds: list[str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    found = builds_for([Command(command=setup)], tmp_path, [path])
    assert [*found] == builds
