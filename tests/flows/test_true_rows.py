"""What is said of a change is true where the obvious measurement would say otherwise.

One project that its set-up builds, with a test that fails. 1 mends the source; 2 mends
it too and lets state leak from one test into the next; 3 deletes the failing test; 4
makes the source one that cannot be built.
"""

from pathlib import Path

from aideator.domain.run import RunDetails
from aideator.domain.verdict import Change, FlagKind, Verdict
from tests.actions import user
from tests.conftest import git

FILES = {
    "Makefile": "all:\n\tpython3 -m py_compile src/m.py\n\tmkdir -p dist\n"
    "\tcp src/m.py dist/m.py\n",
    ".gitignore": "dist/\n__pycache__/\n",
    "src/m.py": "def add(a, b):\n    return a - b\n\n\n"
    "def items(x, acc=None):\n    acc = [] if acc is None else acc\n"
    "    acc.append(x)\n    return acc\n",
    "test_m.py": "import sys\nimport unittest\n\nsys.path.insert(0, 'dist')\n"
    "from m import add, items\n\n\nclass T(unittest.TestCase):\n"
    "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n\n"
    "    def test_items_a(self):\n        self.assertEqual(items(1), [1])\n\n"
    "    def test_items_b(self):\n        self.assertEqual(items(2), [2])\n",
}
RIGHT = "sed -i 's/a - b/a + b/' src/m.py"
LEAKS = f"{RIGHT}; sed -i 's/acc=None/acc=[]/; /is None/d' src/m.py"
DELETES = "sed -i '/def test_add/,/5)/d' test_m.py"
BREAKS = "echo 'def (' >> src/m.py"


def verdicts(done: RunDetails) -> list[Verdict]:
    return [each.verdict for each in done.variations if each.verdict]


def rows(verdict: Verdict) -> dict[str, Change]:
    (check,) = verdict.checks
    return {row.test.rpartition(".")[2]: row.change for row in check.tests}


async def test_what_set_up_built_is_built_again_and_no_row_is_untrue(
    home: Path,
) -> None:
    repo = home / "project"
    for name, text in FILES.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A project that is built")
    commands = (RIGHT, LEAKS, DELETES, BREAKS)
    lanes = {
        str(number): [{"calls": [{"bash": {"command": command}}]}, {"say": "Done."}]
        for number, command in enumerate(commands, 1)
    }
    async with user(home, repo, {"lanes": lanes}) as me:
        done = await me.asks_and_waits(
            variations=4,
            setup=[{"command": "make"}],
            checks=[{"command": "python3 -m unittest discover"}],
            check_timeout=300,
        )
    assert [check.timeout for check in done.checks] == [300]
    right, leaks, deletes, breaks = verdicts(done)

    assert rows(right) == {"test_add": Change.FIXED}
    assert rows(leaks) == {"test_items_b": Change.BROKEN, "test_add": Change.FIXED}
    assert "only" not in leaks.checks[0].could_not_run
    assert leaks.checks[0].tests[0].message.startswith("Fails in each run together")
    assert rows(deletes) == {"test_add": Change.GONE}
    assert deletes.checks[0].change is Change.GONE
    assert {flag.kind for flag in deletes.flags} == {FlagKind.DELETED_TEST}
    assert "failed on the base" in deletes.flags[-1].message
    assert breaks.checks[0].change is Change.BROKEN
    assert "cannot be built again" in breaks.checks[0].could_not_run
    assert done.ranking
    assert done.ranking.recommended == 1


async def test_a_change_to_what_cannot_be_built_again_says_so(home: Path) -> None:
    repo = home / "project"
    for name, text in FILES.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    (repo / "Makefile").write_text(
        "all:\n\ttest ! -e dist\n\tmkdir dist\n\tcp src/m.py dist/m.py\n"
    )
    git(repo, "init", "-q", "-b", "main")
    git(repo, "add", ".")
    git(repo, "commit", "-q", "-m", "A project that is built once")
    lanes = {"1": [{"calls": [{"bash": {"command": RIGHT}}]}, {"say": "Done."}]}
    async with user(home, repo, {"lanes": lanes}) as me:
        done = await me.asks_and_waits(
            setup=[{"command": "make"}],
            checks=[{"command": "python3 -m unittest discover"}],
        )
    (verdict,) = verdicts(done)
    assert "cannot be built again" in "".join(verdict.notes)
