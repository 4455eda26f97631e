"""Compose one patch from files and hunks of several patches.

Does no I/O. A combination that is ambiguous is refused, never guessed.

All patches are against the same commit, so each hunk says which lines of the base it
replaces. Two hunks can be combined if they replace different lines; where their
contexts meet, they become one hunk, as git would have written it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from aideator.changes.diff import FileDiff, parse_with_lines
from aideator.domain.errors import Conflict, FieldError, UnknownName
from aideator.domain.run import ComposedPart

_CONTEXT = 3
"""Lines of context on each side of a change, as in git."""
_NO_LINE_FEED = b"\n\\ No newline at end of file\n"


@dataclass(frozen=True, eq=False)  # compared by identity: hashing reads every line
class _SelectedFile:
    """One file of one variation's patch."""

    number: int
    diffs: tuple[FileDiff, ...]
    """One; two where the file's type changed, for example to a link."""
    lines: tuple[bytes, ...]

    @property
    def text(self) -> bytes:
        return b"".join(line + b"\n" for line in self.lines)

    @property
    def divisible(self) -> bool:
        """Whether some of its hunks can be taken without the others."""
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
    """A replacement of lines of the base; `start` counts from 0."""

    start: int
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    source: str = field(compare=False)
    """The hunk that it comes from, for messages."""

    @property
    def end(self) -> int:
        return self.start + len(self.removed)


@dataclass
class _HunkSelection:
    """The parts selected for one path."""

    whole: list[_SelectedFile] = field(default_factory=list)
    hunks: dict[_SelectedFile, set[int]] = field(default_factory=dict)

    @property
    def files(self) -> list[_SelectedFile]:
        return [*self.whole, *self.hunks]

    def add(self, file: _SelectedFile, hunks: tuple[int, ...] | None) -> None:
        """Select the file, or only some of its hunks."""
        if hunks is None or not file.divisible:
            self.whole.append(file)
        else:
            self.hunks.setdefault(file, set()).update(hunks)


def compose(patches: Mapping[int, bytes], parts: Sequence[ComposedPart]) -> bytes:
    """Return a patch with exactly the selected changes.

    A change of a file's mode is included if the file is taken whole or with all of its
    hunks.

    Args:
        patches: Variation id → its patch, as made by `patch.extract`.
        parts: The selected files and hunks, in any order.

    Raises:
        UnknownName: naming each part that does not exist.
        Conflict: naming parts that cannot be combined.
    """
    files = {number: _files(number, patch) for number, patch in patches.items()}
    selected = _select(files, parts)
    _refuse_files_in_files(selected)
    return b"".join(_compose_file(path, selected[path]) for path in sorted(selected))


def _files(number: int, patch: bytes) -> dict[str, _SelectedFile]:
    """Return the files of a variation's patch by path."""
    diffs: dict[str, list[FileDiff]] = {}
    lines: dict[str, list[bytes]] = {}
    for diff, lines_of_diff in parse_with_lines(patch):
        diffs.setdefault(diff.path, []).append(diff)
        lines.setdefault(diff.path, []).extend(lines_of_diff)
    return {
        path: _SelectedFile(number, tuple(diffs[path]), tuple(lines[path]))
        for path in diffs
    }


def _select(
    files: Mapping[int, Mapping[str, _SelectedFile]], parts: Sequence[ComposedPart]
) -> dict[str, _HunkSelection]:
    """Group the parts by path, after checking that each exists."""
    selected: dict[str, _HunkSelection] = {}
    wrong: list[FieldError] = []
    for position, part in enumerate(parts):
        file = files.get(part.variation_id, {}).get(part.path)
        if file is None:
            wrong.append(
                FieldError(
                    f"parts.{position}",
                    f"variation {part.variation_id} does not change {part.path!r}",
                )
            )
        elif problem := _problem(file, part.hunks):
            wrong.append(FieldError(f"parts.{position}.hunks", problem))
        else:
            selected.setdefault(part.path, _HunkSelection()).add(file, part.hunks)
    if wrong:
        raise UnknownName(
            fields=wrong,
            hint="`GET /runs/{id}/variations/{n}/diff` shows files and hunks",
        )
    return selected


