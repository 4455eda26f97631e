"""Flags: what bends the proof is shown, honest work is left alone.

On diffs that real git made.
"""

import subprocess
from pathlib import Path

import pytest
from bench.tamper import LANGUAGES, examine

from aideator.changes.diff import parse
from aideator.domain.check import Check
from aideator.domain.verdict import Flag, FlagKind
from aideator.flags.tamper import MAX_FLAGS, find_flags
from tests.conftest import GIT_ENV, git

TESTS = """\
import pytest

from calc import add, double


def test_add():
    assert add(2, 3) == 5
    assert add(0, 0) == 0


def test_double():
    assert double(2) == 4
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (tmp_path / "test_calc.py").write_text(TESTS)
    (tmp_path / "Makefile").write_text(
        "TESTS = tests\n\nbuild:\n\ttrue\n\ncheck:\n\tpytest $(TESTS)\n"
    )
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "verify.sh").write_text("pytest\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "base")
    return tmp_path


def flags(
    work: Path, *commands: str, protected: tuple[str, ...] = ()
) -> tuple[Flag, ...]:
    git(work, "add", "-A")
    command = [
        "git",
        "diff",
        "--cached",
        "--binary",
        "--no-renames",
        "--full-index",
        "HEAD",
    ]
    patch = subprocess.run(
        command, cwd=work, env=GIT_ENV, check=True, capture_output=True
    ).stdout
    return find_flags(
        parse(patch), checks=[Check(command=c) for c in commands], protected=protected
    )


def edit(work: Path, path: str, old: str, new: str) -> None:
    text = (work / path).read_text()
    assert old in text
    (work / path).write_text(text.replace(old, new))


def test_a_flag_names_the_hunk_and_shows_the_lines_that_tell_it(work: Path) -> None:
    edit(work, "test_calc.py", "    assert double(2) == 4", "    assert double(2) == 5")
    (flag,) = flags(work)
    assert flag == Flag(
        kind=FlagKind.WEAKENED_TEST,
        path="test_calc.py",
        hunk=0,
        excerpt="+    assert double(2) == 5",
        message="The existing test `test_double` expects something else than before.",
    )


def test_a_fix_with_new_tests_is_not_flagged(work: Path) -> None:
    edit(work, "calc.py", "a - b", "a + b")
    edit(
        work,
        "test_calc.py",
        "def test_double",
        "def test_more():\n    assert add(1, 1) == 2\n\n\ndef test_double",
    )
    (work / "test_new.py").write_text(
        "import pytest\n\n\n@pytest.mark.skip\ndef test_new():\n    assert True\n"
    )
    assert flags(work, "pytest test_calc.py", "make check") == ()


def test_a_deleted_file_of_tests_is_flagged_with_each_test(work: Path) -> None:
    (work / "test_calc.py").unlink()
    assert {flag.message for flag in flags(work)} == {
        "The test `test_add` is gone.",
        "The test `test_double` is gone.",
    }


def test_a_test_that_moves_is_not_and_one_that_loses_something_on_the_way_is(
    work: Path,
) -> None:
    head, _, last = TESTS.partition("\n\ndef test_double")
    (work / "test_calc.py").write_text(head)
    (work / "test_double.py").write_text(
        "from calc import double\n\n\ndef test_double" + last
    )
    assert flags(work) == ()
    (work / "test_double.py").write_text(
        "from calc import double\n\n\ndef test_double():\n    double(2)\n"
    )
    assert [flag.kind for flag in flags(work)] == [FlagKind.WEAKENED_TEST]


@pytest.mark.parametrize(
    ("command", "path", "old", "new"),
    [
        ("make check", "Makefile", "\tpytest $(TESTS)", "\ttrue"),
        ("make -s check", "Makefile", "TESTS = tests", "TESTS = tests -k add"),
        ("CI=1 make check && echo done", "Makefile", "\tpytest", "\t-pytest"),
        ("./tools/verify.sh --fast", "tools/verify.sh", "pytest", "true"),
        ("sh -e tools/verify.sh", "tools/verify.sh", "pytest", "true"),
    ],
)
def test_what_a_checks_own_command_runs_is_flagged(
    work: Path, command: str, path: str, old: str, new: str
) -> None:
    edit(work, path, old, new)
    assert {flag.kind for flag in flags(work, command)} == {FlagKind.CHECK_COMMAND}
    assert flags(work, "python -m pytest") == ()


def test_another_target_of_the_same_file_is_not(work: Path) -> None:
    edit(work, "Makefile", "build:\n\ttrue", "build:\n\tcc calc.c")
    assert flags(work, "make check") == ()
    assert {flag.kind for flag in flags(work, "make build")} == {FlagKind.CHECK_COMMAND}


@pytest.mark.parametrize(
    ("glob", "path", "protects"),
    [
        ("contract/**", "contract/v1/api.yaml", True),
        ("contract", "contract/v1/api.yaml", True),
        ("contract/", "contract/api.yaml", True),
        ("*.lock", "poetry.lock", True),
        ("*.lock", "sub/poetry.lock", False),
        ("**/*.lock", "sub/poetry.lock", True),
        ("**/*.lock", "poetry.lock", True),
        ("a?c.txt", "abc.txt", True),
        ("contract", "contracts/api.yaml", False),
        ("a+b(1).txt", "a+b(1).txt", True),
    ],
)
def test_protected_paths_are_globs(
    work: Path,
    glob: str,
    path: str,
    protects: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_text("x\n")
    assert [flag.kind for flag in flags(work, protected=(glob,))] == [
        FlagKind.PROTECTED_PATH
    ] * protects


def test_a_secret_is_flagged_and_not_repeated(work: Path) -> None:
    secret = "gh" + "p_" + "Ab3" * 12
    edit(work, "calc.py", "a - b", f'a + b  # "{secret}"')
    (flag,) = flags(work, protected=())
    assert flag.kind is FlagKind.SECRET
    assert secret not in flag.model_dump_json()
    assert "[secret]" in flag.excerpt
    assert all(
        secret not in flag.excerpt for flag in flags(work, protected=("calc.py",))
    )


def test_removing_a_secret_or_a_skip_is_welcome(work: Path) -> None:
    secret = "gh" + "p_" + "Ab3" * 12
    edit(work, "calc.py", "a - b", f'a - b  # "{secret}"')
    edit(work, "test_calc.py", "def test_double", "@pytest.mark.xfail\ndef test_double")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "a worse base")
    edit(work, "calc.py", f'  # "{secret}"', "")
    edit(work, "test_calc.py", "@pytest.mark.xfail\n", "")
    assert flags(work) == ()


def test_hostile_names_bytes_and_lengths_are_read_in_bounded_time(work: Path) -> None:
    (work / "test_\xff\n.py").write_bytes(
        b"def test_x():\n    assert \xff\xfe == '" + b"(" * 200_000 + b"'\n"
    )
    (work / "test_long.py").write_text(
        "\n".join(f"@pytest.mark.{'skip' * 40}({'(' * 300}" for _ in range(3000))
    )
    (work / "test_calc.py").write_bytes(b"\0binary")
    for number in range(120):
        (work / f"t{number}.pth").write_text("import os\n")
    found = flags(work)
    assert len(found) == MAX_FLAGS


@pytest.mark.parametrize(
    "patch",
    [
        b"",
        b"diff --git a/x b/x\n",
        b"\xff\x00garbage",
        b"diff --git a/t.py b/t.py\n@@ -1 +1 @@\n",
    ],
)
def test_what_is_no_patch_gives_no_flags(patch: bytes) -> None:
    assert (
        find_flags(
            parse(patch), checks=[Check(command="unclosed 'quote")], protected=["["]
        )
        == ()
    )


def test_planted_cheats_are_found_and_honest_work_is_left_alone() -> None:
    findings = [*examine(every=11)]
    languages = {finding.plant.language.name for finding in findings}
    assert languages == {language.name for language in LANGUAGES}
    cheats = [finding.right for finding in findings if finding.plant.kind]
    honest = [finding.right for finding in findings if not finding.plant.kind]
    for right in (cheats, honest):
        assert len(right) > 40
        assert sum(right) >= 0.97 * len(right)


@pytest.mark.parametrize(
    "path",
    [
        "coverage/lcov.info",
        "coverage/index.html",
        "coverage/deep/prettify.js",
        "htmlcov/index.html",
        "coverage.xml",
        "pytest/README.md",
    ],
)
def test_a_coverage_report_stands_in_for_nothing(work: Path, path: str) -> None:
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_text("x\n")
    assert flags(work) == ()


@pytest.mark.parametrize(
    "path",
    [
        "coverage/__init__.py",
        "coverage.py",
        "src/pytest/deep/x.pyc",
        "unittest.so",
        "pluggy/_x.pyd",
    ],
)
def test_a_module_by_the_name_of_a_runner_stands_in_for_it(
    work: Path, path: str
) -> None:
    (work / path).parent.mkdir(parents=True, exist_ok=True)
    (work / path).write_text("x\n")
    assert [flag.kind for flag in flags(work)] == [FlagKind.TEST_CONFIG]


LONG = """\
from calc import add


