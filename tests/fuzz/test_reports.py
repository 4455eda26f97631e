"""Report files: JUnit XML, JSON of jest and node, coverage, findings of linters.

At most `MAX_TESTS` tests come of a file, each with texts of bounded length; a reader
raises nothing, expands no entity and fetches nothing.
"""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.checks.coverage import covered
from aideator.checks.diagnostics import count_findings
from aideator.checks.reports import merge, read
from aideator.sandbox.base import ExecResult
from tests.checks.test_reports import PYTEST, SUREFIRE
from tests.fuzz.strategies import (
    JSON,
    around,
    as_json,
    examples,
    mutated,
    objects,
    repeated,
)
from tests.fuzz.test_printed import check_is_bounded
from tests.fuzz.work import check_growth, check_large

JEST = b"""{"testResults": [{"name": "/workspace/a.test.js", "status": "failed",
"message": "", "assertionResults": [{"ancestorTitles": ["outer"], "title": "adds",
"status": "passed", "duration": 12}, {"title": "fails", "status": "failed",
"failureMessages": ["Error: 1"]}]}]}"""
NODE = b"""{"outcome": "passed", "file": "/workspace/a.mjs", "names": ["a", "b"]}
{"outcome": "failed", "names": ["c"], "message": "no", "seconds": 0.5}
"""
REPORTS = (PYTEST, SUREFIRE, JEST, NODE)
LCOV = b"TN:\nSF:/workspace/src/a.py\nDA:1,1\nDA:2,0\nend_of_record\nSF:b.py\nDA:3,1\n"
COBERTURA = b"""<?xml version="1.0" ?><coverage><packages><package name="p"><classes>
<class filename="src/a.py" name="a"><lines><line number="1" hits="1"/>
<line number="2" hits="0"/></lines></class></classes></package></packages></coverage>"""
FINDINGS = b"""src/a.py:1:2: E501 too long
src/b.py(3,4): error TS2304: no
Found 2 errors in 1 file
\xe2\x9c\x96 3 problems (1 error)
2 errors, 1 warning
"""
BOMB = (
    b'<!DOCTYPE a [<!ENTITY a "ha">'
    + b"".join(
        b'<!ENTITY %c "%s">' % (97 + n, b"&%c;" % (96 + n) * 10) for n in range(1, 20)
    )
    + b"]><testsuite><testcase name='&t;'/></testsuite>"
)
CHANGED = {f"src/{name}.py": [1, 2, 3] for name in "abcdefgh"}


def cover(data: bytes) -> tuple[int, int] | None:
    return covered([data], CHANGED)


def find(data: bytes) -> int | None:
    done = ExecResult(exit_code=1, stdout=data, stderr=b"", truncated=False)
    return count_findings("lint", done)


PARSERS: dict[str, tuple[Callable[[bytes], object], tuple[bytes, ...]]] = {
    "report": (read, REPORTS),
    "coverage": (cover, (LCOV, COBERTURA)),
    "findings": (find, (FINDINGS,)),
}


@pytest.mark.parametrize("seed", REPORTS)
def test_a_seed_has_tests(seed: bytes) -> None:
    assert read(seed).tests


