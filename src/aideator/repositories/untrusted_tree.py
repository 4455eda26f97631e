"""Read and remove trees whose content is untrusted, without following a link."""

import errno
import os
import secrets
import stat
from pathlib import Path

_MOVED = ".moved-"


def read_head(file: Path, limit: int) -> bytes:
    """Return the first `limit` bytes of a regular file.

    Neither a link nor a pipe in its place is followed or waited for.

    Raises:
        OSError: if the file does not exist or is not a regular file.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)


def read_regular_file(file: Path, limit: int = 2**20) -> bytes:
    """Return the first `limit` bytes of a regular file; empty for anything else."""
    try:
        return read_head(file, limit)
    except OSError:
        return b""


def remove_tree(root: Path) -> None:
    """Remove a tree of any depth, with any modes and names, without following a link.

    Folders inside are first moved up beside their ancestors and emptied there. So
    nothing recurses, no path grows long and two descriptors suffice, where
    `shutil.rmtree` takes one descriptor and one stack frame per level.
    """
    top = open_directory(root, None)
    try:
        pending = _remove_files(top)
        while pending:
            name = pending.pop()
            pending += _move_folders_up(name, top)
            os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    root.rmdir()


def _move_folders_up(name: str, top: int) -> list[str]:
    """Empty the folder `name` of `top`; return the new names of its folders there."""
    moved = []
    inner = open_directory(name, top)
    try:
        for folder in _remove_files(inner):
            # A folder can be moved only if its owner may write to it, and opening it
            # sees to that.
            os.close(open_directory(folder, inner))
            moved.append(f"{_MOVED}{secrets.token_hex(8)}")
            os.rename(folder, moved[-1], src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    return moved


def _remove_files(directory: int) -> list[str]:
    """Remove everything but folders from a directory; return the folders' names."""
    folders = []
    for entry in os.listdir(directory):
        try:
            os.unlink(entry, dir_fd=directory)
        except IsADirectoryError:
            folders.append(entry)
    return folders


def open_directory(name: Path | str, parent: int | None) -> int:
    """Open a directory of this user, whatever its mode, but no link to one.

    Args:
        name: A path; relative to `parent` when that is given.
        parent: A directory's descriptor.

    Returns:
        A descriptor for reading.
    """
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        # A folder of mode 000 (overlayfs makes one: work/work) opens for its owner only
        # after this.
        path = f"/proc/self/fd/{handle}"
        os.chmod(path, 0o700)  # noqa: PTH101 (the path is the descriptor)
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    finally:
        os.close(handle)
