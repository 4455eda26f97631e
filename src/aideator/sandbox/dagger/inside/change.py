"""File format for the changes of a tree: writers, and a reader for hostile input.

A container cannot mount the host's overlays, so a change enters and leaves it as such a
file. Each entry is a line of JSON, `{path, kind, mode, size, to}`, followed for a file
by its `size` bytes. The kinds are `file`, `directory`, `link` and `gone`. The JSON line
`{"kind": "end"}` comes last, so that half a change is not taken for a whole one.

The format is not tar, because what comes out of a sandbox is hostile, and tar's readers
accept headers of any size and ambiguous names. `ChangeReader` follows no links, does
not climb to parent directories, creates only files, directories and links, and accepts
no more bytes than it was told to.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

DEEPEST = 200
"""Nested directories that a change may have. Deeper trees are no source code, and are
left out."""
LONGEST_LINE = 65_536
MOST_ENTRIES = 1_000_000
"""Entries that one change may have, with the directories that it creates on the way. A
line may create 200 of them, so bytes alone do not bound the inodes that it takes."""
WHITEOUT = os.makedev(0, 0)
"""Device number of overlayfs' mark for "gone":
https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories."""
_OVERLAY_ONLY = (
    "trusted.overlay.opaque",
    "trusted.overlay.redirect",
    "user.overlay.opaque",
    "user.overlay.redirect",
)
_CHUNK = 2**20

Manifest = dict[str, list[int]]
"""Path → values that differ when an entry has changed."""


class BadChange(Exception):
    """A change that cannot be written or read."""


def entries(root: str) -> "Iterator[tuple[str, os.stat_result | None]]":
    """Yield each path below a directory with its status, parents first.

    A directory that cannot be read is yielded again, with None.
    """
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(os.path.join(root, parent)) as found:
                listed = sorted(found, key=lambda each: each.name)
        except OSError:  # not permitted, or the path has become too long
            yield parent, None
            continue
        for entry in listed:
            path = os.path.join(parent, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # removed meanwhile
                continue
            yield path, status
            if stat.S_ISDIR(status.st_mode) and path.count("/") < DEEPEST - 1:
                waiting.append(path)


def take_manifest(root: str) -> Manifest:
    """Return the manifest of the tree as it is now.

    An agent can restore the size and modification time of a file, but not its change
    time.
    """
    return {path: _mark(status) for path, status in entries(root) if status is not None}


def _mark(status: os.stat_result) -> list[int]:
    if stat.S_ISDIR(status.st_mode):  # its times change with its entries
        return [status.st_mode]
    return [
        status.st_mode,
        status.st_size,
        status.st_ino,
        status.st_mtime_ns,
        status.st_ctime_ns,
    ]


def write_changes(root: str, manifest: Manifest, output: BinaryIO) -> None:
    """Write what has changed below `root` since the manifest was taken."""
    seen, closed = set(), set()
    for path, status in entries(root):
        if status is None:
            closed.add(path)
            continue
        seen.add(path)
        if manifest.get(path) != _mark(status):
            _write_entry(output, root, path, status)
    for path in sorted(set(manifest) - seen):
        parent = os.path.dirname(path)
        # An entry is gone together with its parent, and entries of a directory that
        # cannot be read may still exist.
        if (parent and parent not in seen) or parent in closed:
            continue
        if _is_directory(os.path.join(root, parent)):
            _write_line(output, {"path": path, "kind": "gone"})
    _write_line(output, {"kind": "end"})


def write_upper(upper: str, output: BinaryIO) -> None:
    """Write an overlay's upper directory, or any other, as a change.

    Raises:
        BadChange: if overlayfs replaced or renamed a directory, which no entry can say.
    """
    for path, status in entries(upper):
        if status is None:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT:
            _write_line(output, {"path": path, "kind": "gone"})
            continue
        if stat.S_ISDIR(status.st_mode) and _is_overlay_only(f"{upper}/{path}"):
            raise BadChange(f"{path} was replaced or renamed by overlayfs itself")
        _write_entry(output, upper, path, status)
    _write_line(output, {"kind": "end"})


def _is_overlay_only(directory: str) -> bool:
    return any(_has_attribute(directory, name) for name in _OVERLAY_ONLY)


def _has_attribute(path: str, name: str) -> bool:
    try:
        return bool(os.getxattr(path, name, follow_symlinks=False))
    except OSError:
        return False


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _write_entry(
    output: BinaryIO, root: str, path: str, status: os.stat_result
) -> None:
    """Write one entry, unless it is no file, directory or link, or cannot be read."""
    full = os.path.join(root, path)
    if stat.S_ISDIR(status.st_mode):
        _write_line(
            output, {"path": path, "kind": "directory", "mode": status.st_mode & 0o777}
        )
    elif stat.S_ISLNK(status.st_mode):
        try:
            to = os.readlink(full)
        except OSError:
            return
        _write_line(output, {"path": path, "kind": "link", "to": to})
    elif stat.S_ISREG(status.st_mode):
        try:
            # Something else may be there by now: do not follow a link, nor wait for a
            # pipe.
            descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        with os.fdopen(descriptor, "rb") as content:
            _write_file(output, content, path)


def _write_file(output: BinaryIO, content: BinaryIO, path: str) -> None:
    status = os.fstat(content.fileno())
    if not stat.S_ISREG(status.st_mode):
        return
    left = status.st_size
    _write_line(
        output,
        {"path": path, "kind": "file", "mode": status.st_mode & 0o777, "size": left},
    )
    while left:
        # Filled up with zeros if the file has become shorter meanwhile.
        chunk = content.read(min(left, _CHUNK)) or bytes(min(left, _CHUNK))
        output.write(chunk)
        left -= len(chunk)


def _write_line(output: BinaryIO, entry: "dict[str, Any]") -> None:
    # In ASCII, what is not UTF-8 in a name survives as an escaped lone surrogate.
    output.write(json.dumps(entry).encode("ascii") + b"\n")


class ChangeReader:
    """Applies changes to a directory that no other process may write to meanwhile."""

    def __init__(
        self,
        root: str,
        *,
        overlay: bool = False,
        owner: "int | None" = None,
        mask: int = 0o777,
    ) -> None:
        """Configure the reader.

        Args:
            root: The directory.
            overlay: Whether it is an overlay's upper directory, in which entries that
                are gone are marked instead of removed.
            owner: Uid and gid of what is created; None for this process's own.
            mask: Permission bits that entries may have.
        """
        self._root, self._overlay, self._owner, self._mask = root, overlay, owner, mask
        self._modes: dict[str, int] = {}
        self.entries_left = MOST_ENTRIES
        """Entries and directories that may still be made."""

    def apply(self, source: BinaryIO, *, most: int) -> None:
        """Apply one change.

        Args:
            source: The change; need not be seekable.
            most: Bytes of content that are accepted.

        Raises:
            BadChange: if it is malformed, or has more content than that.
        """
        try:
            for entry in _parse(source):
                most -= entry.get("size", 0)
                if most < 0:
                    raise BadChange("it holds more than may be written")
                self._count()
                self._apply_entry(entry, source)
            # Last: a directory that is not writable could not be filled.
            for path, mode in sorted(self._modes.items(), reverse=True):
                self._set_mode(path, mode)
        except (OSError, ValueError, RecursionError) as error:
            raise BadChange(f"{type(error).__name__}: {error}") from error

    def _apply_entry(self, entry: "dict[str, Any]", source: BinaryIO) -> None:
        *parents, name = _parts(entry["path"])
        directory = self._open(parents)
        try:
            kind = entry["kind"]
            if kind != "directory" or not _is_directory_in(directory, name):
                _remove(directory, name)
            if kind == "directory":
                self._make_directory(directory, name)
                self._modes["/".join([*parents, name])] = entry["mode"]
            elif kind == "link":
                os.symlink(entry["to"], name, dir_fd=directory)
                self._own(name, directory)
            elif kind == "file":
                self._make_file(directory, name, entry, source)
            elif self._overlay:
                os.mknod(name, stat.S_IFCHR, WHITEOUT, dir_fd=directory)
        finally:
            os.close(directory)

    def _open(self, parents: "Iterable[str]") -> int:
        """Open an entry's directory without following links; create what is missing."""
        directory = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        for name in parents:
            try:
                self._make_directory(directory, name)
                below = os.open(
                    name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory
                )
            finally:
                os.close(directory)
            directory = below
        return directory

    def _count(self) -> None:
        self.entries_left -= 1
        if self.entries_left < 0:
            raise BadChange(f"it has more than {MOST_ENTRIES} entries")

    def _make_directory(self, directory: int, name: str) -> None:
        if not _is_directory_in(directory, name):
            self._count()
            os.mkdir(name, 0o755, dir_fd=directory)
            self._own(name, directory)

    def _make_file(
        self, directory: int, name: str, entry: "dict[str, Any]", source: BinaryIO
    ) -> None:
        made = os.open(
            name,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW,
            0o600,
            dir_fd=directory,
        )
        with os.fdopen(made, "wb") as file:
            left = entry["size"]
            while left and (chunk := source.read(min(left, _CHUNK))):
                file.write(chunk)
                left -= len(chunk)
            if left:
                raise BadChange("it ends in the middle of a file")
            if self._owner is not None:
                os.fchown(made, self._owner, self._owner)
            os.fchmod(made, entry["mode"] & self._mask)

    def _own(self, name: str, directory: int) -> None:
        if self._owner is not None:
            os.chown(
                name, self._owner, self._owner, dir_fd=directory, follow_symlinks=False
            )

    def _set_mode(self, path: str, mode: int) -> None:
        *parents, name = path.split("/")
        try:
            directory = self._open(parents)
        except OSError:  # a later entry replaced it
            return
        try:
            if _is_directory_in(directory, name):
                os.chmod(name, mode & self._mask, dir_fd=directory)
        finally:
            os.close(directory)


