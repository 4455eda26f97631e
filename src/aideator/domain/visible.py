"""Spell out the characters of foreign text that nobody would see.

A model reads Unicode's tags, zero-width characters and variation selectors as text; a
person sees nothing, or the letters around them in another order. Wherever text of an
agent or a repository is shown, such a character is written as `⟨U+200B⟩`. The page does
the same in `web/src/ui/visible-text.ts`.
"""

import functools
import json
import re
from collections.abc import Iterable
from typing import NamedTuple

from aideator.domain.characters import EMOJI, INVISIBLE, JOINING

_ASCII_CONTROLS = re.compile("[\0-\b\v-\x1f\x7f]")
_FIRST_ASTRAL, _LAST = 0x10000, 0x10FFFF


def visible_text(text: str) -> str:
    """Return a text whose invisible characters are spelled out; tabs and lines stay."""
    text = text.replace("\r\n", "\n")
    if text.isascii():
        return _ASCII_CONTROLS.sub(lambda found: spell_out(found[0]), text)
    return _patterns().suspicious.sub(_spell_out_if_invisible, text)


def visible_line(text: str) -> str:
    """Return a text as `visible_text` does, on one line."""
    return " ".join(visible_text(text).split())


def escape_json(document: str) -> str:
    """Return a JSON document of the same value whose invisible characters are escaped.

    Only its strings have any: a document on one line has no other white space.
    """
    patterns = _patterns()
    return patterns.suspicious.sub(
        lambda found: (
            json.dumps(found[0])[1:-1]
            if patterns.invisible.match(found[0])
            else found[0]
        ),
        document,
    )


def spell_out(character: str) -> str:
    """Return the notation of an invisible character, such as `⟨U+200B⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


class _Patterns(NamedTuple):
    suspicious: re.Pattern[str]
    """Invisible characters of the Basic Multilingual Plane, and all others beyond it.
    `re` looks the former up in a bitmap, but each range of the latter one by one."""
    invisible: re.Pattern[str]
    needed: re.Pattern[str]
    """What changes the shape of its visible neighbours: the selector after an emoji, of
    a keycap, and joiners within a sequence of emoji and between letters that need them.
    https://www.unicode.org/reports/tr51/#emoji_sequences"""


@functools.cache
def _patterns() -> _Patterns:
    """Compile the tables when text first needs them: it takes some milliseconds."""
    invisible, emoji, joining = map(_ranges, (INVISIBLE, EMOJI, JOINING))
    suspicious = [pair for pair in invisible if pair[0] < _FIRST_ASTRAL]
    suspicious.append((_FIRST_ASTRAL, _LAST))
    needed = (
        f"(?<={_class(emoji)})[\ufe0e\ufe0f]"
        "|(?<=[0-9#*])\ufe0f(?=\u20e3)"
        f"|(?:(?<={_class(emoji)})|(?<={_class(emoji)}\ufe0f))\u200d(?={_class(emoji)})"
        f"|(?<={_class(joining)})[\u200c\u200d](?={_class(joining)})"
    )
    return _Patterns(*map(re.compile, (_class(suspicious), _class(invisible), needed)))


def _ranges(table: str) -> list[tuple[int, int]]:
    """Return the first and the last code point of each range of a table."""
    ends = (word.partition("-") for word in table.split())
    return [(int(first, 16), int(last or first, 16)) for first, _, last in ends]


def _class(ranges: Iterable[tuple[int, int]]) -> str:
    """Return a regular expression's character class."""
    return "[" + "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges) + "]"


def _spell_out_if_invisible(found: re.Match[str]) -> str:
    patterns, text, place = _patterns(), found.string, found.start()
    if not patterns.invisible.match(text, place) or patterns.needed.match(text, place):
        return found[0]
    return spell_out(found[0])
