"""Blank the real key out of a provider's answers, however they are cut up.

No provider is known to send a key back; a proxy before it that echoes a request into an
error message might. Found is the key as it is, with any of its characters written as a
JSON escape, percent-encoded or as an HTML entity, in base64 at each of the three
alignments, in hexadecimal and reversed; also where a stream cuts it into two pieces of
text. SECURITY.md says what is not found.

Almost no text contains any of it. Each form has a cheap test for what it cannot do
without, and its pattern is tried only where that is found.
"""

import base64
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

LONG_KEY = 16
"""Bytes of a key from which on it is looked for in other forms than its own. Those of a
shorter one would be found in ordinary text."""

_UNCUT = 3
"""Characters of a key that must stand together before a cut. Of a first piece that is
shorter, so much comes out."""

_GAP = re.compile(
    rb'"[^"\\\n]{0,60}\}{1,3}\r?\n\r?\n(?:event:[^\n]{0,60}\r?\n)?'
    rb'data:[^\n]{0,240}?"(?:text|thinking|partial_json|signature)" ?: ?"'
)
"""From the end of one piece of text in a stream of events to the beginning of the
next."""
_GAP_BYTES_MAX = 400
_PART_OF_GAP = re.compile(rb'"[^"\\\n]{0,60}(?:\}[\s\S]{0,%d})?' % _GAP_BYTES_MAX)

_PART_OF_ESCAPE = (
    rb"\\{1,4}(?:u(?:0(?:0[0-9A-Fa-f]?)?)?)?|%(?:25){0,2}[0-9A-Fa-f]?"
    rb"|&(?:#(?:[0-9]{0,6}|x[0-9A-Fa-f]{0,6}))?"
)
_BYTES_OF_CHARACTER = 12
"""Bytes of one character that is written as an escape, at most."""


class _Form:
    """One way to write the key.

    Args:
        characters: A pattern for each of its characters.
        sign: Returns whether a text has what this form cannot do without.
        part: Pattern of what a character may begin with.
        skipped: Characters at the beginning that may be missing.
    """

    def __init__(
        self,
        characters: Sequence[bytes],
        sign: Callable[[bytes], object],
        *,
        part: bytes = rb"(?!)",
        skipped: int = 0,
    ) -> None:
        self.sign = sign
        first, rest = characters[:skipped], characters[skipped:]
        pattern = b"".join([*(rb"(?:%s)?" % one for one in first), *rest])
        self.whole = re.compile(pattern)
        self.named = re.compile(pattern, re.IGNORECASE)
        begun = rb"(?!)"
        for index in reversed(range(len(characters))):
            one = rb"(?:%s)\Z|%s(?:\Z|%s)" % (part, characters[index], begun)
            begun = rb"(?:%s|%s)" % (one, begun) if index < skipped else b"(?:%s)" % one
        self.begun = re.compile(begun)


