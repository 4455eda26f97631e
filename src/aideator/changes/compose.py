"""Put files and hunks of several patches together to one.

Pure: what cannot be decided is refused, never guessed.

All patches are against the same commit, so a hunk says which lines of the base it
replaces. Two hunks may both be taken where they replace different lines; where their
surroundings meet, they become one hunk, as git would have written it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from aideator.changes.diff import FileDiff, pieces
from aideator.domain.errors import Conflict, FieldError, InvalidInput
from aideator.domain.run import Part

_CONTEXT = 3
"""Lines of surroundings that git shows on each side of a change."""
_NO_LINE_FEED = b"\n\\ No newline at end of file\n"


@dataclass(frozen=True)
class _File:
    """One file of one variation's patch."""

    number: int
    diffs: tuple[FileDiff, ...]
    """One; two where a file became something else, a link for example."""
    lines: tuple[bytes, ...]

    @property
    def text(self) -> bytes:
        return b"".join(line + b"\n" for line in self.lines)

    @property
    def divisible(self) -> bool:
        """Whether a part of its hunks can be taken."""
        return (
            len(self.diffs) == 1
            and self.diffs[0].status == "modified"
            and bool(self.diffs[0].hunks)
        )

    @property
    def removed(self) -> bool:
        return self.diffs[-1].status == "removed"


@dataclass(frozen=True)
class _Edit:
    """Lines of the base that are replaced; `start` counts from 0."""

    start: int
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    source: str = field(compare=False)
    """Which hunk it is from, for people."""

    @property
    def end(self) -> int:
        return self.start + len(self.removed)


@dataclass
class _Taken:
    """What is taken of one path."""

    whole: list[_File] = field(default_factory=list)
    hunks: dict[_File, set[int]] = field(default_factory=dict)

    @property
    def files(self) -> list[_File]:
        return [*self.whole, *self.hunks]


def compose(patches: Mapping[int, bytes], parts: Sequence[Part]) -> bytes:
    """The patch that makes just the changes that are named.

    A file's mode comes along when the file is taken whole, or with all of its hunks.

    Args:
        patches: Variation id → its patch, as `patch.extract` made it.
        parts: What is taken; their order means nothing.

    Raises:
        InvalidInput: naming each part that names what is not there.
        Conflict: naming what cannot be taken together.
    """
    taken = _take(
        {number: _files(number, patch) for number, patch in patches.items()}, parts
    )
    _refuse_files_in_files(taken)
    return b"".join(_put_together(path, taken[path]) for path in sorted(taken))


def _files(number: int, patch: bytes) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for diff, lines in pieces(patch):
        before = found.get(diff.path, _File(number, (), ()))
        found[diff.path] = _File(number, (*before.diffs, diff), (*before.lines, *lines))
    return found


def _take(
    files: Mapping[int, Mapping[str, _File]], parts: Sequence[Part]
) -> dict[str, _Taken]:
    taken: dict[str, _Taken] = {}
    wrong: list[FieldError] = []
    for place, part in enumerate(parts):
        file = files.get(part.variation_id, {}).get(part.path)
        if file is None:
            wrong.append(
                FieldError(
                    f"parts.{place}",
                    f"variation {part.variation_id} does not change {part.path!r}",
                )
            )
        elif problem := _problem(file, part.hunks):
            wrong.append(FieldError(f"parts.{place}.hunks", problem))
        elif part.hunks is None or not file.divisible:
            taken.setdefault(part.path, _Taken()).whole.append(file)
        else:
            taken.setdefault(part.path, _Taken()).hunks.setdefault(file, set()).update(
                part.hunks
            )
    if wrong:
        raise InvalidInput(
            fields=wrong,
            hint="`GET /runs/{id}/variations/{n}/diff` shows files and hunks",
        )
    return taken


def _problem(file: _File, wanted: tuple[int, ...] | None) -> str:
    if wanted is None:
        return ""
    count = sum(len(diff.hunks) for diff in file.diffs)
    if not file.divisible and (count != 1 or wanted != (0,)):
        return "this file can only be taken whole; leave `hunks` out"
    if strange := [n for n in wanted if not 0 <= n < count]:
        return f"there is no hunk {strange[0]}; the hunks are 0 … {count - 1}"
    return "" if wanted else "name a hunk, or leave `hunks` out for the whole file"


def _refuse_files_in_files(taken: Mapping[str, _Taken]) -> None:
    stay = [
        path for path in taken if not any(file.removed for file in taken[path].files)
    ]
    for path, other in pairwise(sorted(stay, key=lambda path: path.split("/"))):
        if other.startswith(f"{path}/"):
            raise Conflict(
                f"{path} cannot be a file and hold {other} as well",
                hint="take one of the two",
            )


