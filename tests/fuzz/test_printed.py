"""What test runners print: unittest, cargo, nextest, go, TAP.

At most `MAX_TESTS` tests come of a text, each with texts of bounded length; a reader
raises nothing.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.checks import printed
from aideator.checks.reports import MAX_TESTS, MESSAGE, NAME, Report
from aideator.domain.check import TestResult
from tests.fuzz.strategies import (
    JSON,
    around,
    as_json,
    examples,
    mutated,
    objects,
    repeated,
)
from tests.fuzz.work import check_growth, check_large

RECORDED = Path(__file__).parents[1] / "checks" / "recorded"
GO, CARGO, UNITTEST = (
    (RECORDED / name).read_bytes() for name in ("go.jsonl", "cargo.txt", "unittest.txt")
)
NEXTEST = b"""    Starting 3 tests across 2 binaries
        PASS [   0.004s] (1/3) demo tests::adds
        FAIL [   0.005s] (2/3) demo::it tests::with space
        SKIP [         ] demo tests::later
     Summary [   0.010s] 3 tests run: 1 passed, 1 failed, 1 skipped
"""
TAP = b"""TAP version 14
1..4
ok 1 - adds
not ok 2 - divides # TODO later
  ---
  message: division by zero
  ...
    # Subtest: inner
    ok 1 - deep
    not ok 2
    1..2
not ok 3 - inner
ok 4 # SKIP no network
"""
READERS = {
    "unittest": (printed.unittest, UNITTEST),
    "libtest": (printed.libtest, CARGO),
    "nextest": (printed.nextest, NEXTEST),
    "go": (printed.go, GO),
    "tap": (printed.tap, TAP),
    "recognise": (printed.recognise, TAP),
}
SEEDS = [seed for _, seed in READERS.values()]
reader = pytest.mark.parametrize("name", READERS)


def read(name: str, data: bytes) -> Report:
    return READERS[name][0](data.decode(errors="replace"))


def check_is_bounded(report: Report) -> None:
    assert len(report.tests) <= MAX_TESTS
    assert len(report.note) <= MESSAGE
    for test in report.tests:
        assert len(test.test) <= NAME
        assert len(test.file) <= NAME
        assert len(test.message) <= 2 * MESSAGE
        assert TestResult.model_validate_json(test.model_dump_json()) == test


@reader
def test_a_seed_has_tests(name: str) -> None:
    assert read(name, READERS[name][1]).tests


@reader
@examples(40)
@given(mutated(SEEDS))
@example(b'{"Action": []}\n{"Action": {}, "Test": [1], "Package": {"a": 1}}')
@example(b'{"Action": "pass", "Test": "a", "Elapsed": NaN}')
@example(b'{"Action": "pass", "Test": "a", "Elapsed": ' + b"9" * 4_000 + b"}")
@example(b'{"Action": "pass", "Test": "a", "Elapsed": -Infinity}')
def test_a_broken_text_gives_a_bounded_report(name: str, data: bytes) -> None:
    check_is_bounded(read(name, data))


@examples(100)
@given(
    st.lists(
        objects("Action", "Test", "Package", "Elapsed", "Output", "ImportPath")
        | st.fixed_dictionaries(
            {"Action": st.sampled_from(["pass", "fail", "skip", "output"])},
            optional=dict.fromkeys(("Test", "Package", "Elapsed", "Output"), JSON),
        ),
        max_size=6,
    )
)
def test_any_values_in_the_events_of_go(events: list[dict[str, object]]) -> None:
    text = b"\n".join(map(as_json, events)).decode()
    check_is_bounded(printed.go(text))
    assert len(printed.go_output(text)) <= len(text) + 1


@reader
@examples(6)
@given(data=st.data())
def test_work_grows_in_proportion(name: str, data: st.DataObject) -> None:
    build = data.draw(repeated([READERS[name][1]]))
    check_growth(lambda text: read(name, text), build, per_byte=200)


RAN = b"\nRan 1 test in 1s\n"
LARGE: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "unittest with a long name": (
        "unittest",
        around(b"LONG (a.B)\n", b"a (a.B%d) ... ok\n", RAN, long=b"a"),
    ),
    "unittest with spaces": ("unittest", around(b"a (b)", b" ok", b"x\n" + RAN)),
    "unittest with dots": ("unittest", around(b"a (b)", b"... ", b"\n" + RAN)),
    "unittest with blocks": (
        "unittest",
        around(b"", b"=" * 70 + b"\nFAIL: a (b.C%d)\nx\n", RAN),
    ),
    "libtest with a long binary": (
        "libtest",
        around(
            b"     Running LONG (x)\n",
            b"test %d ... ok\n",
            b"\ntest result: ",
            long=b"x",
        ),
    ),
    "libtest with a name of its own marks": (
        "libtest",
        around(b"\ntest result: \ntest a", b" ... o", b"\n"),
    ),
    "nextest with brackets": (
        "nextest",
        around(b" Summary [\n    FLAKY ", b"[ ] (", b"\n"),
    ),
    "go with much output": (
        "go",
        around(b"", b'{"Action":"output","Test":"a","Output":"LONG"}\n'),
    ),
    "go with slashes": (
        "go",
        around(b'{"Action":"pass","Test":"', b"a/", b'"}\n'),
    ),
    "tap with a long name above many": (
        "tap",
        around(b"1..1\n", b"    ok %d\n", b"ok LONG\n", long=b"x"),
    ),
    "tap that goes deeper": ("tap", lambda n: _deeper(n)),
    "tap with hashes": ("tap", around(b"1..1\nok 1 ", b"# ", b"\n")),
    "tap with spaces": ("tap", around(b"1..1\nok", b"  ", b"x\n")),
}


def _deeper(times: int) -> bytes:
    lines = [b" " * 4 * (depth % 19) + b"ok\n" for depth in range(times, 0, -1)]
    return b"1..1\n" + b"".join(lines)


@pytest.mark.parametrize("shape", LARGE)
def test_a_large_text_takes_neither_long_nor_much_memory(shape: str) -> None:
    name, build = LARGE[shape]
    check_large(lambda text: read(name, text), build, per_byte=200)
