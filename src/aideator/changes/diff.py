"""Read a patch as files and hunks, for `GET …/diff`.

It reads what `patch.extract` makes, and only that: git's own format
(Documentation/diff-generate-patch.txt) without renames. Names may hold any byte but
NUL, so the rare parts (quoting, binary patches, form feeds) are read exactly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

_HEADER = b"diff --git "
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
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
class Line:
    """One line of a hunk."""

    kind: Literal["context", "added", "removed"]
    text: str
    """Without its line feed; bytes that are no UTF-8 are written as `\\xNN`."""
    newline: bool = True
    """False for a last line that has no line feed."""


@dataclass(frozen=True)
class Hunk:
    """A stretch of changed lines with their surroundings. Lines count from 1."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    heading: str
    """The function or section that git found above it."""
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class FileDiff:
    """What happened to one file.

    A change of type (a file becomes a link) is a removal and an addition.
    """

    path: str
    status: Literal["added", "removed", "modified"]
    binary: bool
    old_mode: str | None
    """Octal, such as 100755; null for an added file."""
    new_mode: str | None
    """Null for a removed file."""
    hunks: tuple[Hunk, ...]


def parse(patch: bytes) -> list[FileDiff]:
    """Read the output of `git diff --binary --no-renames --full-index`.

    Anything else gives no files.
    """
    return [file for file, _ in pieces(patch)]


def pieces(patch: bytes) -> Iterator[tuple[FileDiff, list[bytes]]]:
    """Each file of a patch, with the lines that say so, without their line feeds.

    Never split by any line end but the line feed: a carriage return or form feed is
    part of a line.
    """
    lines = patch.removesuffix(b"\n").split(b"\n")
    for start, end in pairwise([*_file_starts(lines), len(lines)]):
        yield _file(lines[start:end]), lines[start:end]


def _file_starts(lines: list[bytes]) -> Iterator[int]:
    # Lines of a hunk begin with ' ', '+', '-' or '\\', those of a binary patch hold no
    # space: none looks like a header.
    return (number for number, line in enumerate(lines) if line.startswith(_HEADER))


def _file(lines: list[bytes]) -> FileDiff:
    body = next(
        (
            n
            for n, line in enumerate(lines)
            if line.startswith((b"@@ ", b"GIT binary", b"Binary "))
        ),
        len(lines),
    )
    facts = dict(_facts(lines[1:body]))
    status: Literal["added", "removed", "modified"] = "modified"
    if "new file mode" in facts:
        status = "added"
    elif "deleted file mode" in facts:
        status = "removed"
    same = facts.get("index", b"").partition(b" ")[2].decode() or None
    return FileDiff(
        path=_path(lines[0].removeprefix(_HEADER)),
        status=status,
        binary=body < len(lines) and not lines[body].startswith(b"@@ "),
        old_mode=_mode(facts, "old mode", "deleted file mode")
        or (same if status == "modified" else None),
        new_mode=_mode(facts, "new mode", "new file mode")
        or (same if status == "modified" else None),
        hunks=tuple(_hunks(lines[body:])),
    )


def _facts(lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        for name in (
            "old mode",
            "new mode",
            "new file mode",
            "deleted file mode",
            "index",
        ):
            if line.startswith(name.encode() + b" "):
                yield name, line[len(name) + 1 :]


def _mode(facts: dict[str, bytes], *names: str) -> str | None:
    return next((facts[name].decode() for name in names if name in facts), None)


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
) -> tuple[list[Line], int]:
    rows: list[Line] = []
    while position < len(lines):
        mark, text = lines[position][:1], _text(lines[position][1:])
        if mark == b"\\" and rows:
            rows[-1] = Line(rows[-1].kind, rows[-1].text, newline=False)
        elif mark == b" " and old and new:
            rows.append(Line("context", text))
            old, new = old - 1, new - 1
        elif mark == b"-" and old:
            rows.append(Line("removed", text))
            old -= 1
        elif mark == b"+" and new:
            rows.append(Line("added", text))
            new -= 1
        else:
            break
        position += 1
    return rows, position


def _path(header: bytes) -> str:
    # Without renames both names are the same, but for a/ and b/: the middle is known
    # even where names hold spaces.
    half = header[: len(header) // 2]
    return _text(_unquote(half)[2:])


def _unquote(name: bytes) -> bytes:
    if not name.startswith(b'"'):
        return name
    return _ESCAPE.sub(
        lambda m: bytes([int(m[1], 8)]) if len(m[1]) == 3 else _ESCAPES.get(m[1], m[1]),
        name[1:-1],
    )


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