def _parse(source: BinaryIO) -> "Iterator[dict[str, Any]]":
    """Yield the entries up to the end, each with the values that its kind needs."""
    while True:
        line = source.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise BadChange(
                "it has no end"
                if len(line) < LONGEST_LINE
                else "it has an overlong line"
            )
        entry = json.loads(line)
        if not isinstance(entry, dict):
            raise BadChange("an entry is no object")
        if entry.get("kind") == "end":
            return
        _check_entry(entry)
        yield entry


def _check_entry(entry: "dict[str, Any]") -> None:
    needed = _NEEDED.get(str(entry.get("kind")))
    if needed is None:
        raise BadChange("an entry is of no known kind")
    for name, kind in needed.items():
        # Not isinstance: a bool is an int.
        if type(entry.get(name)) is not kind:
            raise BadChange("an entry is of no known kind")
    if ("size" in entry) != ("size" in needed) or entry.get("size", 0) < 0:
        raise BadChange("an entry has an impossible size")


_NEEDED: "dict[str, dict[str, type]]" = {
    "file": {"path": str, "mode": int, "size": int},
    "directory": {"path": str, "mode": int},
    "link": {"path": str, "to": str},
    "gone": {"path": str},
}


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if len(parts) > DEEPEST or any(
        part in ("", ".", "..") or "\0" in part for part in parts
    ):
        raise BadChange(f"{path[:80]!r} is no name for a file of a project")
    return parts


def _is_directory_in(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(
            os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        )
    except FileNotFoundError:
        return False


def _remove(directory: int, name: str) -> None:
    """Remove what is there, if anything, by descriptors only."""
    if not _is_directory_in(directory, name):
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            pass
        return
    inside = os.open(
        name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory
    )
    try:
        for below in os.listdir(inside):
            _remove(inside, below)
    finally:
        os.close(inside)
    os.rmdir(name, dir_fd=directory)
