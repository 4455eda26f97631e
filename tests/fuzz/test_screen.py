"""Terminal output of a sandbox, on its way to the user's terminal.

What passes is on a list; a sequence is held back for 68 characters at most, and what
comes out is never much longer than what went in.
"""

from collections.abc import Callable

import pytest
from hypothesis import given

from aideator.workbench.screen import Screen
from tests.fuzz.strategies import around, examples, mutated, repeated
from tests.fuzz.test_gateway import PLACES, cut
from tests.fuzz.work import check_growth, check_large
from tests.workbench.test_screen import HARMLESS

SESSION = (
    b"\x1b[?1049h\x1b[2J\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b[6n\x1bP$qm\x1b\\"
    b"\x1b[?25l\x1b(B\x1b[4 q\x1b]52;c;aGk=\x1b\\\xe2\x80\xaeabc\xc2\x9b31m\r\n\x1b[>c"
    b"\x1b[8;99;99t\x1b[38;2;1;2;3mcolour\x1b[?1049l\xe6\x97\xa5\x1b[21t\x05"
)
SPELLED_OUT = 12
"""Characters that one invisible character may become."""


def show(chunks: list[bytes]) -> str:
    screen = Screen()
    return "".join(map(screen.feed, chunks)) + screen.restore()


@examples(200)
@given(mutated([SESSION]), PLACES)
def test_only_harmless_output_passes_however_it_is_cut(
    data: bytes, places: list[int]
) -> None:
    shown = show(cut(data, places))
    assert HARMLESS.sub("", shown) == ""
    assert len(shown) <= SPELLED_OUT * len(data) + 500
    plain = Screen(plain=True)
    assert "\x1b" not in plain.feed(data)
    assert plain.restore() == ""


@examples(15)
@given(repeated([SESSION]))
def test_work_grows_in_proportion(build: Callable[[int], bytes]) -> None:
    check_growth(lambda data: show([data]), build, per_byte=200)


LARGE = {
    "escapes": around(b"", b"\x1b"),
    "parameters": around(b"\x1b[", b"1;"),
    "a string without an end": around(b"\x1b]", b"x"),
    "strings": around(b"", b"\x1b]0;"),
    "modes": around(b"", b"\x1b[?25h"),
    "controls": around(b"", b"\xc2\x9b"),
}


@pytest.mark.parametrize("shape", LARGE)
@pytest.mark.parametrize("size", [2**30, 100])
def test_a_large_output_takes_neither_long_nor_much_memory(
    shape: str, size: int
) -> None:
    def parse(data: bytes) -> str:
        return show([data[at : at + size] for at in range(0, len(data), size)])

    check_large(parse, LARGE[shape], per_byte=200, size=2**18)