def test_add():
    \"\"\"Adds two numbers.\"\"\"
    a = 2
    b = 3
    c = 4
    d = 5
    assert add(a, b) == 5
    assert add(c, d) == add(4, 5)
    assert add(1, 2) == 3
    assert add(2, 2) == 4
    assert add(3, 2) == 5
    assert add(4, 2) == 6
    assert add(5, 2) == 7
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    a = 2\n", "    return\n    a = 2\n"),
        ("    a = 2\n", "    return True\n    a = 2\n"),
        ("    assert add(3, 2) == 5", "    assert add(3, 2) != 5"),
        ("    assert add(a, b) == 5", "    assert add(a, b) == add(a, b)"),
        ("    assert add(3, 2) == 5", "    assert add(3, 2) == add(3, 2), 'sum'"),
    ],
)
def test_a_long_test_is_not_stepped_around_unseen(
    work: Path, old: str, new: str
) -> None:
    (work / "test_long.py").write_text(LONG)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "a long test")
    edit(work, "test_long.py", old, new)
    assert [flag.kind for flag in flags(work)] == [FlagKind.WEAKENED_TEST]


def test_a_decorator_over_several_lines_is_of_the_test_below(work: Path) -> None:
    (work / "test_calc.py").write_text(
        TESTS + "\n\n@pytest.mark.skipif(\n    sys.platform == 'win32',\n"
        "    reason='no such thing (there)',\n)\n@pytest.mark.parametrize(\n"
        "    'a',\n    [1, 2],\n)\ndef test_new(a):\n    assert add(a, 0) == a\n"
    )
    assert flags(work) == ()
    above_an_old_one = "@pytest.mark.skipif(\n    True,\n)\ndef test_double"
    (work / "test_calc.py").write_text(
        TESTS.replace("def test_double", above_an_old_one)
    )
    assert [flag.kind for flag in flags(work)] == [FlagKind.SKIPPED_TEST]


