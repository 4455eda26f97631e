"""Guess how a Python project is tested, from files of the base commit."""

import re
from pathlib import Path, PurePosixPath

from aideator.setup.files import names, read_text, walk

_PYTEST = "python3 -m pytest -q"
_PYTESTS = re.compile(r"^((import|from) pytest\b|(async )?def test)", re.MULTILINE)
"""Tests that unittest does not find: it runs methods only."""
_PYTEST_SECTIONS = {
    "setup.cfg": r"\[tool:pytest\]",
    "tox.ini": r"^\[pytest\]",
    "pyproject.toml": r"^\[tool\.pytest\b",
}
"""File → a section of it that configures pytest."""
_TEST_FILE = r"test\w*\.py|\w+_tests?\.py"


def guess_python(root: Path) -> str | None:
    """Return the command that tests a Python project; None if none is seen."""
    if _is_pytest_configured(root):
        return _PYTEST
    if names(root, r"manage\.py") and "django" in read_text(root / "manage.py"):
        return "python3 manage.py test"
    files = _test_files(root)
    if not files:
        return _by_automation(root)
    if any(_PYTESTS.search(read_text(root / file)) for file in files):
        return _PYTEST
    return _unittest(root, files)


def _test_files(root: Path) -> list[str]:
    """Return the files with tests; those far from the root in Python projects only."""
    if names(root, _PROJECT_FILE):
        return walk(root, _TEST_FILE)
    near = names(root, _TEST_FILE)
    return [*near, *(f"tests/{name}" for name in names(root / "tests", _TEST_FILE))]


_PROJECT_FILE = (
    r"pyproject\.toml|setup\.(py|cfg)|[\w-]*requirements[\w-]*\.txt|Pipfile|tox\.ini"
    r"|noxfile\.py|manage\.py"
)


def _is_pytest_configured(root: Path) -> bool:
    if names(root, r"\.?pytest\.ini|pytest\.toml|conftest\.py"):
        return True
    if names(root / "tests", r"conftest\.py") or names(root / "test", r"conftest\.py"):
        return True
    return any(
        re.search(section, read_text(root / file), re.MULTILINE)
        for file, section in _PYTEST_SECTIONS.items()
    )


def _unittest(root: Path, files: list[str]) -> str:
    """Return the call of unittest's discovery that finds these files.

    It enters packages only, and looks for `test*.py` unless it is told otherwise.
    """
    folders = {PurePosixPath(file).parent for file in files}
    top = min(folders, key=lambda folder: len(folder.parts))
    command = "python3 -m unittest discover"
    in_packages = not top.parts or (root / top / "__init__.py").is_file()
    is_direct = len(top.parts) < 2 and in_packages
    if not is_direct:
        command += f" -s {top}" + (" -t ." if in_packages else "")
    if not any(PurePosixPath(file).name.startswith("test") for file in files):
        command += f" -p '*{PurePosixPath(files[0]).stem[-5:]}.py'"
    return command


def _by_automation(root: Path) -> str | None:
    """Return the tool that a project leaves its tests to, where none is seen."""
    if re.search(r"^\[testenv", read_text(root / "tox.ini"), re.MULTILINE):
        return "python -m tox run -e py"
    if names(root, r"noxfile\.py"):
        return "python -m nox"
    if names(root, r"runtests\.py"):
        return "python3 runtests.py"
    return None
