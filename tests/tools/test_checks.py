"""Each check refuses a planted offence, and passes what only looks like one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE, git

TOOLS = Path(__file__).parents[2] / "tools"


def check(root: Path, tool: str) -> subprocess.CompletedProcess[str]:
    """Run a check in a tree that holds nothing but the check and what was planted."""
    shutil.copytree(
        TOOLS,
        root / "tools",
        ignore=shutil.ignore_patterns("__pycache__", "ratchet.json"),
    )
    return subprocess.run(
        [sys.executable, root / "tools" / f"{tool}.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def plant(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


LONG = "def f():\n" + "    x = 1\n" * 61
CHOICE = "if a and b or c:"  # three decisions
MANY = "def f():\n" + f"    {CHOICE}\n        g()\n" * 4
DENSE = "def f():\n    return " + " + ".join(["(1 if a else 2)"] * 12) + "\n"
OFFENCES = {
    "a mock": ("tests/a.py", "from unittest.mock import Mock\n", "no-mock"),
    "a mock by its module": ("tests/a.py", "import unittest.mock\n", "no-mock"),
    "a mock from its package": ("tests/a.py", "from unittest import mock\n", "no-mock"),
    "the plug-in for mocks": ("tests/a.py", "import pytest_mock\n", "no-mock"),
    "patched code": (
        "tests/a.py",
        "def test_a(monkeypatch):\n    monkeypatch.setattr(os, 'kill', print)\n",
        "no-mock",
    ),
    "code patched by a lambda": (
        "tests/a.py",
        "monkeypatch.setattr('os.kill', lambda pid: None)\n",
        "no-mock",
    ),
    "SQL by f-string": (
        "src/a.py",
        "session.execute(f'SELECT * FROM {table}')\n",
        "sql",
    ),
    "SQL by plus": (
        "src/a.py",
        "session.execute('DELETE FROM run WHERE id = ' + run_id)\n",
        "sql",
    ),
    "SQL by percent": (
        "src/a.py",
        "c.executemany('DELETE FROM run WHERE id = %s' % run_id, rows)\n",
        "sql",
    ),
    "SQL by format": (
        "src/a.py",
        "c.exec_driver_sql('SELECT {}'.format(column))\n",
        "sql",
    ),
    "SQL in text": (
        "src/a.py",
        "from sqlalchemy import text\n\ntext(f'SELECT {x}')\n",
        "sql",
    ),
    "SQL in text by another name": (
        "src/a.py",
        "from sqlalchemy import text as t\n\nt('SELECT ' + x)\n",
        "sql",
    ),
    "SQL in the module's text": (
        "src/a.py",
        "import sqlalchemy as sa\n\nsa.text(f'SELECT {x}')\n",
        "sql",
    ),
    "sleep in a coroutine": (
        "src/a.py",
        "async def f():\n    time.sleep(1)\n",
        "async",
    ),
    "a process in a coroutine": (
        "src/a.py",
        "async def f():\n    if x:\n        subprocess.run(['ls'])\n",
        "async",
    ),
    "a database in a coroutine": (
        "src/a.py",
        "async def f():\n    sqlite3.connect('x')\n",
        "async",
    ),
    "a request in a coroutine": (
        "src/a.py",
        "async def f():\n    requests.get('x')\n",
        "async",
    ),
    "a long function": ("src/a.py", LONG, "size"),
    "a long file": ("src/a.py", "x = 1\n" * 451, "size"),
    "thirteen decisions": ("src/a.py", MANY, "decisions"),
    "thirteen decisions in a line": ("src/a.py", DENSE, "decisions"),
    "a ternary in a ternary": (
        "src/a.py",
        "x = 1 if a else 2 if b else 3\n",
        "ternary",
    ),
    "a comprehension with two for": (
        "src/a.py",
        "x = [a for b in c for a in b]\n",
        "nested-for",
    ),
    "two broad handlers": (
        "src/a.py",
        "try:\n    f()\nexcept Exception:\n    g()\n" * 2,
        "broad-except",
    ),
    "two bare handlers": (
        "src/a.py",
        "try:\n    f()\nexcept:\n    g()\n" * 2,
        "broad-except",
    ),
    "two handlers of a tuple": (
        "src/a.py",
        "try:\n    f()\nexcept (OSError, Exception):\n    g()\n" * 2,
        "broad-except",
    ),
}
INNOCENT = {
    "twelve decisions": (
        "src/a.py",
        "def g():\n    pass\n" * 200 + MANY.replace("or c", "", 1),
    ),
    "decisions of a function inside": (
        "src/a.py",
        "def f(a):\n"
        + "    assert a\n" * 8
        + "    def g(a):\n"
        + "        assert a\n" * 8,
    ),
    "a ternary after a ternary": (
        "src/a.py",
        "x = [1 if a else 2, 3 if b else 4]\n",
    ),
    "a comprehension in a comprehension": (
        "src/a.py",
        "x = [[a for a in b] for b in c]\n",
    ),
    "a literal in place of a time-out": (
        "tests/a.py",
        "monkeypatch.setattr(link, 'KILL_SECONDS', 0.2)\n",
    ),
    "SQL with parameters": (
        "src/a.py",
        "session.execute('SELECT * FROM run WHERE id = ?', (run_id,))\n",
    ),
    "SQL from literals": ("src/a.py", "session.execute('SELECT * ' + 'FROM run')\n"),
    "a PRAGMA": ("src/a.py", "session.execute(f'PRAGMA max_page_count = {pages}')\n"),
    "a text that is not SQLAlchemy's": ("src/a.py", "text('x' * 300)\n"),
    "sleep in a thread": (
        "src/a.py",
        "async def f():\n    def g():\n        time.sleep(1)\n",
    ),
    "sleep in a test": ("tests/a.py", "async def f():\n    time.sleep(1)\n"),
    "a long migration": ("src/a/migrations/versions/0001_a.py", LONG),
    "one broad handler": ("src/a.py", "try:\n    f()\nexcept Exception:\n    g()\n"),
}


@pytest.mark.parametrize("offence", OFFENCES)
def test_an_offence_against_the_house_rules_is_named_with_its_place(
    tmp_path: Path, offence: str
) -> None:
    name, text, rule = OFFENCES[offence]
    plant(tmp_path, name, text)
    done = check(tmp_path, "check_house_rules")
    assert done.returncode > 0
    assert done.stderr.startswith(f"{name}:")
    assert f": {rule}: " in done.stderr.splitlines()[0]


@pytest.mark.parametrize("case", INNOCENT)
def test_what_only_looks_like_an_offence_passes(tmp_path: Path, case: str) -> None:
    plant(tmp_path, *INNOCENT[case])
    done = check(tmp_path, "check_house_rules")
    assert (done.returncode, done.stderr) == (0, "")


def test_functions_of_eleven_decisions_stay_the_exception(tmp_path: Path) -> None:
    plant(tmp_path, "src/a.py", "def f(a):\n" + "    assert a\n" * 10)
    done = check(tmp_path, "check_house_rules")
    assert done.stderr == "src:1: decisions: p99 of all functions is 11; at most 10\n"


@pytest.mark.parametrize(("allowed", "said"), [(0, "at most 0"), (2, "write that")])
def test_the_ratchet_refuses_more_and_wants_less_written_down(
    tmp_path: Path, allowed: int, said: str
) -> None:
    plant(tmp_path, "src/a.py", "import a  # noqa: F401\n")
    plant(tmp_path, "counts.json", f'{{"noqa": {allowed}}}')
    shutil.copytree(TOOLS, tmp_path / "tools")
    (tmp_path / "counts.json").replace(tmp_path / "tools" / "ratchet.json")
    command = [sys.executable, str(tmp_path / "tools" / "check_house_rules.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ratchet: noqa: 1; " + said in done.stderr


# Put together here, so that no file holds a secret or an address.
KEY = "sk-ant-api03-" + "vX7qLmP2_" * 10 + "Zt9" + "AA"
SECRETS = {
    "a key of a model": f"ANTHROPIC_API_KEY={KEY}\n",
    "a token of a host": "token = '"
    + "gh"
    + "p_"
    + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
    + "'\n",
    "a registry": "--index-url https://pypi" + ".org/simple\n",
    "a path of a machine": "open('/ro" + "ot/.ssh/id')\n",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_planted_secret_is_found_also_before_it_is_added(
    tmp_path: Path, secret: str
) -> None:
    git(tmp_path, "init", "-q")
    plant(tmp_path, "settings.txt", SECRETS[secret])
    done = check(tmp_path, "check_secrets")
    assert done.returncode > 0
    assert "settings.txt" in done.stderr


def test_a_tree_without_secrets_passes_and_ignored_files_are_left_alone(
    tmp_path: Path,
) -> None:
    git(tmp_path, "init", "-q")
    # A path of every machine: what is before `root` tells it from a home.
    path = Path("/proc/1/root", "x")
    plant(tmp_path, "settings.txt", f"ANTHROPIC_API_KEY=\nthe root of {path}\n")
    plant(tmp_path, ".gitignore", ".env\n")
    plant(tmp_path, ".env", f"ANTHROPIC_API_KEY={KEY}\n")
    done = check(tmp_path, "check_secrets")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_generated_file_out_of_step_is_refused_with_the_command_that_makes_it(
    tmp_path: Path,
) -> None:
    plant(
        tmp_path,
        ".env.example",
        (TOOLS.parent / ".env.example").read_text() + "# edited by hand\n",
    )
    done = check(tmp_path, "check_generated")
    assert done.returncode > 0
    assert "python -m aideator.settings > .env.example" in done.stderr


@pytest.mark.parametrize(
    "tool", ["check_generated", "check_house_rules", "check_secrets"]
)
def test_the_project_itself_passes(tool: str) -> None:
    done = subprocess.run(
        [sys.executable, TOOLS / f"{tool}.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=3 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
