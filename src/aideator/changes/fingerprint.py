"""Fingerprints of patches: equal for patches that make the same change."""

import hashlib
import re
from collections.abc import Iterator

from aideator.changes.diff import FileDiff, Hunk, parse

_FILE = re.compile(rb"^(?=diff --git )", re.MULTILINE)


def fingerprint(patch: bytes) -> str:
    """Return a hash of the change that a patch makes; empty for an empty patch.

    Patches against the same base have equal fingerprints if they differ only in white
    space at line ends, in the context shown around changes, and in the order of files.
    """
    files = sorted(
        _file(section)
        for section in _FILE.split(patch)
        if section.startswith(b"diff --git ")
    )
    return hashlib.sha256(b"".join(files)).hexdigest()[:32] if files else ""


def _file(section: bytes) -> bytes:
    (diff,) = parse(section)
    # The content of a binary file is known only from the bytes of the patch.
    content = section if diff.binary else repr(list(_changes(diff))).encode()
    head = repr((diff.path, diff.status, diff.new_mode)).encode()
    return hashlib.sha256(head + content).digest()


def _changes(diff: FileDiff) -> Iterator[tuple[int, str, str]]:
    for hunk in diff.hunks:
        yield from _hunk_changes(hunk)


def _hunk_changes(hunk: Hunk) -> Iterator[tuple[int, str, str]]:
    """Yield each changed line with its line number in the base.

    That number does not depend on how much context the hunk shows.
    """
    number = hunk.old_start
    if hunk.old_lines == 0:  # a pure insertion: git gives the line before it
        number += 1
    for line in hunk.lines:
        if line.kind != "context":
            yield number, line.kind, line.text.rstrip()
        if line.kind != "added":
            number += 1
