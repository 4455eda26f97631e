"""When two patches are the same change."""

import hashlib
import re
from collections.abc import Iterator

from aideator.changes.diff import FileDiff, Hunk, parse

_FILE = re.compile(rb"^(?=diff --git )", re.MULTILINE)


def fingerprint(patch: bytes) -> str:
    """A name for what the patch does; empty for an empty patch.

    It is equal for patches against the same base that differ in nothing but white space
    at line ends, the context shown around changes, and the order of files.
    """
    files = sorted(
        _file(section)
        for section in _FILE.split(patch)
        if section.startswith(b"diff --git ")
    )
    return hashlib.sha256(b"".join(files)).hexdigest()[:32] if files else ""


def _file(section: bytes) -> bytes:
    (diff,) = parse(section)
    # What a binary file becomes is known only by its bytes, and those stand in the
    # patch as git wrote them.
    content = section if diff.binary else repr(list(_changes(diff))).encode()
    return hashlib.sha256(
        repr((diff.path, diff.status, diff.new_mode)).encode() + content
    ).digest()


def _changes(diff: FileDiff) -> Iterator[tuple[int, str, str]]:
    for hunk in diff.hunks:
        yield from _placed(hunk)


def _placed(hunk: Hunk) -> Iterator[tuple[int, str, str]]:
    """Each changed line at its place in the base, which no amount of context moves."""
    place = hunk.old_start + (
        hunk.old_lines == 0
    )  # git names the line before a pure insertion
    for line in hunk.lines:
        if line.kind != "context":
            yield place, line.kind, line.text.rstrip()
        place += line.kind != "added"