class Redaction:
    """Finds one key. An empty key is found nowhere."""

    def __init__(self, key: bytes) -> None:
        self._forms = [*_forms(key)] if key else []
        self._key = key
        self._most = _BYTES_OF_CHARACTER * len(key)
        self._may_be_cut = len(key) >= LONG_KEY

    def blank(self, text: bytes) -> bytes:
        """Return a text of the same length without the key."""
        for form in self._forms:
            if form.sign(text):
                text = form.whole.sub(_stars, text)
        if self._may_be_cut and self._key[:_UNCUT] in text:
            text = self._blank_cut(text)
        return text

    def names_it(self, header: bytes) -> bool:
        """Return whether the name of a header contains the key."""
        return any(form.named.search(header) for form in self._forms)

    async def blank_stream(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Blank the key out of a stream, also across chunks.

        What may become the key is held back. The length stays the same, so that
        `content-length` stays right.
        """
        held = b""
        async for chunk in chunks:
            text = self.blank(held + chunk)
            safe = self._safe(text)
            held = text[safe:]
            if safe:
                yield text[:safe]
        if held:
            yield held

    def _safe(self, text: bytes) -> int:
        """Return how much of a text comes before what may become the key."""
        # Neither a line end nor a quotation mark is part of a key.
        line = max(text.rfind(b"\n"), text.rfind(b'"')) + 1
        line = max(line, len(text) - self._most)
        cut = len(text)
        if line < cut:
            cut = min(_begin(form.begun, text, line) for form in self._forms)
        if self._may_be_cut:
            cut = min(cut, self._cut_begins(text))
        return cut

    def _blank_cut(self, text: bytes) -> bytes:
        """Blank a key that is cut by gaps, and leave the gaps."""
        places: list[int] = []
        at = 0
        for gap in _GAP.finditer(text):
            places += range(at, gap.start())
            at = gap.end()
        if not at:
            return text
        places += range(at, len(text))
        blanked = bytearray(text)
        joined = bytes(text[place] for place in places)
        for found in re.finditer(re.escape(self._key), joined):
            for place in places[found.start() : found.end()]:
                blanked[place] = ord("*")
        return bytes(blanked)

    def _cut_begins(self, text: bytes) -> int:
        """Return where a key begins that the next event may continue."""
        begins = self._key[:_UNCUT]
        at = text.find(begins, max(0, len(text) - self._most - _GAP_BYTES_MAX))
        while at >= 0:
            joined = _GAP.sub(b"", text[at:])
            piece, quote, rest = joined.partition(b'"')
            ends = not quote or _PART_OF_GAP.fullmatch(quote + rest)
            if ends and self._key.startswith(piece):
                return at
            at = text.find(begins, at + 1)
        return len(text)


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _begin(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.search(text, start)
    return len(text) if found is None else found.start()


def _forms(key: bytes) -> Iterator[_Form]:
    plain = [re.escape(bytes([byte])) for byte in key]
    if len(key) < LONG_KEY:
        yield _Form(plain, _holding(key))
        return
    signs = (b"\\u00", b"\\/", b"%", b"&#")
    yield _Form(
        [_escaped(byte) for byte in key],
        lambda text: any(sign in text for sign in signs),
        part=_PART_OF_ESCAPE,
    )
    rest = key[_UNCUT - 1 :]
    yield _Form(plain, _holding(rest), skipped=_UNCUT - 1)
    yield _Form(plain[::-1], _holding(key[::-1]))
    yield _Form(
        [_pair(key[0]), *(rb"[ :-]?" + _pair(byte) for byte in key[1:])],
        re.compile(_pair(key[0]) + rb"[ :-]?" + _pair(key[1])).search,
        part=rb"[ :-]?[0-9A-Fa-f]?",
    )
    for before in range(3):
        core = _core(key, before)
        sign = max(re.split(rb"[+/]", core), key=len)
        yield _Form(
            [_sixtyfour(char) for char in core],
            _holding(sign),
            part=rb"\\",
        )


def _holding(part: bytes) -> Callable[[bytes], bool]:
    return lambda text: part in text


def _escaped(byte: int) -> bytes:
    """Return a pattern of the ways to write one character of a key."""
    itself, pair = re.escape(bytes([byte])), _pair(byte)
    slash = rb"|\\/" if byte == ord("/") else b""
    return rb"(?:%s%s|\\{1,4}u00%s|%%(?:25){0,2}%s|&#(?:0{0,4}%d|x0{0,4}%s);)" % (
        *(itself, slash, pair, pair, byte, pair),
    )


def _pair(byte: int) -> bytes:
    """Return a pattern of a byte in hexadecimal."""
    digits = [bytes([digit]) for digit in b"%02x" % byte]
    return b"".join(
        digit if digit.isdigit() else rb"[%s%s]" % (digit, digit.upper())
        for digit in digits
    )


def _core(key: bytes, before: int) -> bytes:
    """Return those characters of the key's base64 that its neighbours do not change.

    Args:
        key: The key.
        before: Bytes that stand before it in its group of three.
    """
    first, end = -(-8 * before // 6), 8 * (before + len(key)) // 6
    return base64.b64encode(bytes(before) + key)[first:end]


def _sixtyfour(char: int) -> bytes:
    match bytes([char]):
        case b"+":
            return rb"[-+]"
        case b"/":
            return rb"(?:\\?/|_)"
        case letter:
            return letter