def _put_together(path: str, taken: _Taken) -> bytes:
    if taken.whole and len({file.text for file in taken.files}) > 1:
        numbers = " and ".join(
            str(n) for n in sorted({file.number for file in taken.files})
        )
        raise Conflict(
            f"{path} is taken whole from one of variations {numbers}, so nothing else of it can be taken",
            hint="name the hunks that you want of each, or take the file from one of them",
        )
    first = taken.files[0]
    complete = len(taken.hunks) == 1 and len(taken.hunks[first]) == len(
        first.diffs[0].hunks
    )
    return first.text if taken.whole or complete else _merge(path, taken.hunks)


def _merge(path: str, hunks: Mapping[_File, set[int]]) -> bytes:
    edits: set[_Edit] = set()
    base: dict[int, bytes] = {}
    for file, numbers in hunks.items():
        for number, (start, rows) in enumerate(_hunks(file)):
            if number in numbers:
                edits |= _edits(
                    start, rows, f"hunk {number} of variation {file.number}", base
                )
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    for one, other in pairwise(ordered):
        if other.start < one.end or (other.start, other.end) == (one.start, one.end):
            where = (
                f"line {max(other.start, 1)}"
                if not other.removed
                else f"line {other.start + 1}"
            )
            raise Conflict(
                f"{path}: {one.source} and {other.source} change the same place ({where} of the base)",
                hint="take one of the two",
            )
    return _head(next(iter(hunks))) + b"".join(_written(ordered, base))


def _head(file: _File) -> bytes:
    """The lines that name the file: without its mode and hashes, which belong to the whole."""
    before = takewhile(lambda line: not line.startswith(b"@@ "), file.lines)
    return b"".join(
        line + b"\n"
        for line in before
        if line.startswith((b"diff --git ", b"--- ", b"+++ "))
    )


def _hunks(file: _File) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
    """Each hunk: where it begins in the base, counted from 0, and its lines with their marks."""
    starts = [place for place, line in enumerate(file.lines) if line.startswith(b"@@ ")]
    for hunk, (start, end) in zip(
        file.diffs[0].hunks, pairwise([*starts, len(file.lines)]), strict=True
    ):
        rows: list[tuple[bytes, bytes]] = []
        for line in file.lines[start + 1 : end]:
            if line.startswith(b"\\"):
                rows[-1] = (rows[-1][0], rows[-1][1].removesuffix(b"\n"))
            else:
                rows.append((line[:1], line[1:] + b"\n"))
        yield (hunk.old_start - 1 if hunk.old_lines else hunk.old_start), rows


def _edits(
    start: int, rows: Sequence[tuple[bytes, bytes]], source: str, base: dict[int, bytes]
) -> set[_Edit]:
    """The changes of one hunk; the lines of the base that it shows are written into `base`."""
    edits: set[_Edit] = set()
    removed: list[bytes] = []
    added: list[bytes] = []
    place = start
    for mark, text in [
        *rows,
        (b" ", b""),
    ]:  # a last line of context ends the last change
        if mark == b" ":
            if removed or added:
                edits.add(
                    _Edit(place - len(removed), tuple(removed), tuple(added), source)
                )
                removed, added = [], []
            if text:
                base[place] = text
            place += 1
        elif mark == b"-":
            base[place] = text
            removed.append(text)
            place += 1
        else:
            added.append(text)
    return edits


def _written(edits: Sequence[_Edit], base: Mapping[int, bytes]) -> Iterator[bytes]:
    """Hunks of these edits, which are in order and apart from each other."""
    shift = 0
    group: list[_Edit] = []
    for edit, following in zip(edits, [*edits[1:], None], strict=True):
        group.append(edit)
        if following is None or following.start - edit.end > 2 * _CONTEXT:
            yield _hunk(group, base, shift)
            shift += sum(len(each.added) - len(each.removed) for each in group)
            group = []


def _hunk(group: Sequence[_Edit], base: Mapping[int, bytes], shift: int) -> bytes:
    first, last = group[0].start, group[-1].end
    while first - 1 in base and first > group[0].start - _CONTEXT:
        first -= 1
    while last in base and last < group[-1].end + _CONTEXT:
        last += 1
    rows: list[bytes] = []
    place = first
    for edit in group:
        rows += [_row(b" ", base[n]) for n in range(place, edit.start)]
        rows += [_row(b"-", text) for text in edit.removed]
        rows += [_row(b"+", text) for text in edit.added]
        place = edit.end
    rows += [_row(b" ", base[n]) for n in range(place, last)]
    old = last - first
    new = old + sum(len(edit.added) - len(edit.removed) for edit in group)
    head = f"@@ -{first + bool(old)},{old} +{first + shift + bool(new)},{new} @@\n"
    return head.encode() + b"".join(rows)


def _row(mark: bytes, text: bytes) -> bytes:
    return mark + text if text.endswith(b"\n") else mark + text + _NO_LINE_FEED
