"""What a sandbox may do to a user's terminal, whatever it prints."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.visible import visible_text
from aideator.workbench.screen import Screen

PIECES = st.sampled_from(
    [
        b"text",
        b"\x1b",
        b"\x1b[",
        b"\x1b]",
        b"]52;c;",
        b"\x1bP",
        b"\x1b_",
        b"\x1b^",
        b"\x1bX",
        b"\x1b\\",
        b"\x07",
        b"\x9b",
        b"\xc2\x9b",
        b"\xc2\x9d0;x",
        b"6n",
        b"c",
        b">c",
        b"?1049h",
        b"31m",
        b"?25",
        b";",
        b"\x18",
        b"\x1a",
        b"\x05",
        b"0;title",
        b"\xe2\x80\xae",
        *(piece.encode() for piece in "👩❤1م\ufe0f\u20e3\u200d\u200c\U000e0041"),
        b"\xe6\x97",
        b"\xa5",
        b"\r\n",
        b"\x00",
        b"\x1b[21t",
        b"\x1b[5i",
        b"\x1b[?u",
        b"\x1bZ",
    ]
)
OUTPUT = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=25).map(b"".join))

HARMLESS = re.compile(
    r"[^\x00-\x1f\x7f-\x9f]|[\a\b\t\n\v\f\r]"
    r"|\x1b\[[\d;:]*[@A-MPSTXZ`abdefgmrsu]|\x1b\[\?[\d;]+[hl]|\x1b\[\d+ q"
    r"|\x1b[78DEHM=>]|\x1b[()*+][0AB]"
)
"""A second description of what may come out."""


@given(OUTPUT)
@example(b"\x1b]52;c;ZXZpbA==\x07after")
@example(b"\x1bP$q q\x1b\\after")
def test_nothing_comes_out_but_text_and_harmless_sequences(data: bytes) -> None:
    shown = Screen().feed(data)
    assert HARMLESS.sub("", shown) == ""
    for text in re.split("[\x00-\x1f]", shown):
        assert visible_text(text) == text


@given(OUTPUT, st.lists(st.integers(0, 60), max_size=6))
@example(b"\x1b[31mred", [2])
@example(b"\x1b(0q", [2])
@example(b"\x1b]0;title\x07after", [1, 2])
def test_it_does_not_matter_where_the_bytes_are_cut(
    data: bytes, cuts: list[int]
) -> None:
    screen, places = (
        Screen(),
        sorted({0, len(data), *(cut for cut in cuts if cut < len(data))}),
    )
    pieces = [screen.feed(data[start:end]) for start, end in pairwise(places)]
    assert "".join(pieces) == Screen().feed(data)


@given(st.text(st.characters(exclude_categories=["C"])))
def test_text_passes_as_it_is_but_for_what_nobody_would_see(text: str) -> None:
    assert Screen().feed(f"{text}.".encode()) == f"{visible_text(text)}."


def test_a_sequence_of_emoji_stays_whole_and_tags_are_spelled_out() -> None:
    shown = Screen().feed("👩‍👩‍👧 ❤️ \U000e0041\n".encode())
    assert shown == "👩‍👩‍👧 ❤️ ⟨U+E0041⟩\n"


@pytest.mark.parametrize(
    "harmless",
    [
        "\x1b[31;1mred\x1b[m",
        "\x1b[2J\x1b[H",
        "\x1b[10;20Hx",
        "\x1b[?1049h",
        "\x1b[?25l",
        "\x1b(0lqk\x1b(B",
        "\x1b[4 q",
        "\x1b7\x1b8",
    ],
)
def test_what_full_screen_programs_need_passes(harmless: str) -> None:
    assert Screen().feed(harmless.encode()) == harmless


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b]0;title\x07",
        "\x1b]8;;https://example.org\x1b\\",
        "\x1b]52;c;?\x07",
        "\x1b]11;?\x1b\\",
        "\x1b[c",
        "\x1b[>c",
        "\x1b[6n",
        "\x1b[?6n",
        "\x1b[x",
        "\x1b[21t",
        "\x1b[18t",
        "\x1b[5i",
        "\x1bZ",
        "\x05",
        "\x1bP+q544e\x1b\\",
        "\x1b[?u",
        "\x1b_Gi=31,s=1;AAAA\x1b\\",
        "\x1b^private\x1b\\",
        "\x1bXstring\x1b\\",
        "\x1b[?1004h",
        "\x1b[?69h",
        "\x1b[>4;2m",
        "\x1bc",
        "\x9d0;title\x9c",
        "\x9b6n",
        "\u202e",
        "\x0e",
        "\x1b[?1049$p",
        "\x1b[99999b",
    ],
)
def test_queries_strings_and_switches_are_dropped(hostile: str) -> None:
    shown = Screen().feed(f"before{hostile}after".encode())
    assert "\x1b" not in shown
    assert shown.startswith("before")
    assert shown.endswith("after")


def test_what_was_switched_on_is_switched_off_at_the_end() -> None:
    screen = Screen()
    screen.feed(b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[?2004l\x1b[?1;1000h")
    restored = screen.restore()
    assert set(re.findall(r"\x1b\[\?(\d+)([hl])", restored)) == {
        ("1", "l"),
        ("1000", "l"),
        ("1049", "l"),
        ("25", "h"),
    }
    assert Screen().feed(restored.encode()) == restored


def test_for_a_file_only_text_is_left() -> None:
    assert Screen(plain=True).feed(b"\x1b[31mred\x1b[m\x1b]0;x\x07\n") == "red\n"
    assert Screen(plain=True).restore() == ""
