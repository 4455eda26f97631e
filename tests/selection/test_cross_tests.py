"""Which tests a change wrote, which share a sandbox, and what their outcomes say."""

import pytest

from aideator.changes.diff import FileDiff, parse
from aideator.domain.check import CheckResult, Measurement, TestOutcome, TestResult
from aideator.domain.ranking import CrossOutcome
from aideator.selection.cross_tests import (
    Bundle,
    OwnTest,
    always_passing,
    edited_names,
    outcome_of_run,
    outcome_of_runs,
    own_tests,
    pack,
    paths_to_copy,
)

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)
PASS, FAIL, NEITHER = CrossOutcome

OLD = """\
import unittest


class T(unittest.TestCase):
    def helper(self):
        return 1

    def test_one(self):
        a = 1
        b = 2
        c = 3
        d = 4
        self.assertEqual(a, 1)

    def test_two(self):
        self.assertEqual(2, 2)
"""


def diff(path: str, body: str, *, new: bool = False) -> FileDiff:
    mode = "new file mode 100644\n" if new else ""
    old = "/dev/null" if new else f"a/{path}"
    text = f"diff --git a/{path} b/{path}\n{mode}--- {old}\n+++ b/{path}\n{body}"
    (found,) = parse(text.encode())
    return found


def added(path: str, *lines: str) -> FileDiff:
    return diff(
        path,
        f"@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines),
        new=True,
    )


def said(*tests: TestResult) -> CheckResult:
    return CheckResult(check="tests", exit_code=0, seconds=0, tests=tests)


def case(
    test: str, outcome: TestOutcome = PASSED, message: str = "", file: str = ""
) -> TestResult:
    return TestResult(test=test, outcome=outcome, message=message, file=file)


DEEP = (
    "@@ -11,3 +11,3 @@\n         c = 3\n-        d = 4\n+        d = 5\n         "
    "self.assertEqual(a, 1)\n"
)


@pytest.mark.parametrize(
    ("hunk", "names"),
    [
        # Deep inside a test, where no definition is in sight.
        (DEEP, {"test_one"}),
        # A new test between two others is an edit of neither.
        (
            "@@ -13,4 +13,8 @@\n         self.assertEqual(a, 1)\n \n+    @skip\n+    "
            "def test_new(self):\n+      pass\n"
            "+\n     def test_two(self):\n         self.assertEqual(2, 2)\n",
            {"test_new"},
        ),
        (
            "@@ -5,2 +5,2 @@\n     def helper(self):\n-        return 1\n+        "
            "return 2\n",
            {"helper"},
        ),
        ("@@ -1,2 +1,3 @@\n import unittest\n+import os\n \n", set()),
        (
            "@@ -15,2 +15,1 @@\n     def test_two(self):\n-        "
            "self.assertEqual(2, 2)\n",
            {"test_two"},
        ),
    ],
)
def test_a_changed_line_belongs_to_the_test_that_it_stands_in(
    hunk: str, names: set[str]
) -> None:
    assert edited_names(OLD, diff("test_a.py", hunk).hunks) == names


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("func TestAdd(t *testing.T) {", "TestAdd"),
        ("    fn adds() {", "adds"),
        ("    pub async fn adds() {", "adds"),
        ("    public void adds() {", "adds"),
        ("  it('adds two (and more)', () => {", "adds two (and more)"),
        ('test.each([1])("adds", () => {', ""),
        ('test.only("adds", () => {', "adds"),
        ("async def test_x():", "test_x"),
    ],
)
def test_definitions_of_many_languages_are_known(line: str, name: str) -> None:
    assert edited_names("", added("tests/a.py", line, "  body").hunks) == (
        {name} if name else set()
    )


def test_new_and_edited_tests_are_found_whether_or_not_the_report_names_files() -> None:
    files = [
        diff("test_a.py", DEEP),
        added("sub/test_b.py", "def test_new():", "    pass"),
        added("src.py", "x = 1"),
    ]
    base = said(case("test_a.T.test_one"), case("test_a.T.test_two"))

    def old(path: str) -> str:
        return OLD if path == "test_a.py" else ""

    author = said(
        case("test_a.T.test_one"),
        case("test_a.T.test_two"),
        case("sub.test_b.N.test_new"),
        case("other.test_x"),
    )
    found = own_tests("tests", files, author, base, old)
    assert [(test.result.test, test.result.file) for test in found] == [
        ("test_a.T.test_one", "test_a.py"),
        ("sub.test_b.N.test_new", "sub/test_b.py"),
    ]
    named = said(
        case("test_a.py::T::test_one", file="test_a.py"),
        case("sub/test_b.py::test_new", file="sub/test_b.py"),
        case("sub/test_b.py::test_skipped", SKIPPED, file="sub/test_b.py"),
        case("other.py::test_new", file="other.py"),
    )
    known = said(case("test_a.py::T::test_one", file="test_a.py"))
    found = own_tests("tests", files, named, known, old)
    assert [test.result.test for test in found] == [
        "test_a.py::T::test_one",
        "sub/test_b.py::test_new",
    ]


