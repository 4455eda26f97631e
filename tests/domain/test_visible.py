"""No text hides a character from the person who reads it."""

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.domain.visible import spell_out, visible_line, visible_text

HIDDEN_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
SELECTORS = [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x1810)]
FILLERS = [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0]
ADDED_BY_UNICODE_15 = 0x0CF3
"""A letter that the data of Python 3.11 does not have."""

HIDDEN = [
    "\U000e0041",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u00ad",
    "\ufe0f",
    "\ufe0e",
    "\u202e",
    "\x1b",
    "\r",
    "\ud800",
    "\u2028",
]
VISIBLE = [
    "a",
    "1",
    " ",
    "\n",
    "\t",
    "é",
    "👩",
    "❤",
    "🏽",
    "\u20e3",
    "م",
    "क",
    "\u094d",
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(HIDDEN + VISIBLE), st.characters()), max_size=30
).map("".join)


def is_assigned_and_hidden(character: str) -> bool:
    if character in "\t\n":
        return False
    code = ord(character)
    is_ignorable = code in SELECTORS or code in FILLERS
    return is_ignorable or unicodedata.category(character) in HIDDEN_CATEGORIES


def test_every_character_of_unicode_is_seen_or_spelled_out() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        shown = visible_text(f"a{character}b")
        if is_assigned_and_hidden(character):
            assert shown == f"a⟨U+{code:04X}⟩b"
        elif unicodedata.category(character) != "Cn":
            assert shown == f"a{character}b"
        else:
            # Assigned since this Python's data, or by nobody.
            assert shown in (f"a{character}b", f"a⟨U+{code:04X}⟩b")


def test_what_unicode_has_not_assigned_is_spelled_out() -> None:
    for code in (0x378, 0xFFFE, 0x1FFFF, 0xE0000, 0xE0FFF):
        assert visible_text(chr(code)) == f"⟨U+{code:04X}⟩"
    assert visible_text(chr(ADDED_BY_UNICODE_15)) == chr(ADDED_BY_UNICODE_15)


@pytest.mark.parametrize(
    "text",
    [
        "👨‍👩‍👧",
        "❤️‍🔥 and ❤️",
        "👩🏽‍💻",
        "🏳️‍🌈",
        "1️⃣ #️⃣",
        "🇪🇺",
        "✔︎ ©️",
        "می‌خواهم",
        "क्‍ष and क्‌ष",
        "ශ්‍රී",
        "two\n\tlines",
        "größe 日本語 Ελληνικά עברית",
    ],
)
def test_text_that_people_write_stays_as_it_is(text: str) -> None:
    assert visible_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ig\u200bnore", "ig⟨U+200B⟩nore"),
        ("a\u200db", "a⟨U+200D⟩b"),
        ("a\ufe0f", "a⟨U+FE0F⟩"),
        ("1\ufe0f", "1⟨U+FE0F⟩"),
        ("👩\u200d", "👩⟨U+200D⟩"),
        ("👩\u200d\u200d👩", "👩⟨U+200D⟩⟨U+200D⟩👩"),
        ("❤\ufe0f\ufe0f", "❤\ufe0f⟨U+FE0F⟩"),
        ("م\u200c", "م⟨U+200C⟩"),
        ("م\u200c\u200cم", "م⟨U+200C⟩⟨U+200C⟩م"),
        ("🏴\U000e0067\U000e007f", "🏴⟨U+E0067⟩⟨U+E007F⟩"),
        ("葛\U000e0100", "葛⟨U+E0100⟩"),
        ("user\u202egnp.exe", "user⟨U+202E⟩gnp.exe"),
        ("one\r\ntwo\rthree", "one\ntwo⟨U+000D⟩three"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("\ud83d", "⟨U+D83D⟩"),
    ],
)
def test_what_hides_in_other_places_is_spelled_out(text: str, shown: str) -> None:
    assert visible_text(text) == shown


def test_a_message_in_tags_is_read_by_people_too() -> None:
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "rm -rf")
    shown = visible_line(f"Fix the bug.{hidden}\n")
    assert shown == "Fix the bug." + "".join(map(spell_out, hidden))


@given(TEXTS)
@example("❤\ufe0f\u200d🔥")
def test_spelling_out_again_changes_nothing(text: str) -> None:
    shown = visible_text(text)
    assert visible_text(shown) == shown


@given(TEXTS)
def test_nothing_is_lost_and_each_kept_joiner_has_visible_neighbours(text: str) -> None:
    shown = visible_text(text)
    restored = shown
    for character in {*text}:
        restored = restored.replace(spell_out(character), character)
    assert restored == text.replace("\r\n", "\n")
    kept = "\u200c\u200d\ufe0e\ufe0f"
    for place, character in enumerate(shown):
        if is_assigned_and_hidden(character):
            assert character in kept
            assert place > 0
            assert shown[place - 1] not in "\u200c\u200d\ufe0e"
