"""What one tree changed, as a file that can travel: written where the tree is, read where it has to come to.

A container cannot mount the host's overlays, so a change goes in as such a file, and
comes out as one. Each entry is a line of JSON, `{path, kind, mode, size, to}`, and for
a file its `size` bytes after it. The kinds are `file`, `directory`, `link` and `gone`.
Not tar, whose readers take headers of any size and names of several meanings, for what
comes out of a sandbox is hostile. So `LayDown` follows no link, climbs no parent, makes
nothing but files, directories and links, and takes no more than it was told to.

Ends by the JSON line `{"kind": "end"}`, so that half a change is not taken for a whole
one.
"""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

DEEPEST = 200
"""Directories below each other that a change may have. Deeper trees are no source code,
and are left out."""
LONGEST_LINE = 65_536
WHITEOUT = os.makedev(0, 0)
"""overlayfs' own sign for "gone":
https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories."""
_OVERLAY_ONLY = tuple(
    f"{kind}.overlay.{name}"
    for kind in ("trusted", "user")
    for name in ("opaque", "redirect")
)
_CHUNK = 2**20

Manifest = dict[str, list[int]]
"""Path → what tells a changed entry from an unchanged one."""


class BadChange(Exception):
    """The change cannot be written or read."""


def entries(root: str) -> "Iterator[tuple[str, os.stat_result | None]]":
    """Everything below a directory, parents first: each path with its status, and None after a closed directory."""
    waiting = [""]
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(os.path.join(root, parent)) as found:
                listed = sorted(found, key=lambda each: each.name)
        except OSError:  # no right to look, or its path has become too long
            yield parent, None
            continue
        for entry in listed:
            path = os.path.join(parent, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # it has just gone
                continue
            yield path, status
            if stat.S_ISDIR(status.st_mode) and path.count("/") < DEEPEST - 1:
                waiting.append(path)


def take_manifest(root: str) -> Manifest:
    """What is there now.

    An agent can give a file its old size and time back, its change time it cannot.
    """
    return {path: _mark(status) for path, status in entries(root) if status is not None}


def _mark(status: os.stat_result) -> list[int]:
    if stat.S_ISDIR(status.st_mode):  # its times change with its content
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
        # What is below something that is gone is gone with it, and what is below
        # something closed may be there.
        if (
            (not parent or parent in seen)
            and parent not in closed
            and _is_directory(os.path.join(root, parent))
        ):
            _write_line(output, {"path": path, "kind": "gone"})
    _write_line(output, {"kind": "end"})


def write_upper(upper: str, output: BinaryIO) -> None:
    """Write an overlay's upper directory, or any other, as a change.

    Raises:
        BadChange: if it says something in overlayfs' own way that a change cannot say.
    """
    for path, status in entries(upper):
        if status is None:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == WHITEOUT:
            _write_line(output, {"path": path, "kind": "gone"})
            continue
        if stat.S_ISDIR(status.st_mode) and any(
            _has_attribute(os.path.join(upper, path), a) for a in _OVERLAY_ONLY
        ):
            raise BadChange(f"{path} was replaced or renamed by overlayfs itself")
        _write_entry(output, upper, path, status)
    _write_line(output, {"kind": "end"})


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
    """Write one entry.

    What is no file, directory or link is left out, as is what vanished or cannot be
    read.
    """
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
            # Whatever stands there by now: no link is followed, and a pipe is not
            # waited for.
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
        # Nothing, if it has become shorter meanwhile.
        chunk = content.read(min(left, _CHUNK)) or bytes(min(left, _CHUNK))
        output.write(chunk)
        left -= len(chunk)


def _write_line(output: BinaryIO, entry: "dict[str, Any]") -> None:
    # ASCII, and what is no UTF-8 in a name as a lone surrogate: both survive.
    output.write(json.dumps(entry).encode("ascii") + b"\n")


class LayDown:
    """Applies changes to a directory where nobody else may write meanwhile."""

    def __init__(
        self,
        root: str,
        *,
        overlay: bool = False,
        owner: "int | None" = None,
        mask: int = 0o777,
    ) -> None:
        """Say where they go.

        Args:
            root: The directory.
            overlay: Whether it is an overlay's upper directory, so that what is gone is
                marked. Else it is removed.
            owner: The uid and gid of all that is made, or None for this process's own.
            mask: The permission bits that entries may have.
        """
        self._root, self._overlay, self._owner, self._mask = root, overlay, owner, mask
        self._modes: dict[str, int] = {}

    def read(self, source: BinaryIO, *, most: int) -> None:
        """Apply one change.

        Args:
            source: It is read as a stream.
            most: Bytes of content that are taken.

        Raises:
            BadChange: if it is none, or holds more than that.
        """
        try:
            for entry in _parse(source):
                most -= entry.get("size", 0)
                if most < 0:
                    raise BadChange("it holds more than may be written")
                self._lay(entry, source)
            # Last, or a directory that may not be written to could not be filled.
            for path, mode in sorted(self._modes.items(), reverse=True):
                self._set_mode(path, mode)
        except (OSError, ValueError, RecursionError) as error:
            raise BadChange(f"{type(error).__name__}: {error}") from error

    def _lay(self, entry: "dict[str, Any]", source: BinaryIO) -> None:
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
        """Open the directory of an entry without following any link, making what is missing."""
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

    def _make_directory(self, directory: int, name: str) -> None:
        if not _is_directory_in(directory, name):
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
        except OSError:  # a later entry has put something else there
            return
        try:
            if _is_directory_in(directory, name):
                os.chmod(name, mode & self._mask, dir_fd=directory)
        finally:
            os.close(directory)


def _parse(source: BinaryIO) -> "Iterator[dict[str, Any]]":
    """The entries up to the end, each with just what its kind needs."""
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
        needed = _NEEDED.get(str(entry.get("kind")))
        if needed is None or any(
            type(entry.get(name)) is not kind for name, kind in needed.items()
        ):
            raise BadChange("an entry is of no known kind")
        if entry.get("size", 0) < 0 or ("size" in entry) != ("size" in needed):
            raise BadChange("an entry has an impossible size")
        yield entry


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
    """Remove whatever is there, if anything, by descriptors only."""
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
