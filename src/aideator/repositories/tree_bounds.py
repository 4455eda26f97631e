"""Refuse a commit whose files are too large or too many, before one is written.

The limit of a mirror is one of packed objects, which says little about the files: one
blob may have a thousand names, and nine tree objects can name ten million files ("git
bombs", https://kate.io/blog/git-bomb/). git lists a commit in bounded memory, and the
reader stops it at the first limit that is exceeded.
"""

from pathlib import Path

from aideator.domain.errors import RepositoryError
from aideator.repositories.git import streaming_git

MAX_ENTRIES = 1_000_000
"""Files, links, folders and submodules of a commit. Chromium, one of the largest public
repositories, has half as many."""
MAX_DEPTH = 256
"""Folders above a file. Every program that walks the tree has to hold as many."""
MAX_NAME_BYTES = 255
"""Bytes of one file's or folder's name: the limit of Linux's file systems."""
MAX_PATH_BYTES = 3072
"""Bytes of a path below the repository's root. Linux takes 4096 for a whole path, which
begins with the state directory."""
_MAX_RECORD_BYTES = MAX_PATH_BYTES + 256
"""A path, and before it mode, kind, hash and size."""


class TreeTooLarge(RepositoryError):
    """A commit's files exceed a limit."""


async def check_tree(repository: Path, sha: str, *, max_bytes: int) -> int:
    """Check that a commit's files may be written to disk.

    What git converts while it writes is not counted: line ends at most double a file,
    and `ident` makes twelve bytes of one at most.

    Args:
        repository: The repository that has the commit.
        sha: The commit.
        max_bytes: Bytes of all files together.

    Returns:
        The bytes that they have.

    Raises:
        TreeTooLarge: naming the limit that is exceeded.
        GitError: if git cannot list the commit.
    """
    entries = size = 0
    rest = b""
    async with streaming_git(
        "ls-tree", "-r", "-t", "-l", "-z", sha, cwd=repository
    ) as parts:
        async for part in parts:
            *records, rest = (rest + part).split(b"\0")
            if len(rest) > _MAX_RECORD_BYTES:
                raise _path_too_long(rest)
            for record in records:
                size += _measure(record)
            entries += len(records)
            if entries > MAX_ENTRIES:
                raise TreeTooLarge(
                    f"the commit has more than {MAX_ENTRIES:,} files and folders",
                    hint="this limit cannot be raised; choose a smaller repository",
                )
            if size > max_bytes:
                raise TreeTooLarge(
                    f"the files of the commit are larger than {max_bytes // 2**20} MB",
                    hint="raise MAX_REPO_SIZE_MB to allow it",
                )
    return size


def _measure(record: bytes) -> int:
    """Return the size of an entry: `MODE KIND HASH SIZE<tab>PATH`.

    A folder and a submodule have the size `-`, a missing object `BAD`.
    """
    facts, _, path = record.partition(b"\t")
    if len(path) > MAX_NAME_BYTES and (
        len(path) > MAX_PATH_BYTES or max(map(len, path.split(b"/"))) > MAX_NAME_BYTES
    ):
        raise _path_too_long(record)
    if path.count(b"/") > MAX_DEPTH:
        raise TreeTooLarge(
            f"the commit has files below more than {MAX_DEPTH} folders",
            hint="this limit cannot be raised; choose another repository",
        )
    size = facts.rpartition(b" ")[2]
    return int(size) if size.isdigit() else 0


def _path_too_long(record: bytes) -> TreeTooLarge:
    path = record.partition(b"\t")[2][:80].decode(errors="replace")
    return TreeTooLarge(
        f"the commit has a name of more than {MAX_NAME_BYTES} bytes, or a path of more"
        f" than {MAX_PATH_BYTES}: {path!r}…",
        hint="this limit cannot be raised; choose another repository",
    )
