"""Reports of test runners, whatever is in them.

What cannot be read says why and gives no tests.
"""

import json
import tracemalloc
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.checks.reports import MAX_TESTS, MESSAGE, Report, merge, read
from aideator.domain.check import TestOutcome, TestResult

PASSED, FAILED, ERROR, SKIPPED = (
    TestOutcome.PASSED,
    TestOutcome.FAILED,
    TestOutcome.ERROR,
    TestOutcome.SKIPPED,
)

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="2" failures="1"
skipped="1" tests="6" time="0.050">
<testcase classname="" name="tests.test_b" file="tests/test_b.py" time="0.000"><error
message="collection failure">
E   ModuleNotFoundError: No module named 'nothere'</error></testcase>
<testcase classname="tests.test_a.TestX" name="test_p[1]" file="tests/test_a.py"
line="2" time="0.001" />
<testcase classname="tests.test_a.TestX" name="test_p[\\xfc]" file="tests/test_a.py"
line="2" time="0.25">
<failure
message="AssertionError: assert 'ü' == 1">&gt;   def test_p(self, v): assert v == 1
tests/test_a.py:4: AssertionError</failure></testcase>
<testcase classname="tests.test_a" name="test_ok" file="tests/test_a.py" line="4"
time="0.000" />
<testcase classname="tests.test_a" name="test_fix" file="tests/test_a.py" line="7"
time="0.000">
<error message="failed on setup with &quot;ValueError: x&quot;">ValueError</error>
</testcase>
<testcase classname="tests.test_a" name="test_s" file="tests/test_a.py" time="0.000">
<skipped type="pytest.skip"
message="unconditional skip">/workspace/tests/test_a.py:9: unconditional skip</skipped>
</testcase></testsuite></testsuites>""".encode()

SUREFIRE = b"""<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
name="org.example.CalcTest" time="1,034.05" tests="3">
  <properties><property name="java.version" value="21"/></properties>
  <testcase name="adds" classname="org.example.CalcTest" time="0.012"/>
  <testcase name="divides" classname="org.example.CalcTest" time="0.001">
    <error message="/ by zero"
type="java.lang.ArithmeticException"><![CDATA[java.lang.ArithmeticException: / by zero
	at org.example.Calc.divide(Calc.java:9)]]></error><system-out>noise</system-out>
  </testcase>
  <testcase name="later" classname="org.example.CalcTest" time="0"><skipped
message="not yet"/></testcase>
</testsuite>"""

JEST = {
    "numTotalTests": 3,
    "testResults": [
        {
            "name": "/workspace/src/sum.test.ts",
            "status": "failed",
            "assertionResults": [
                {
                    "ancestorTitles": ["sum"],
                    "title": "adds",
                    "status": "passed",
                    "duration": 3,
                },
                {
                    "ancestorTitles": ["sum"],
                    "title": "fails",
                    "status": "failed",
                    "failureMessages": ["Error: 1 ≠ 2"],
                },
                {"ancestorTitles": [], "title": "later", "status": "todo"},
            ],
        },
        {
            "name": "/workspace/src/bad.test.ts",
            "status": "failed",
            "message": "no module",
            "assertionResults": [],
        },
    ],
}


def outcomes(report: Report) -> dict[str, TestOutcome]:
    return {test.test: test.outcome for test in report.tests}


def test_pytest_names_tests_as_its_command_line_takes_them() -> None:
    report = read(PYTEST)
    assert (report.source, report.note) == ("junit", "")
    assert outcomes(report) == {
        "tests/test_b.py": ERROR,
        "tests/test_a.py::TestX::test_p[1]": PASSED,
        r"tests/test_a.py::TestX::test_p[\xfc]": FAILED,
        "tests/test_a.py::test_ok": PASSED,
        "tests/test_a.py::test_fix": ERROR,
        "tests/test_a.py::test_s": SKIPPED,
    }
    failed = report.tests[2]
    assert (failed.file, failed.seconds) == ("tests/test_a.py", 0.25)
    assert failed.message.startswith("AssertionError: assert 'ü' == 1\n")
    assert failed.message.endswith("tests/test_a.py:4: AssertionError")


def test_an_exception_in_a_java_test_is_a_failure() -> None:
    report = read(SUREFIRE)
    assert outcomes(report) == {
        "org.example.CalcTest.adds": PASSED,
        "org.example.CalcTest.divides": FAILED,
        "org.example.CalcTest.later": SKIPPED,
    }
    assert "Calc.java:9" in report.tests[1].message
    assert "noise" not in report.tests[1].message


def test_jest_and_vitest_name_tests_by_file_and_titles() -> None:
    report = read(json.dumps(JEST).encode())
    assert report.source == "json"
    assert outcomes(report) == {
        "src/sum.test.ts > sum > adds": PASSED,
        "src/sum.test.ts > sum > fails": FAILED,
        "src/sum.test.ts > later": SKIPPED,
        "src/bad.test.ts": ERROR,
    }
    assert report.tests[1].message == "Error: 1 ≠ 2"


def test_suites_nest_and_one_without_class_names_lends_its_own() -> None:
    text = b"""<testsuites><testsuite name="outer"><testsuite name="inner"><testcase