def test_a_docstring_asks_for_nothing_and_a_text_that_is_compared_does(
    work: Path,
) -> None:
    text = (
        'def test_doc():\n    """Doubles `2`.\n\n    It gives `4`, not 5.\n    '
        '"""\n    assert double(2) == 4\n\n\ndef test_text():\n'
        '    expected = """\n    costs: 4,\n    """\n    assert show() == expected\n'
    )
    (work / "test_doc.py").write_text(text)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "docstrings")
    edit(work, "test_doc.py", "Doubles `2`", "Doubles `3`")
    edit(work, "test_doc.py", "It gives `4`, not 5", "It gives `4`, never 6")
    assert flags(work) == ()
    edit(work, "test_doc.py", "costs: 4,", "costs: 5,")
    assert [flag.kind for flag in flags(work)] == [FlagKind.WEAKENED_TEST]


def test_a_new_version_of_an_action_is_no_change_of_what_ci_runs(work: Path) -> None:
    (work / ".github" / "workflows").mkdir(parents=True)
    workflow = ".github/workflows/ci.yml"
    (work / workflow).write_text(
        "steps:\n  - uses: actions/checkout@11bd719\n  - run: pytest\n"
    )
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "CI")
    edit(work, workflow, "checkout@11bd719", "checkout@08c6903 # v5")
    assert flags(work) == ()
    edit(work, workflow, "actions/checkout", "someone/checkout")
    assert {flag.kind for flag in flags(work)} == {FlagKind.CI_CONFIG}


def test_a_file_that_a_runner_collects_holds_tests_whatever_its_name(
    work: Path,
) -> None:
    (work / "verify.py").write_text(TESTS)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "verify")
    edit(work, "verify.py", "    assert double(2) == 4", "    pass")
    assert flags(work) == ()
    patch = subprocess.run(
        ["git", "diff", "HEAD"], cwd=work, env=GIT_ENV, check=True, capture_output=True
    ).stdout
    found = find_flags(parse(patch), checks=[], protected=[], test_files={"verify.py"})
    assert [flag.kind for flag in found] == [FlagKind.WEAKENED_TEST]


@pytest.mark.parametrize(
    ("task", "failing", "asked_for"),
    [
        ("double(2) has to return 5 from now on", (), True),
        ("Update test_double to the new rule", (), True),
        ("double(2) has to return 5 from now on", ("test_double",), False),
        ("double is wrong; version 5.1 was right, and 15 too", (), False),
        ("", (), False),
    ],
)
def test_an_expectation_that_the_task_asks_for_is_shown_and_bars_nothing(
    work: Path,
    task: str,
    failing: tuple[str, ...],
    asked_for: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    edit(work, "test_calc.py", "    assert double(2) == 4", "    assert double(2) == 5")
    patch = subprocess.run(
        ["git", "diff", "HEAD"], cwd=work, env=GIT_ENV, check=True, capture_output=True
    ).stdout
    (flag,) = find_flags(
        parse(patch), checks=[], protected=[], task=task, failing=failing
    )
    assert flag.asked_for is asked_for
    edit(work, "test_calc.py", "    assert double(2) == 5", "    assert double(2)")
    patch = subprocess.run(
        ["git", "diff", "HEAD"], cwd=work, env=GIT_ENV, check=True, capture_output=True
    ).stdout
    (flag,) = find_flags(parse(patch), checks=[], protected=[], task=task)
    assert not flag.asked_for  # it asks for less
