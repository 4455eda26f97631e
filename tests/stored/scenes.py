"""What the scripted model does in the runs of a fixture, and on which project."""

import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import GIT_ENV

FILES = {
    "calc.py": "def add(a, b):\n    return a - b\n\n\n"
    "def double(a):\n    return a * 2\n",
    "test_calc.py": """\
import unittest

from calc import add, double


class CalcTest(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 3), 5)

    def test_double(self):
        self.assertEqual(double(2), 4)
""",
    "say.py": """\
import sys

from calc import add

fine = add(2, 3) == 5
inner = '' if fine else '<failure message="5 is not what it is"/>'
if 'tap' in sys.argv:
    print('TAP version 13', '1..2', sep='\\n')
    print('ok' if fine else 'not ok', '1 - add')
    print('ok 2 - later # SKIP')
if 'junit' in sys.argv:
    with open('junit.xml', 'w') as file:
        case = '<testcase classname="calc" name="add">' + inner + '</testcase>'
        print('<testsuite>' + case + '</testsuite>', file=file)
if 'lint' in sys.argv:
    print('Found', open('calc.py').read().count('return'), 'errors.')
sys.exit(0 if fine or 'lint' in sys.argv else 1)
""",
}
DATE = "2026-01-01T12:00:00Z"
PROMPT = "Make the failing test pass, please"
FOLLOW_UP = "Now subtract as well, please"
AWKWARD = 'Schöne Grüße — “quoted” \\ "plain" \u2028 日本 \U0001f9ea\ttab </script>'
"""Text that encoders of JSON disagree about."""

REPAIR = "sed -i 's/a - b/a + b/' calc.py"
REPAIR_WITH_SUM = "sed -i 's/a - b/sum((a, b))/' calc.py"
SLEEP = "sleep 600"

CHECKS: list[dict[str, Any]] = [
    {"command": "python3 -m unittest discover", "name": "unit"},
    {"command": "python3 say.py tap", "name": "tap"},
    {"command": "python3 say.py junit", "name": "junit", "report": "junit.xml"},
    {
        "command": "python3 -m compileall -q .",
        "name": "build",
        "kind": "build",
        "timeout": 60.0,
    },
    {"command": "python3 say.py lint", "name": "lint", "kind": "lint"},
]
"""Each way in which a check reports: text, TAP, JUnit, an exit code, findings."""
SETUP: list[dict[str, Any]] = [{"command": "echo ready > ready.txt"}]


def plant_calc(directory: Path) -> Path:
    """Commit a calculator that cannot add; the commit's hash is the same each time."""
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    environment = GIT_ENV | {"GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        ["commit", "-q", "-m", "A calculator that cannot add"],
    ):
        subprocess.run(["git", *arguments], cwd=directory, env=environment, check=True)
    return directory


def bash(command: str, **more: Any) -> dict[str, Any]:
    """A turn that runs one command."""
    return {"calls": [{"bash": {"command": command}}], **more}


DONE: dict[str, Any] = {"say": "Done."}

_SUBTRACT: list[dict[str, Any]] = [
    bash("printf '\\n\\ndef subtract(a, b):\\n    return a - b\\n' >> calc.py"),
    {"say": "subtract() is there."},
]

CONTINUED: dict[str, Any] = {
    "lanes": {
        "1": [
            {
                "think": "I look first.",
                "say": AWKWARD,
                "calls": [
                    {"read": {"file_path": "calc.py"}},
                    {"bash": {"command": "exit 3"}},
                ],
            },
            {
                "calls": [
                    {
                        "edit": {
                            "file_path": "calc.py",
                            "old_string": "a - b",
                            "new_string": "a + b",
                        }
                    },
                    {"write": {"file_path": "one.txt", "content": "one\n"}},
                ]
            },
            {"say": "add() adds now."},
            {"choose": [{"when": {"prompt": "(?i)subtract"}, "turns": _SUBTRACT}]},
        ],
        "2": [bash(f"{REPAIR_WITH_SUM}; echo two > two.txt"), DONE],
        "3": [bash("sed -i 's/a \\* 2/a + a/' calc.py; echo three > three.txt"), DONE],
    }
}
"""One file of its own from each agent, and a second turn of the first one."""

TROUBLED: dict[str, Any] = {
    "lanes": {
        "1": [{"fault": {"status": 401}}],
        "2": [bash(REPAIR), {"fault": {"status": 401}}],
        "3": [bash("sleep 4"), DONE],
    }
}
"""A failure without a change, one after a change, and no change."""

JUDGED: dict[str, Any] = {
    "lanes": {
        "1": [bash(REPAIR), DONE],
        "2": [bash(REPAIR_WITH_SUM), DONE],
        "default": [
            {
                "choose": [
                    {
                        "when": {"prompt": r"A\| \+.*sum"},
                        "turns": [
                            {"say": '{"better": "A", "reason": "It is plainer."}'}
                        ],
                    },
                    {"turns": [{"say": '{"better": "B", "reason": "It is plainer."}'}]},
                ]
            }
        ],
    }
}
"""Two repairs that the tests cannot tell apart; the judge prefers the second."""

ONE_REPAIR: dict[str, Any] = {"lanes": {"default": [bash(REPAIR), DONE]}}
SPENDING: dict[str, Any] = {
    "lanes": {
        "1": [bash("true", repeat=True)],
        "2": [bash(REPAIR), bash("true", repeat=True)],
    }
}
"""Two agents that go on until their budget is spent, the second one after a change."""
ENDLESS: dict[str, Any] = {"lanes": {"default": [bash(SLEEP, repeat=True)]}}
INTERRUPTED: dict[str, Any] = {
    "lanes": {"1": [bash(REPAIR), DONE], "2": [bash(SLEEP, repeat=True)]}
}
"""The first agent ends, the second one does not."""