def test_helpers_and_data_of_tests_go_along_and_source_stays() -> None:
    files = [
        added(path, "x")
        for path in (
            "a.py",
            "tests/data/x.json",
            "tests/test_a.py",
            "conftest.py",
            "README.md",
        )
    ]
    assert paths_to_copy(files) == [
        "tests/data/x.json",
        "tests/test_a.py",
        "conftest.py",
    ]


def own(test: str, file: str) -> OwnTest:
    return OwnTest("tests", case(test, file=file), added(file, "x"))


def test_authors_share_a_sandbox_unless_they_collide_or_bring_more() -> None:
    a = Bundle(1, ("test_a.py",), (own("a.x", "test_a.py"),))
    b = Bundle(2, ("test_b.py",), (own("b.x", "test_b.py"),))
    a_again = Bundle(3, ("test_a.py",), (own("a.y", "test_a.py"),))
    same_id = Bundle(4, ("sub/test_a.py",), (own("a.x", "sub/test_a.py"),))
    with_fixture = Bundle(5, ("test_c.py", "conftest.py"), (own("c.x", "test_c.py"),))
    assert pack([a, b, a_again, same_id, with_fixture]) == [
        [a, b],
        [a_again, same_id],
        [with_fixture],
    ]
    assert pack([]) == []


IN_TEST = '  File "/workspace/test_a.py", line 5, in test_x\n    f()\n'
JS_TEST = "    at Test.<anonymous> (/workspace/test/a.test.js:2:8)"
IN_CODE = IN_TEST + '  File "/workspace/calc.py", line 2, in f\n    g()\n'


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (None, NEITHER),
        (case("t"), PASS),
        (case("t", SKIPPED), NEITHER),
        (case("t", ERROR, "fixture 'x' not found"), NEITHER),
        (case("t", FAILED, "AssertionError: 1 != 2"), FAIL),
        (
            case(
                "t",
                FAILED,
                f"{IN_TEST}AttributeError: module 'calc' has no attribute 'f'",
            ),
            NEITHER,
        ),
        (
            case(
                "t",
                FAILED,
                f"{IN_TEST}AttributeError: 'Calc' object has no attribute 'f'",
            ),
            NEITHER,
        ),
        (
            case(
                "t",
                FAILED,
                f"{IN_TEST}AttributeError: 'NoneType' object has no attribute 'f'",
            ),
            FAIL,
        ),
        (
            case(
                "t",
                FAILED,
                f"{IN_TEST}TypeError: f() got an unexpected keyword argument 'x'",
            ),
            NEITHER,
        ),
        (case("t", FAILED, f"{IN_CODE}NameError: name 'g' is not defined"), FAIL),
        (
            case(
                "t",
                FAILED,
                "test_a.py:5: in test_x\ncalc.py:2: NameError\nNameError: name 'g'",
            ),
            FAIL,
        ),
        (case("t", FAILED, "test_a.py:5: NameError\nNameError: name 'g'"), NEITHER),
        (case("t", FAILED, f"TypeError: f is not a function\n{JS_TEST}"), NEITHER),
        (
            case(
                "t",
                FAILED,
                "TypeError: f is not a function\n    at g "
                f"(/workspace/src/a.js:2:8)\n{JS_TEST}",
            ),
            FAIL,
        ),
        (case("t", FAILED, "TypeError: unsupported operand"), FAIL),
    ],
)
def test_only_what_the_others_code_answered_counts_against_it(
    result: TestResult | None, outcome: CrossOutcome
) -> None:
    assert outcome_of_run(result) is outcome


def test_a_changing_outcome_is_not_stable_and_a_missing_one_says_why() -> None:
    twice = Measurement(result=said(case("t")), again=(said(case("t", FAILED, "no")),))
    assert outcome_of_runs(twice, "t")[:2] == (NEITHER, False)
    held_up = Measurement(
        result=said(case("mod", ERROR, "ImportError: plus")), again=(said(),)
    )
    assert outcome_of_runs(held_up, "mod.T.test_x") == (
        NEITHER,
        True,
        "ImportError: plus",
    )
    assert outcome_of_runs(None, "t") == (NEITHER, True, "")


def test_a_test_convinces_that_passes_on_its_author_each_time() -> None:
    measured = Measurement(
        result=said(case("good"), case("flaky"), case("bad", FAILED)),
        again=(said(case("good"), case("flaky", FAILED)),),
    )
    assert always_passing(measured) == {"good"}
