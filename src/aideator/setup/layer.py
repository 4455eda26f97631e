"""Remove changes to the project's own files from an overlayfs layer.

The functions block, and the layer must not be mounted. Its content is untrusted: it is
accessed by descriptor and name, and no link is followed. How overlayfs records removed
and replaced entries (whiteouts, opaque directories):
https://docs.kernel.org/filesystems/overlayfs.html
"""

import errno
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from aideator.repositories.untrusted_tree import open_directory, remove_tree

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_SPECIAL = re.compile(rb"([\\*?\[\]!# ])")


def restore_project_files(layer: Path, tracked: Iterable[bytes]) -> None:
    """Make the lower layers visible again at the project's files and in `.git`.

    Args:
        layer: The upper directory of overlayfs.
        tracked: The project's files, relative to the repository's root.
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
    """Open a folder of the layer, following no link; None if there is none."""
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
    """Remove the entries of one directory that hide files or folders of the project."""
    _remove_opaque_mark(directory)
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        # A folder of the project is hidden by a whiteout, a link or a file; a file may
        # be hidden by a folder as well.
        if is_folder and prefix + name in files:
            remove_tree(Path(f"/proc/self/fd/{directory}", name))
        elif not is_folder and (prefix + name in files or prefix + name in folders):
            os.unlink(name, dir_fd=directory)


def _remove_opaque_mark(directory: int) -> None:
    """Undo the mark of a directory that was removed and created again."""
    for name in _OPAQUE:
        try:
            os.removexattr(directory, name)
        except OSError as error:
            if error.errno not in {errno.ENODATA, errno.ENOTSUP, errno.EPERM}:
                raise


def exclude_from_git(layer: Path, paths: Iterable[str], owner: int | None) -> None:
    """Make git ignore these paths in every fork above the layer.

    Args:
        layer: A layer after `restore_project_files`, so without a `.git` of its own.
        paths: Files and folders, relative to the repository's root.
        owner: The uid that owns the layer; this process's own when None.
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
