"""What installs a project's dependencies, guessed from its files."""

import json
import os
from pathlib import Path

import pytest

from aideator.setup.guess_setup import guess_setup

VENV, PIP = "python3 -m venv .venv", "python -m pip install"
PROJECT = '[project]\nname = "x"\n'
PNPM = "pnpm install --frozen-lockfile"
GO = ["go mod download", "go test -run '^$' ./... || true"]


def package(**more: object) -> str:
    return json.dumps({"dependencies": {"a": "1"}, **more})


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, []),
        ({"test_a.py": "import unittest\n"}, []),
        ({"test_a.py": "import pytest\n"}, [VENV, f"{PIP} pytest"]),
        ({"requirements.txt": "requests\n"}, [VENV, f"{PIP} -r requirements.txt"]),
        (
            {
                "requirements.txt": "",
                "requirements-dev.txt": "pytest",
                "pytest.ini": "",
                "requirements/test.txt": "",
            },
            [
                VENV,
                f"{PIP} -r requirements-dev.txt -r requirements.txt"
                " -r requirements/test.txt",
            ],
        ),
        ({"pyproject.toml": PROJECT}, [VENV, f"{PIP} -e ."]),
        ({"pyproject.toml": "[tool.ruff]\n"}, []),
        ({"pyproject.toml": "nonsense"}, []),
        ({"pyproject.toml": "a = " + "[" * 50_000}, []),
        ({"setup.py": "", "pytest.ini": ""}, [VENV, f"{PIP} -e . pytest"]),
        (
            {
                "pyproject.toml": PROJECT
                + "[project.optional-dependencies]\n"
                + 'test = ["pytest"]\ndocs = []\ndev = []\n'
            },
            [VENV, f"{PIP} -e '.[dev,test]'"],
        ),
        (
            {"pyproject.toml": PROJECT + '[dependency-groups]\ndev = ["pytest"]\n'},
            [VENV, f"{PIP} --upgrade pip", f"{PIP} -e . --group dev"],
        ),
        (
            {"pyproject.toml": PROJECT, "uv.lock": ""},
            [VENV, f"{PIP} uv", "uv sync --frozen"],
        ),
        (
            {"pyproject.toml": PROJECT, "poetry.lock": ""},
            [
                "python3 -m venv .aideator/poetry",
                ".aideator/poetry/bin/python -m pip install poetry",
                ".aideator/poetry/bin/poetry install --no-interaction",
            ],
        ),
        ({"package.json": "{}"}, []),
        ({"package.json": "[]"}, []),
        ({"package.json": package()}, ["npm install --no-package-lock"]),
        ({"package.json": package(), "package-lock.json": ""}, ["npm ci"]),
        (
            {"package.json": package(), "pnpm-lock.yaml": ""},
            ["npm install -g pnpm@latest", PNPM],
        ),
        (
            {"package.json": package(), "pnpm-lock.yaml": "lockfileVersion: 5.4\n"},
            ["npm install -g pnpm@7", PNPM],
        ),
        (
            {"package.json": package(), "pnpm-lock.yaml": "lockfileVersion: '9.0'\n"},
            ["npm install -g pnpm@10", PNPM],
        ),
        (
            {
                "package.json": package(
                    packageManager="pnpm@9.1.0+sha512.aa; rm -rf /"
                ),
                "pnpm-lock.yaml": "",
            },
            ["npm install -g pnpm@9.1.0", PNPM],
        ),
        (
            {"package.json": package(), "yarn.lock": ""},
            ["npm install -g yarn@1", "yarn install --frozen-lockfile"],
        ),
        (
            {
                "package.json": package(packageManager="yarn@4.5.0"),
                "yarn.lock": "__metadata:\n" + " " * 2**21,
            },
            ["npm install -g @yarnpkg/cli-dist@4.5.0", "yarn install --immutable"],
        ),
        (
            {"package.json": package(), "yarn.lock": "__metadata:\n"},
            ["npm install -g @yarnpkg/cli-dist@latest", "yarn install --no-immutable"],
        ),
        (
            {"package.json": package(), "bun.lock": ""},
            ["npm install -g bun@latest", "bun install --frozen-lockfile"],
        ),
        ({"go.mod": "module x\n"}, []),
        ({"go.mod": "module x\n\nrequire (\n\ty v1\n)\n"}, GO),
        ({"Cargo.toml": "[package]\n"}, []),
        (
            {"Cargo.toml": "[dependencies]\n"},
            ["cargo fetch", "cargo test --no-run || true"],
        ),
        (
            {"Cargo.toml": "[target.'cfg(unix)'.dev-dependencies]\n", "Cargo.lock": ""},
            ["cargo fetch --locked", "cargo test --no-run || true"],
        ),
        (
            {"pom.xml": "", "mvnw": ""},
            [
                "sh ./mvnw -B -q -Dmaven.test.failure.ignore=true"
                " -Dsurefire.timeout=30 test"
            ],
        ),
        (
            {"build.gradle": ""},
            ["gradle --no-daemon testClasses", "gradle --no-daemon test || true"],
        ),
        ({"Makefile": "deps:\n\tx\ntest:\n\ty\n"}, ["make deps"]),
        ({"Makefile": "deps:\n\tx\n"}, []),
        ({"Makefile": "install:\n\tx\ntest:\n\ty\n"}, []),
        ({"Makefile": "deps:\n\tx\ntest:\n\ty\n", "go.mod": "require y v1\n"}, GO),
        (
            {"go.mod": "require y v1\n", "package.json": package()},
            ["npm install --no-package-lock", *GO],
        ),
    ],
)
def test_the_guess(tmp_path: Path, files: dict[str, str], commands: list[str]) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    guessed, notes = guess_setup(tmp_path, can_install=True)
    assert [command.command for command in guessed] == commands
    assert notes == ()


def test_where_nothing_can_be_reached_nothing_is_guessed_and_that_is_said(
    tmp_path: Path,
) -> None:
    assert guess_setup(tmp_path, can_install=False) == ((), ())
    (tmp_path / "package.json").write_text(package())
    (tmp_path / "go.mod").write_text("require y v1\n")
    guessed, (note,) = guess_setup(tmp_path, can_install=False)
    assert guessed == ()
    assert note.startswith(
        "nothing is installed, because set-up may reach no host"
        " (SETUP_ALLOWED_HOSTS=none)"
    )
    assert "npm install --no-package-lock; go mod download" in note


def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(package())
    root = tmp_path / "root"
    root.mkdir()
    (root / "package.json").symlink_to(real)
    (root / "requirements.txt").symlink_to(real)
    (root / "requirements").symlink_to(tmp_path)
    os.mkfifo(root / "go.mod")
    (root / "Cargo.toml").mkdir()
    assert guess_setup(root, can_install=True) == ((), ())