def _problem(file: _SelectedFile, wanted: tuple[int, ...] | None) -> str:
    """Say why these hunks cannot be taken from the file; empty if they can."""
    if wanted is None:
        return ""
    count = sum(len(diff.hunks) for diff in file.diffs)
    if not file.divisible and (count != 1 or wanted != (0,)):
        return "this file can only be taken whole; leave `hunks` out"
    if unknown := [n for n in wanted if not 0 <= n < count]:
        return f"there is no hunk {unknown[0]}; the hunks are 0 … {count - 1}"
    return ""


def _refuse_files_in_files(selected: Mapping[str, _HunkSelection]) -> None:
    """Raise `Conflict` if a path would be both a file and a folder."""
    present = [
        path
        for path, selection in selected.items()
        if not any(file.removed for file in selection.files)
    ]
    for path, other in pairwise(sorted(present, key=lambda path: path.split("/"))):
        if other.startswith(f"{path}/"):
            raise Conflict(
                f"{path} cannot be a file and contain {other} as well",
                hint="take one of the two",
            )


def _compose_file(path: str, selection: _HunkSelection) -> bytes:
    files, hunks = selection.files, selection.hunks
    if selection.whole and len({file.text for file in files}) > 1:
        numbers = " and ".join(map(str, sorted({file.number for file in files})))
        raise Conflict(
            f"{path} is taken whole from one of variations {numbers},"
            " so no other change of it can be taken",
            hint="select hunks of each, or take the file from one of them",
        )
    first = files[0]
    if selection.whole:
        return first.text
    if len(hunks) == 1 and len(hunks[first]) == len(first.diffs[0].hunks):
        return first.text  # all hunks of one file, which includes its mode
    return _merge(path, hunks)


def _merge(path: str, hunks: Mapping[_SelectedFile, set[int]]) -> bytes:
    edits: set[_Edit] = set()
    base: dict[int, bytes] = {}
    for file, numbers in hunks.items():
        for number, (start, rows) in enumerate(_hunks(file)):
            if number in numbers:
                edits |= _edits(
                    start, rows, f"hunk {number} of variation {file.number}", base
                )
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    _refuse_overlaps(path, ordered)
    return _head(next(iter(hunks))) + b"".join(_written(ordered, base))


def _refuse_overlaps(path: str, ordered: Sequence[_Edit]) -> None:
    """Raise `Conflict` if two edits change the same lines of the base."""
    for one, other in pairwise(ordered):
        if other.start < one.end or (other.start, other.end) == (one.start, one.end):
            line = other.start + 1 if other.removed else max(other.start, 1)
            raise Conflict(
                f"{path}: {one.source} and {other.source} change the same place"
                f" (line {line} of the base)",
                hint="take one of the two",
            )


def _head(file: _SelectedFile) -> bytes:
    """Return the header lines that name the file.

    Modes and hashes are left out: they belong to the complete change.
    """
    before = takewhile(lambda line: not line.startswith(b"@@ "), file.lines)
    return b"".join(
        line + b"\n"
        for line in before
        if line.startswith((b"diff --git ", b"--- ", b"+++ "))
    )


def _hunks(file: _SelectedFile) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
    """Yield each hunk's start in the base, from 0, and its marked lines."""
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
    """Return one hunk's edits; add the lines of the base that it shows to `base`."""
    edits: set[_Edit] = set()
    removed: list[bytes] = []
    added: list[bytes] = []
    place = start
    # The additional line of context at the end completes the last edit.
    for mark, text in [*rows, (b" ", b"")]:
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
    """Yield the hunks of edits that are sorted and do not overlap."""
    shift = 0
    group: list[_Edit] = []
    for edit, following in zip(edits, [*edits[1:], None], strict=True):
        group.append(edit)
        if following is None or following.start - edit.end > 2 * _CONTEXT:
            yield _hunk(group, base, shift)
            shift += sum(len(each.added) - len(each.removed) for each in group)
            group = []


def _hunk(group: Sequence[_Edit], base: Mapping[int, bytes], shift: int) -> bytes:
    """Write one hunk.

    Args:
        group: Its edits, in order.
        base: The known lines of the base by number, from 0.
        shift: Lines that earlier hunks added, less those that they removed.
    """
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
