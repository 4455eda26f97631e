"""Take back, in a layer of overlayfs, whatever it says about the project's own files.

Blocks; nothing may be mounted.

The layer is hostile: descriptors and names, no link followed. How overlayfs writes what
is gone and what is replaced: https://docs.kernel.org/filesystems/overlayfs.html
(whiteouts and opaque directories).
"""

import errno
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from aideator.repositories.trees import open_directory, remove_tree

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_SPECIAL = re.compile(rb"([\\*?\[\]!# ])")


def restore(layer: Path, tracked: Iterable[bytes]) -> None:
    """Let the layers below show through wherever the project has a file, and in `.git`.

    Args:
        layer: What overlayfs has caught of the writes.
        tracked: The project's files, from the root of the repository.
    """
    files = {".git", *map(os.fsdecode, tracked)}
    folders = {""}
    for path in files:
        while (path := path.rpartition("/")[0]) not in folders:
            folders.add(path)
    for folder in sorted(folders):
        if (directory := _open_below(layer, folder)) is not None:
            try:
                _restore(directory, f"{folder}/" if folder else "", files, folders)
            finally:
                os.close(directory)


def _open_below(layer: Path, folder: str) -> int | None:
    """A folder of the layer, not through a link; None if it is none there."""
    here = open_directory(layer, None)
    for name in filter(None, folder.split("/")):
        try:
            below = open_directory(name, here)
        except (FileNotFoundError, NotADirectoryError):
            return None
        finally:
            os.close(here)
        here = below
    return here


def _restore(
    directory: int, prefix: str, files: Collection[str], folders: Collection[str]
) -> None:
    _show_through(directory)
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        # What hides a folder is a whiteout, a link or a file; what hides a file may be
        # a folder as well.
        if is_folder and prefix + name in files:
            remove_tree(Path(f"/proc/self/fd/{directory}", name))
        elif not is_folder and (prefix + name in files or prefix + name in folders):
            os.unlink(name, dir_fd=directory)


def _show_through(directory: int) -> None:
    """Make a directory that had been removed and made anew one of changes again."""
    for name in _OPAQUE:
        try:
            os.removexattr(directory, name)
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.ENOTSUP, errno.EPERM}:
                raise


def hide(layer: Path, paths: Iterable[str], owner: int | None) -> None:
    """Have git pass over these paths, in every fork that the layer lies under.

    Args:
        layer: As `restore` left it: without a `.git` of its own.
        paths: Files and folders, from the root of the repository.
        owner: The uid that the layer belongs to; this process's own when None.
    """
    lines = [
        b"/" + _SPECIAL.sub(rb"\\\1", os.fsencode(path))
        for path in paths
        if "\n" not in path
    ]
    info = layer / ".git" / "info"
    info.mkdir(parents=True)
    (info / "exclude").write_bytes(b"\n".join([*lines, b""]))
    for path in (info.parent, info, info / "exclude"):
        if owner is not None:
            os.chown(path, owner, owner)
