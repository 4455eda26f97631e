"""Filter a sandbox's terminal output for the user's terminal.

It may show text, move the cursor, colour, scroll and switch screens; no more. A
terminal obeys whatever is written to it: it answers queries as if the answer were
typed, and strings (OSC, DCS and the like) set titles, links, even the clipboard. So
this is a list of what passes, wherever the bytes are cut: all other sequences are
dropped, and invisible characters spelled out. The names of sequences are those of
https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

import codecs
import re
from itertools import product

from aideator.domain.visible import visible_text

_MOVES = re.compile("[\\a\b\t\n\v\f\r]+")
_TEXT = re.compile("[ -~\u00a0-\U0010ffff]+")
_OPEN = re.compile("[\u200c\u200d\ufe0f]\\Z")
"""Whether these are spelled out depends on the next character."""
_CONTEXT = 2
"""Characters before a piece of text that decide how it is shown."""
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<parameters>[0-?]{0,64})(?P<between>[ -/]{0,2})(?P<final>[@-~])"
    r"|(?P<string>[]PX^_])|(?P<simple>[ -/]{1,2}[0-~]|[0-OQ-WYZ\\`-~]))"
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,2}|[ -/]{0,2})?\Z")
_STRING_END = re.compile("[\a\x18\x1a\x1b\x9c]")
_NUMBERS = re.compile(r"\d{0,4}(?:[;:]\d{0,4})*")
_PLAIN_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu")
"""Cursor, erasing, inserting, scrolling, tab stops, colour. Not here: c, n, x
(queries), i (printer), t (window)."""
_MODES = (1, 6, 7, 12, 25, 47, 1000, 1002, 1003, 1006, 1047, 1048, 1049, 2004, 2026)
"""Private modes: cursor keys, origin, wrapping, cursor, other screen, mouse, pasting,
synchronised output."""
_MODE_NAMES = frozenset(map(str, _MODES))
_ON_AT_FIRST = frozenset({"7", "25"})
_CHARACTER_SETS = frozenset(map("".join, product("()*+", "0AB")))
_SIMPLE = frozenset("78DEHM=>") | _CHARACTER_SETS


class Screen:
    """Filters output piece by piece, and knows what must be undone at the end."""

    def __init__(self, *, plain: bool = False) -> None:
        """Start outside of any sequence.

        Args:
            plain: Let only text pass, as for a file.
        """
        self._plain = plain
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        """The beginning of a sequence, whose rest is still to come."""
        self._in_string = False
        self._before = ""
        """The end of the text that was shown last, unless something stood after it."""
        self._changed: set[str] = set()

    def feed(self, data: bytes) -> str:
        """Return the part of some output that may be shown."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        at, shown = 0, list[str]()
        while at < len(text):
            piece, at = self._next(text, at)
            shown.append(piece)
        return "".join(shown)

    def restore(self) -> str:
        """Return what brings the user's terminal back to its state before."""
        if self._plain:
            return ""
        modes = "".join(
            f"\x1b[?{mode}{'h' if mode in _ON_AT_FIRST else 'l'}"
            for mode in sorted(self._changed)
        )
        return f"{modes}\x1b[m\x1b(B\x1b>"

    def _next(self, text: str, at: int) -> tuple[str, int]:
        """Return what may be shown of the next element, and where the element ends."""
        if self._in_string:
            return "", self._skip_string(text, at)
        if found := _TEXT.match(text, at):
            return self._show(found, is_last=found.end() == len(text)), found.end()
        self._before = ""
        if found := _MOVES.match(text, at):
            return found[0], found.end()
        if found := _SEQUENCE.match(text, at):
            self._in_string = found["string"] is not None
            passes = self._may_pass(found) and not self._plain
            return found[0] if passes else "", found.end()
        if _BEGUN.match(text, at):
            self._held = text[at:]
            return "", len(text)
        return "", at + 1

    def _show(self, found: re.Match[str], *, is_last: bool) -> str:
        """Return text spelled out. Hold its end back where the next piece decides."""
        text = found[0]
        if is_last and _OPEN.search(text):
            self._held, text = text[-1], text[:-1]
        shown = visible_text(self._before + text).removeprefix(self._before)
        end = (self._before + text)[-_CONTEXT:]
        self._before = end if visible_text(end) == end else end[-1:]
        if visible_text(self._before) != self._before:
            self._before = ""
        return shown

    def _skip_string(self, text: str, at: int) -> int:
        """Return where a string (OSC, DCS, …) ends, or the end of the text."""
        end = _STRING_END.search(text, at)
        if end is None:
            return len(text)
        self._in_string = False
        # ESC also begins the next sequence, usually the string's terminator `ESC \\`.
        return end.start() if end[0] == "\x1b" else end.end()

    def _may_pass(self, found: re.Match[str]) -> bool:
        if found["simple"] is not None:
            return found["simple"] in _SIMPLE
        if found["string"] is not None:
            return False
        parameters, final = found["parameters"], found["final"]
        if found["between"]:
            # Only the cursor's shape.
            return found["between"] + final == " q" and parameters.isdecimal()
        if parameters.startswith("?") and final in "hl":
            return self._switch(parameters[1:].split(";"), on=final == "h")
        return final in _PLAIN_FINALS and _NUMBERS.fullmatch(parameters) is not None

    def _switch(self, modes: list[str], *, on: bool) -> bool:
        """Record changed modes. False if one of them may not be changed."""
        if not _MODE_NAMES.issuperset(modes):
            return False
        for mode in modes:
            if on == (mode in _ON_AT_FIRST):
                self._changed.discard(mode)
            else:
                self._changed.add(mode)
        return True
