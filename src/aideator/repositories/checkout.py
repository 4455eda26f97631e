"""One complete, self-contained work tree per commit: the read-only ground that every fork lies on.

Odd on purpose:

- The files are written by git under the sandbox's own uid. A `chown` afterwards would
  change every ctime, and the first `git status` in every fork would read every file
  again (notes: 4.7 s instead of 0.2 s on 50,000 files).
- Files of the last second are dated back, so that no entry of the index is "racily
  clean" (git's Documentation/technical/racy-git.txt), which would cost each fork the
  same again.
- `.git` holds the history of this one commit, not of other branches: an agent cannot
  look up what came later.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aideator.repositories.git import git
from aideator.repositories.source import Source
from aideator.repositories.trees import disk_use
from aideator.sandbox.base import sandbox_uid

BRANCH = "base"
"""The branch that a checkout is on."""
_FACTS = "facts.json"


@dataclass(frozen=True)
class Commit:
    """One commit of one repository."""

    source: Source
    sha: str

    @property
    def key(self) -> str:
        """A name for files and folders."""
        return f"{self.source.key}-{self.sha[:12]}"


@dataclass(frozen=True)
class Checkout:
    """A commit's files, with a `.git` that is trusted, and what set-up made for them.

    Never written to once there.
    """

    path: Path
    commit: Commit
    notes: tuple[str, ...] = ()
    """What a reader should know, such as submodules that are left out."""
    environment: Path | None = None
    """The layer that set-up made above the files, as read-only as they are; its name is
    its own among all of them."""
    made: tuple[str, ...] = ()
    """Files and whole folders that set-up made, from the root of the repository. No
    change carries them."""
    unignored: tuple[str, ...] = ()
    """Those of them that the project does not ignore."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What set-up was told by the operator, such as where a mirror is; without it,
    caches would not be found again."""

    @property
    def layers(self) -> tuple[Path, ...]:
        """What lies below an attempt, lowest first."""
        return (
            (self.path,) if self.environment is None else (self.path, self.environment)
        )


def load(folder: Path, commit: Commit) -> Checkout:
    """Return the finished checkout in `folder`."""
    return Checkout(
        folder / "tree",
        commit,
        tuple(json.loads((folder / _FACTS).read_text())["notes"]),
    )


def size(folder: Path) -> int:
    """Return how many bytes the checkout in `folder` takes on disk, as measured when it was made."""
    return int(json.loads((folder / _FACTS).read_text())["bytes"])


async def build(mirror: Path, commit: Commit, folder: Path, *, timeout: float) -> None:
    """Make a checkout in `folder`, which does not exist yet.

    Raises:
        GitError: if git fails, the disk being full for example.
    """
    tree = folder / "tree"
    uid = sandbox_uid()
    folder.mkdir(mode=0o711)  # noqa: ASYNC240
    hash_name = "sha256" if len(commit.sha) == 64 else "sha1"
    await git(
        "init",
        "-q",
        "--template=",
        f"--object-format={hash_name}",
        f"--initial-branch={BRANCH}",
        str(tree),
    )
    await git(
        *("fetch", "-q", "--no-write-fetch-head", "--update-head-ok"),
        *("--", str(mirror), f"+{commit.sha}:refs/heads/{BRANCH}"),
        cwd=tree,
        # The mirror's objects have been checked when they came in.
        config={"transfer.fsckObjects": "false", "core.logAllRefUpdates": "false"},
        env={"GIT_ALLOW_PROTOCOL": "file"},
        timeout=timeout,
    )
    await git("config", "core.checkStat", "minimal", cwd=tree)
    await asyncio.to_thread(_hand_over, tree, uid)
    await git(
        "checkout",
        "-q",
        "-f",
        BRANCH,
        cwd=tree,
        user=uid,
        timeout=timeout,
        config={"core.logAllRefUpdates": "false"},
    )
    await asyncio.to_thread(_date_back, tree)
    await git(
        "status",
        "--porcelain",
        cwd=tree,
        user=uid,
        timeout=timeout,
        env={"GIT_OPTIONAL_LOCKS": "1"},
    )
    facts = {
        "notes": await _notes(tree),
        "bytes": await asyncio.to_thread(disk_use, folder),
    }
    (folder / _FACTS).write_text(json.dumps(facts))


async def _notes(tree: Path) -> list[str]:
    notes = []
    entries = (await git("ls-files", "-s", "-z", cwd=tree)).split(b"\0")
    if modules := [
        entry.partition(b"\t")[2].decode(errors="replace")
        for entry in entries
        if entry[:6] == b"160000"
    ]:
        notes.append(f"submodules are left empty: {', '.join(modules[:10])}")
    if pointers := (
        await git("ls-files", "-z", "--", ":(attr:filter=lfs)", cwd=tree)
    ).count(b"\0"):
        notes.append(f"Git LFS pointers, whose content is not fetched: {pointers}")
    return notes


def _hand_over(tree: Path, uid: int | None) -> None:
    if uid is not None:
        for path in [tree, *tree.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)


def _date_back(tree: Path) -> None:
    # Entries as old as the index itself are compared by content each time; two seconds
    # older is old enough.
    written = (tree / ".git" / "index").stat().st_mtime_ns // 10**9
    for path in _files(tree):
        stat = path.lstat()
        if stat.st_mtime_ns // 10**9 >= written - 1:
            old = stat.st_mtime_ns - 3 * 10**9
            os.utime(path, ns=(old, old), follow_symlinks=False)


def _files(tree: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(tree):
        if Path(folder) == tree:
            folders.remove(".git")
        for name in [*files, *folders]:
            path = Path(folder, name)
            if path.is_symlink() or name in files:
                yield path
