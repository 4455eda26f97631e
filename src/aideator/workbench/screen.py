"""Filter a sandbox's output for the user's terminal.

It may show text, move the cursor, colour, scroll and switch screens, nothing else. A
terminal obeys whoever writes to it: it answers queries as if they were typed, and
strings (OSC, DCS and the like) set titles, links, even the clipboard. So this is a list
of what passes; all else is dropped, wherever the bytes are cut. The names of sequences
are those of https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

import codecs
import re

_TEXT = re.compile("[\\a\b\t\n\v\f\r -~\u00a0-\u2029\u202f-\u2065\u206a-\U0010ffff]+")
"""All but control characters, and what reverses the direction of writing (U+202A–202E,
U+2066–2069)."""
_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<parameters>[0-?]{0,64})(?P<between>[ -/]{0,2})(?P<final>[@-~])"
    r"|(?P<string>[]PX^_])|(?P<simple>[ -/]{1,2}[0-~]|[0-OQ-WYZ\\`-~]))"
)
_INCOMPLETE = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,2}|[ -/]{0,2})?\Z")
_STRING_END = re.compile("[\a\x18\x1a\x1b\x9c]")
_NUMBERS = re.compile(r"\d{0,4}(?:[;:]\d{0,4})*")
_PLAIN_FINALS = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefgmrsu")
"""Cursor, erasing, inserting, scrolling, tab stops, colour. Not here: c, n, x
(queries), i (printer), t (window)."""
_MODES = frozenset(
    map(
        str, (1, 6, 7, 12, 25, 47, 1000, 1002, 1003, 1006, 1047, 1048, 1049, 2004, 2026)
    )
)
"""Private modes: cursor keys, origin, wrapping, cursor, other screen, mouse, pasting,
synchronised output."""
_INITIALLY_ON = frozenset({"7", "25"})
_CHARACTER_SETS = frozenset(
    {"(0", "(A", "(B", ")0", ")A", ")B", "*0", "*A", "*B", "+0", "+A", "+B"}
)
_SIMPLE = frozenset("78DEHM=>") | _CHARACTER_SETS


class ScreenFilter:
    """Passes on what is harmless, and knows which modes to restore at the end."""

    def __init__(self, *, plain: bool = False) -> None:
        """Start with a terminal in its initial modes.

        Args:
            plain: Pass text only, as for a file.
        """
        self._plain = plain
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        """The beginning of a sequence whose rest has not arrived."""
        self._in_string = False
        self._changed: set[str] = set()

    def feed(self, data: bytes) -> str:
        """Return what of the next piece of output may be shown."""
        text = self._held + self._decoder.decode(data)
        self._held = ""
        at, shown = 0, list[str]()
        while at < len(text):
            if self._in_string:
                at = self._skip_string(text, at)
                continue
            passed, at = self._next(text, at)
            shown.append(passed)
        return "".join(shown)

    def _next(self, text: str, at: int) -> tuple[str, int]:
        """Return what passes of the text or sequence at a place, and where it ends."""
        if found := _TEXT.match(text, at):
            return found[0], found.end()
        if found := _SEQUENCE.match(text, at):
            self._in_string = found["string"] is not None
            passes = self._may_pass(found) and not self._plain
            return found[0] if passes else "", found.end()
        if _INCOMPLETE.match(text, at):
            self._held = text[at:]
            return "", len(text)
        return "", at + 1

    def _skip_string(self, text: str, at: int) -> int:
        """Return the place behind a string, or the text's end while it goes on."""
        end = _STRING_END.search(text, at)
        self._in_string = end is None
        if end is None:
            return len(text)
        # An escape ends the string and begins the next sequence.
        return end.start() if end[0] == "\x1b" else end.end()

    def restore(self) -> str:
        """Return what brings the user's terminal back to its initial modes."""
        if self._plain:
            return ""
        modes = "".join(
            f"\x1b[?{mode}{'h' if mode in _INITIALLY_ON else 'l'}"
            for mode in sorted(self._changed)
        )
        return f"{modes}\x1b[m\x1b(B\x1b>"

    def _may_pass(self, found: re.Match[str]) -> bool:
        if found["simple"] is not None:
            return found["simple"] in _SIMPLE
        if found["string"] is not None:
            return False
        parameters, between, final = (
            found["parameters"],
            found["between"],
            found["final"],
        )
        if between:
            is_cursor_shape = between + final == " q"
            return is_cursor_shape and parameters.isdecimal()
        if parameters.startswith("?") and final in "hl":
            return self._switch(parameters[1:].split(";"), on=final == "h")
        return final in _PLAIN_FINALS and _NUMBERS.fullmatch(parameters) is not None

    def _switch(self, modes: list[str], *, on: bool) -> bool:
        """Note a switch of modes, and return whether all of them may be switched."""
        if not _MODES.issuperset(modes):
            return False
        for mode in modes:
            if on == (mode in _INITIALLY_ON):
                self._changed.discard(mode)
            else:
                self._changed.add(mode)
        return True