@examples(200)
@given(mutated(REPORTS))
@example(BOMB)
@example(b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>')
@example(b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/">%x;]><a/>')
@example(b"<a>" * 100_000)
@example(b"[" * 100_000)
@example(b'{"testResults": ' + b"[" * 980 + b"]" * 980 + b"}")
@example(b"\xff\xfe<\0a\0/\0>\0")
def test_a_broken_report_gives_a_bounded_one(data: bytes) -> None:
    report = read(data)
    check_is_bounded(report)
    assert not (report.note and report.tests)
    check_is_bounded(merge([report, read(NODE)]))


def test_an_entity_is_refused_however_small() -> None:
    report = read(
        b'<!DOCTYPE a [<!ENTITY a "ha">]><testsuite><testcase name="&a;"/></testsuite>'
    )
    assert "entity" in report.note


@examples(100)
@given(
    objects("name", "status", "message", "assertionResults"),
    objects("ancestorTitles", "title", "status", "failureMessages", "duration"),
    objects("file", "names", "message", "seconds"),
)
def test_any_values_in_the_fields_of_json(
    suite: dict[str, object], test: dict[str, object], node: dict[str, object]
) -> None:
    for document in (
        {"testResults": [suite, {"assertionResults": [test]}]},
        {"outcome": "failed", **node},
    ):
        check_is_bounded(read(as_json(document)))


@examples(60)
@given(mutated((LCOV, COBERTURA, *REPORTS)))
@example(b"SF:src/a.py\nDA:" + b"9" * 10_000 + b",1\n")
@example(b"SF:src/a.py\nDA:" + "\u00b2,\u0661".encode() + b"\n")
def test_a_broken_coverage_report_counts_known_lines_only(data: bytes) -> None:
    found = cover(data)
    assert found is None or 0 <= found[0] <= found[1] <= 3 * len(CHANGED)


@examples(60)
@given(mutated((FINDINGS,)))
@example(b"Found " + b"9" * 10_000 + b" errors")
def test_the_count_of_findings_is_bounded(data: bytes) -> None:
    found = find(data)
    assert found is None or 0 <= found < 10**9


@examples(50)
@given(st.sampled_from(["src/a.py", "a.py", "src/b.py"]), st.lists(JSON, max_size=3))
def test_a_path_is_found_by_its_end(path: str, noise: list[object]) -> None:
    data = as_json(noise).replace(b"\n", b"") + b"\nSF:%s\nDA:2,1\n" % path.encode()
    assert cover(data) == (1, 1)


@pytest.mark.parametrize("name", PARSERS)
@examples(8)
@given(data=st.data())
def test_work_grows_in_proportion(name: str, data: st.DataObject) -> None:
    parse, seeds = PARSERS[name]
    check_growth(parse, data.draw(repeated(seeds)), per_byte=200)


LARGE: dict[str, tuple[Callable[[bytes], object], Callable[[int], bytes]]] = {
    "junit with a long suite": (
        read,
        around(
            b'<testsuite name="LONG">',
            b'<testcase name="%d"/>',
            b"</testsuite>",
            long=b"x",
        ),
    ),
    "junit with many attributes": (
        read,
        around(b"<testcase", b' a%d=""', b"/>"),
    ),
    "junit with one long attribute": (
        read,
        around(b'<testcase name="', b"x", b'"/>'),
    ),
    "junit with a long comment": (read, around(b"<testsuite><!--", b"x", b"--><a/>")),
    "junit with much text": (
        read,
        around(b"<testcase><failure>", b"&lt;", b"</failure></testcase>"),
    ),
    "jest with a long file": (
        read,
        around(
            b'{"testResults":[{"name":"LONG","assertionResults":[',
            b'{"title":"%d","status":"passed"},',
            b"{}]}]}",
            long=b"x",
        ),
    ),
    "json that is broken in each line": (read, around(b"{\n", b"{\n")),
    "json with a long number": (read, around(b'{"testResults":', b"9", b"}")),
    "lcov with many files": (cover, around(b"", b"SF:x%d\nDA:1,1\n")),
    "findings with digits": (find, around(b"a:", b"1", b"x\n")),
    "findings with colons": (find, around(b"a:1", b"):", b"x\n")),
    "findings with escapes": (find, around(b"", b"\x1b[1;")),
}


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_report_takes_neither_long_nor_much_memory(shape: str) -> None:
    parse, build = LARGE[shape]
    # Copies of a long name are fast, one by one.
    size = 2**22 if shape.endswith(("suite", "file")) else 2**20
    check_large(parse, build, per_byte=200, size=size)


def test_many_changed_paths_are_looked_up_among_many_files() -> None:
    changed = {f"src/{number}.py": [1] for number in range(10_000)}
    build = around(b"", b"SF:x%d.py\nDA:1,1\n")
    check_large(lambda data: covered([data], changed), build, per_byte=200)
