"""Parse patches into files and hunks, for `GET …/diff`.

The parser accepts only what `patch.extract` makes: git's own format
(Documentation/diff-generate-patch.txt) without renames. File names may contain any byte
but NUL, so quoting, binary patches and form feeds are handled exactly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

_HEADER = b"diff --git "
_EXTENDED_HEADERS = (
    "old mode",
    "new mode",
    "new file mode",
    "deleted file mode",
    "index",
)
_HUNK = re.compile(
    rb"@@ -(\d{1,10})(?:,(\d{1,10}))? \+(\d{1,10})(?:,(\d{1,10}))? @@ ?(.*)"
)
"""git counts lines in 32 bits."""
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2}|.)", re.DOTALL)
_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


@dataclass(frozen=True)
class DiffLine:
    """One line of a hunk."""

    kind: Literal["context", "added", "removed"]
    text: str
    """The line without its line feed; bytes that are not UTF-8 as `\\xNN`."""
    newline: bool = True
    """False for a last line without a line feed."""


@dataclass(frozen=True)
class Hunk:
    """Changed lines with their context. Line numbers start at 1."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    heading: str
    """The function or section that contains the hunk, as git determined it."""
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True)
class FileDiff:
    """The change of one file.

    A change of type, such as a file that becomes a link, is a removal and an addition.
    """

    path: str
    status: Literal["added", "removed", "modified"]
    binary: bool
    old_mode: str | None
    """Octal, such as 100755; null for an added file."""
    new_mode: str | None
    """Null for a removed file."""
    hunks: tuple[Hunk, ...]
    renamed_from: str | None = None
    """Where an added file was before, if it was renamed."""
    renamed_to: str | None = None
    """Where a removed file is now, if it was renamed."""
    rename_hunks: tuple[Hunk, ...] = ()
    """For a file with `renamed_from`: what has changed in it besides its name."""


def parse(patch: bytes) -> list[FileDiff]:
    """Parse the output of `git diff --binary --no-renames --full-index`.

    Anything else gives an empty list.
    """
    return [file for file, _ in parse_with_lines(patch)]


def parse_with_lines(patch: bytes) -> Iterator[tuple[FileDiff, list[bytes]]]:
    """Yield each file of a patch with its lines of the patch, without line feeds.

    Lines end with a line feed only: a carriage return or a form feed is part of a line.
    """
    lines = patch.removesuffix(b"\n").split(b"\n")
    for start, end in pairwise([*_file_starts(lines), len(lines)]):
        yield _file(lines[start:end]), lines[start:end]


def _file_starts(lines: list[bytes]) -> Iterator[int]:
    # Lines of a hunk begin with ' ', '+', '-' or '\\', and lines of a binary patch
    # contain no space, so none looks like a header.
    return (number for number, line in enumerate(lines) if line.startswith(_HEADER))


def _file(lines: list[bytes]) -> FileDiff:
    """Parse the lines of one file: header, extended header lines, then hunks."""
    body = _body_start(lines)
    headers = dict(_extended_headers(lines[1:body]))
    status, old_mode, new_mode = _status_and_modes(headers)
    return FileDiff(
        path=_path(lines[0].removeprefix(_HEADER)),
        status=status,
        binary=body < len(lines) and not lines[body].startswith(b"@@ "),
        old_mode=old_mode,
        new_mode=new_mode,
        hunks=tuple(_hunks(lines[body:])),
    )


def _body_start(lines: list[bytes]) -> int:
    for number, line in enumerate(lines):
        if line.startswith((b"@@ ", b"GIT binary", b"Binary ")):
            return number
    return len(lines)


def _extended_headers(lines: list[bytes]) -> Iterator[tuple[str, str]]:
    for line in lines:
        for name in _EXTENDED_HEADERS:
            if line.startswith(name.encode() + b" "):
                yield name, line[len(name) + 1 :].decode(errors="replace")


def _status_and_modes(
    headers: dict[str, str],
) -> tuple[Literal["added", "removed", "modified"], str | None, str | None]:
    """Return the file's status, old mode and new mode."""
    if "new file mode" in headers:
        return "added", None, headers["new file mode"]
    if "deleted file mode" in headers:
        return "removed", headers["deleted file mode"], None
    # An unchanged mode stands behind the hashes: `index OLD..NEW MODE`.
    same = headers.get("index", "").partition(" ")[2] or None
    return "modified", headers.get("old mode", same), headers.get("new mode", same)


def _hunks(lines: list[bytes]) -> Iterator[Hunk]:
    position = 0
    while position < len(lines):
        found = _HUNK.match(lines[position])
        position += 1
        if not found:
            continue
        old_start, old_lines, new_start, new_lines = (
            int(n) if n is not None else 1 for n in found.groups()[:4]
        )
        rows, position = _rows(lines, position, old_lines, new_lines)
        yield Hunk(
            old_start, old_lines, new_start, new_lines, _text(found[5]), tuple(rows)
        )


def _rows(
    lines: list[bytes], position: int, old: int, new: int
) -> tuple[list[DiffLine], int]:
    """Parse the lines of a hunk until its counts of old and new lines are used up.

    Returns:
        The lines, and the position after them.
    """
    rows: list[DiffLine] = []
    while position < len(lines):
        mark, text = lines[position][:1], _text(lines[position][1:])
        if mark == b"\\" and rows:
            rows[-1] = DiffLine(rows[-1].kind, rows[-1].text, newline=False)
        elif mark == b" " and old and new:
            rows.append(DiffLine("context", text))
            old, new = old - 1, new - 1
        elif mark == b"-" and old:
            rows.append(DiffLine("removed", text))
            old -= 1
        elif mark == b"+" and new:
            rows.append(DiffLine("added", text))
            new -= 1
        else:
            break
        position += 1
    return rows, position


def raw_path(header: bytes) -> bytes:
    """Return the path in a line `diff --git a/PATH b/PATH`, unquoted."""
    return _raw_path(header.removeprefix(_HEADER))


def _path(header: bytes) -> str:
    return _text(_raw_path(header))


def _raw_path(header: bytes) -> bytes:
    # Without renames both names are equal except for a/ and b/, so the middle of the
    # header is known even where names contain spaces.
    half = header[: len(header) // 2]
    return _unquote(half)[2:]


def _unquote(name: bytes) -> bytes:
    if not name.startswith(b'"'):
        return name
    return _ESCAPE.sub(
        lambda m: bytes([int(m[1], 8)]) if len(m[1]) == 3 else _ESCAPES.get(m[1], m[1]),
        name[1:-1],
    )


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