name="a"/></testsuite>
    <testcase name="b"/></testsuite><testcase name="c"/></testsuites>"""
    assert outcomes(read(text)) == {"inner.a": PASSED, "outer.b": PASSED, "c": PASSED}


def test_of_tests_with_one_id_the_worst_counts() -> None:
    cases = (
        '<testcase name="a"/><testcase name="a"><failure '
        'message="no"/></testcase><testcase name="a"/>'
    )
    (only,) = read(f"<testsuite>{cases}</testsuite>".encode()).tests
    assert (only.outcome, only.message) == (FAILED, "no")


LAUGHS = b"""<?xml
version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">]><testsuite><testcase
name="&lol3;"/></testsuite>"""
FILE = b"""<?xml
version="1.0"?><!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>
<testsuite><testcase name="&file;"/></testsuite>"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "declares an entity"),
        (FILE, "declares an entity"),
        (b"<testsuite><testcase name='a'></testsuite>", "broken XML"),
        (b"<testsuite><testcase name='a'/>", "broken XML"),
        (b"<testsuite><testcase name='\x00'/></testsuite>", "broken XML"),
        (b"<testsuite>&nothing;</testsuite>", "broken XML"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "broken XML"),
        (PYTEST[: len(PYTEST) // 2], "broken XML"),
        (b"<a>" * 100_000, "nested too deeply"),
        (b"{" * 100_000, "broken JSON"),
        (b"[" * 100_000, "broken JSON"),
        (b'{"testResults": [', "broken JSON"),
        (b"Segmentation fault", "neither XML nor JSON"),
        (b"", "empty"),
    ],
)
def test_a_report_that_cannot_be_read_gives_no_tests_and_says_why(
    text: bytes, why: str
) -> None:
    report = read(text)
    assert report.tests == ()
    assert why in report.note
    assert report.source == "exit_code"


def test_twenty_thousand_tests_are_read_and_more_than_the_bound_are_not() -> None:
    many = b"".join(
        b'<testcase classname="c" name="t%d" time="0.001"/>' % n for n in range(20_000)
    )
    assert len(read(b"<testsuite>" + many + b"</testsuite>").tests) == 20_000
    more = b"".join(b'<testcase name="t%d"/>' % n for n in range(MAX_TESTS + 1))
    assert (
        f"more than {MAX_TESTS} tests"
        in read(b"<testsuite>" + more + b"</testsuite>").note
    )


def test_a_message_of_many_megabytes_is_kept_in_part_and_costs_no_memory() -> None:
    head, tail = (
        b"<testsuite><testcase name='a'><failure message='first'>",
        b"the end</failure></testcase></testsuite>",
    )
    text = head + b"x" * (8 << 20) + tail
    tracemalloc.start()
    (test,) = read(text).tests
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert test.message.startswith("first")
    assert test.message.endswith("the end")
    assert len(test.message) < 2 * MESSAGE
    assert peak < 4 << 20


def test_one_broken_file_spoils_a_report_of_several() -> None:
    whole, broken = read(SUREFIRE), read(b"<testsuite>")
    assert merge([whole, broken]).tests == ()
    assert merge([whole, broken]).note == broken.note
    assert len(merge([whole, read(PYTEST)]).tests) == 9
    assert merge([]) == Report()


NAMES = st.text(min_size=1, max_size=30)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from([PASSED, FAILED, SKIPPED]), NAMES), max_size=20
    )
)
def test_what_a_runner_writes_is_what_is_read(
    rows: list[tuple[str, TestOutcome, str]],
) -> None:
    # XML has no place for these at all, so no runner can write them.
    rows = [(xml(name), outcome, xml(message)) for name, outcome, message in rows]
    tags = {
        PASSED: "",
        FAILED: "<failure>{}</failure>",
        SKIPPED: "<skipped>{}</skipped>",
    }
    cases = "".join(
        "<testcase classname='c' "
        f"name={quoteattr(name)}>{tags[outcome].format(escape(message))}</testcase>"
        for name, outcome, message in rows
    )
    report = read(f"<testsuite>{cases}</testsuite>".encode())
    assert report.note == ""
    expected: dict[str, set[TestOutcome]] = {}
    for name, outcome, _ in rows:
        expected.setdefault(f"c.{name}", set()).add(outcome)
    assert {test.test for test in report.tests} == set(expected)
    assert all(test.outcome in expected[test.test] for test in report.tests)
    assert all(
        (test.outcome is FAILED) == (FAILED in expected[test.test])
        for test in report.tests
    )


def xml(text: str) -> str:
    allowed = "".join(
        c
        for c in text
        if c >= " " and not 0xD800 <= ord(c) < 0xE000 and ord(c) not in {0xFFFE, 0xFFFF}
    )
    return (
        " ".join(allowed.split()) or "x"
    )  # attribute values have their white space normalised


@given(st.binary(max_size=400))
def test_whatever_the_bytes_reading_ends_with_a_report(text: bytes) -> None:
    for data in (
        text,
        b"<testsuite>" + text,
        b'{"testResults": ' + text,
        b"<testsuite><testcase name='a'>" + text,
    ):
        report = read(data)
        assert report.tests == () or report.note == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "testResults",
                    "assertionResults",
                    "title",
                    "ancestorTitles",
                    "status",
                    "name",
                    "failureMessages",
                    "duration",
                    "outcome",
                    "names",
                    "file",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
)


@given(JSON, JSON)
def test_whatever_the_json_reading_ends_with_tests_that_can_be_stored(
    one: object, other: object
) -> None:
    for found in (
        one,
        {"testResults": one},
        {"testResults": [{"assertionResults": [other]}]},
        {"outcome": "passed"},
    ):
        for test in read(json.dumps(found).encode()).tests:
            assert TestResult.model_validate_json(test.model_dump_json()) == test


def test_a_name_that_no_database_takes_is_made_one() -> None:
    line = (
        '{"outcome": "failed", "names": ["\\ud800\\u0000"], "message": "\\udfff", '
        '"file": "a.js"}'
    )
    (test,) = read(line.encode()).tests
    assert test.test == "a.js > ?�"
    assert test.message.encode() == b"?"
