"""Show a patch to people: renamed files as such, names in UTF-8 as they are.

Stored patches have neither, so that every tool applies them and parts of them can be
put together. What is shown still applies with `git apply`.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, product

from aideator.changes.diff import FileDiff, parse_with_lines, raw_path

_MIN_SIMILARITY = 0.5
"""Share of a file that a rename keeps, as `git diff --find-renames` has it."""
_MAX_LINES = 20_000
"""Lines of a file above which only an unchanged one is recognised."""
_MAX_PAIRS = 40_000
"""Pairs of removed and added files that are compared."""
_INDEX = re.compile(rb"index ([0-9a-f]+)\.\.([0-9a-f]+)")
_ESCAPED = re.compile(rb'[\x00-\x1f"\\\x7f]')
_NAMED = {b"\t": rb"\t", b"\n": rb"\n", b"\r": rb"\r", b'"': rb"\"", b"\\": rb"\\"}


@dataclass(frozen=True)
class _File:
    """One file of a patch."""

    diff: FileDiff
    lines: list[bytes]
    path: bytes
    content: Counter[str] = field(default_factory=Counter)
    """Its lines, if it is a text that was added or removed as a whole."""

    @property
    def blob(self) -> bytes:
        """The object that was removed or added."""
        found = next(filter(None, map(_INDEX.match, self.lines)), None)
        if found is None:
            return b""
        return found[1] if self.diff.status == "removed" else found[2]

    @property
    def mode(self) -> str:
        return self.diff.old_mode or self.diff.new_mode or ""

    @property
    def text(self) -> list[str]:
        """Its lines with their line ends."""
        return [
            line.text + ("\n" if line.newline else "")
            for line in chain.from_iterable(hunk.lines for hunk in self.diff.hunks)
        ]


def show(patch: bytes) -> bytes:
    """Return a patch with renames and readable names; still for `git apply`.

    Args:
        patch: A patch that `patch.extract` made.
    """
    files = _read(patch)
    renames = _find_renames(files)
    gone = {source.path for source in renames.values()}
    shown = [
        _rename(renames[file.path], file) if file.path in renames else _plain(file)
        for file in files
        if file.path not in gone or file.diff.status != "removed"
    ]
    return b"".join(b"\n".join(lines) + b"\n" for lines in shown)


def parse_with_renames(patch: bytes) -> list[FileDiff]:
    """Parse a patch as `diff.parse` does, and say which files were renamed.

    A rename is an addition and a removal that name each other: parts of a patch are
    chosen by file.
    """
    files = _read(patch)
    renames = _find_renames(files)
    targets = {
        old.path: path.decode(errors="backslashreplace")
        for path, old in renames.items()
    }
    return [_with_rename(file, renames, targets) for file in files]


def _read(patch: bytes) -> list[_File]:
    return [
        _File(diff, lines, raw_path(lines[0]), _content(diff))
        for diff, lines in parse_with_lines(patch)
    ]


def _with_rename(
    file: _File, renames: Mapping[bytes, _File], targets: Mapping[bytes, str]
) -> FileDiff:
    if old := renames.get(file.path):
        lines = b"\n".join(_rename(old, file)) + b"\n"
        ((changed, _),) = parse_with_lines(lines)
        return replace(
            file.diff, renamed_from=old.diff.path, rename_hunks=changed.hunks
        )
    return replace(file.diff, renamed_to=targets.get(file.path))


def _content(diff: FileDiff) -> Counter[str]:
    if diff.binary or diff.status == "modified" or len(diff.hunks) != 1:
        return Counter()
    lines = diff.hunks[0].lines
    if len(lines) > _MAX_LINES or any("\\x" in line.text for line in lines):
        return Counter()  # bytes that are not UTF-8 cannot be written back
    return Counter(line.text for line in lines)


def _find_renames(files: list[_File]) -> dict[bytes, _File]:
    """Return path of an added file → the removed file that it was before."""
    scored = [(_similarity(old, new), old, new) for old, new in _pairs(files)]
    scored.sort(key=lambda pair: -pair[0])
    renames, used = dict[bytes, _File](), set[bytes]()
    for score, old, new in scored:
        if score < _MIN_SIMILARITY:
            break
        if new.path not in renames and old.path not in used:
            renames[new.path] = old
            used.add(old.path)
    return renames


def _by_status(files: list[_File], status: str) -> list[_File]:
    """Return the files of a status; one that changes its kind is there twice."""
    times = Counter(file.path for file in files)
    return [
        file for file in files if file.diff.status == status and times[file.path] == 1
    ]


def _pairs(files: list[_File]) -> Iterator[tuple[_File, _File]]:
    """Yield the pairs of files of one kind; a link never becomes a file."""
    removed, added = _by_status(files, "removed"), _by_status(files, "added")
    if len(removed) * len(added) > _MAX_PAIRS:
        return
    for old, new in product(removed, added):
        if old.mode[:3] == new.mode[:3]:
            yield old, new


def _similarity(old: _File, new: _File) -> float:
    """Return the share of characters that two files have in common, by lines."""
    if old.blob == new.blob:  # empty files have nothing in common
        return 1.0 if old.diff.binary or old.diff.hunks else 0.0
    larger = max(_size(old.content), _size(new.content))
    return _size(old.content & new.content) / larger if larger else 0.0


def _size(content: Counter[str]) -> int:
    return sum((len(line) + 1) * count for line, count in content.items())


def _rename(old: _File, new: _File) -> list[bytes]:
    """Return the lines of a rename, with what has changed in the file."""
    same = old.blob == new.blob
    percent = 100 if same else min(99, int(_similarity(old, new) * 100))
    names = _quote(b"a/" + old.path), _quote(b"b/" + new.path)
    mode = (new.mode).encode()
    lines = [b"diff --git %s %s" % names]
    if old.mode != new.mode:
        lines += [b"old mode " + old.mode.encode(), b"new mode " + mode]
    lines += [
        b"similarity index %d%%" % percent,
        b"rename from " + _quote(old.path),
        b"rename to " + _quote(new.path),
    ]
    if same:
        return lines
    shown_mode = b" " + mode if old.mode == new.mode else b""
    lines += [b"index %s..%s%s" % (old.blob, new.blob, shown_mode)]
    lines += [b"--- " + names[0], b"+++ " + names[1]]
    changes = difflib.unified_diff(old.text, new.text)
    for line in list(changes)[2:]:
        lines.append(line.removesuffix("\n").encode())
        if not line.endswith("\n"):
            lines.append(b"\\ No newline at end of file")
    return lines


def _plain(file: _File) -> list[bytes]:
    """Return the lines of a file with its name readable."""
    old, new = _quote(b"a/" + file.path), _quote(b"b/" + file.path)
    lines = [b"diff --git %s %s" % (old, new), *file.lines[1:]]
    for number, line in enumerate(lines):
        if line.startswith((b"@@ ", b"GIT binary")):
            break
        if line.startswith(b'--- "'):
            lines[number] = b"--- " + old
        elif line.startswith(b'+++ "'):
            lines[number] = b"+++ " + new
    return lines


def _quote(name: bytes) -> bytes:
    """Quote a name as git does with core.quotePath=false (git-config(1))."""
    try:
        name.decode()
    except UnicodeDecodeError:
        special = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
    else:
        special = _ESCAPED
    quoted = special.sub(lambda m: _NAMED.get(m[0], b"\\%03o" % m[0][0]), name)
    return quoted if quoted == name else b'"' + quoted + b'"'
