"""What a sandbox's terminal may do to the user's: show text, move the cursor, colour, scroll, switch screens. No more.

A terminal obeys whoever writes to it: it answers queries as if they were typed, and
strings (OSC, DCS and the like) set titles, links, even the clipboard. So this is a list
of what passes; all else is dropped, wherever the bytes are cut. The names of sequences
are those of https://invisible-island.net/xterm/ctlseqs/ctlseqs.html.
"""

import codecs
import re

_TEXT = re.compile("[\\a\b\t\n\v\f\r -~\u00a0-\u2029\u202f-\u2065\u206a-\U0010ffff]+")
"""All but control characters, and what turns the direction of writing around
(U+202A–202E, U+2066–2069)."""
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
_MODES = frozenset(
    map(
        str, (1, 6, 7, 12, 25, 47, 1000, 1002, 1003, 1006, 1047, 1048, 1049, 2004, 2026)
    )
)
"""Private modes: cursor keys, origin, wrapping, cursor, other screen, mouse, pasting,
synchronised output."""
_ON_AT_FIRST = frozenset({"7", "25"})
_SIMPLE = frozenset(
    {
        "7",
        "8",
        "D",
        "E",
        "H",
        "M",
        "=",
        ">",
        *(f"{set_}{what}" for set_ in "()*+" for what in "0AB"),
    }
)


class Screen:
    """Lets through what may pass, piece by piece, and knows what has to be undone at the end."""

    def __init__(self, *, plain: bool = False) -> None:
        """Begin.

        Args:
            plain: Let through text alone, as for a file.
        """
        self._plain = plain
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held, self._in_string = "", False
        self._changed: set[str] = set()

    def feed(self, data: bytes) -> str:
        """What of this piece may be shown."""
        text, at, shown = self._held + self._decoder.decode(data), 0, list[str]()
        self._held = ""
        while at < len(text):
            if self._in_string:
                end = _STRING_END.search(text, at)
                at = (
                    len(text)
                    if end is None
                    else end.start()
                    if end[0] == "\x1b"
                    else end.end()
                )
                self._in_string = end is None
            elif found := _TEXT.match(text, at):
                shown.append(found[0])
                at = found.end()
            elif found := _SEQUENCE.match(text, at):
                self._in_string = found["string"] is not None
                shown.append(
                    found[0] if self._may_pass(found) and not self._plain else ""
                )
                at = found.end()
            elif _BEGUN.match(text, at):
                self._held, at = text[at:], len(text)
            else:
                at += 1
        return "".join(shown)

    def restore(self) -> str:
        """What brings the user's terminal back to where it was."""
        modes = "".join(
            f"\x1b[?{mode}{'h' if mode in _ON_AT_FIRST else 'l'}"
            for mode in sorted(self._changed)
        )
        return "" if self._plain else f"{modes}\x1b[m\x1b(B\x1b>"

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
            return (
                between + final == " q" and parameters.isdecimal()
            )  # the cursor's shape
        if parameters.startswith("?") and final in "hl":
            return self._switch(parameters[1:].split(";"), on=final == "h")
        return final in _PLAIN_FINALS and _NUMBERS.fullmatch(parameters) is not None

    def _switch(self, modes: list[str], *, on: bool) -> bool:
        if not _MODES.issuperset(modes):
            return False
        for mode in modes:
            (
                self._changed.discard
                if on == (mode in _ON_AT_FIRST)
                else self._changed.add
            )(mode)
        return True
