"""Checkouts: one self-contained work tree per commit, the read-only base of all forks.

Design notes:

- git writes the files under the sandbox's own uid. A `chown` afterwards would change
  every ctime, and the first `git status` in every fork would read every file again
  (measured on 50,000 files: 4.7 s instead of 0.2 s).
- The times of files written in the last second are set back, so that no index entry is
  "racily clean" (git's Documentation/technical/racy-git.txt), which would cost every
  fork the same again.
- `.git` contains the history of this one commit and no other branch: an agent cannot
  look up later commits.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.domain.errors import RepositoryError
from aideator.repositories.entries import DIRECTORY_MODE, read_facts, write_facts
from aideator.repositories.git import git
from aideator.repositories.ignored_layer import IgnoredLayer
from aideator.repositories.source import Source
from aideator.repositories.submodules import Extras
from aideator.repositories.tree_bounds import check_tree
from aideator.sandbox.base import WORKSPACE, sandbox_uid
from aideator.sandbox.disk import disk_usage

BRANCH = "base"
"""Name of the branch that a checkout is on."""


@dataclass(frozen=True)
class Commit:
    """One commit of one repository."""

    source: Source
    sha: str

    @property
    def key(self) -> str:
        """Name for files and folders."""
        return f"{self.source.key}-{self.sha[:12]}"


@dataclass(frozen=True)
class Checkout:
    """The files of a commit with a trusted `.git`, and the environment set up for them.

    Neither is ever written to once it is complete.
    """

    path: Path
    commit: Commit
    notes: tuple[str, ...] = ()
    """Remarks, such as a submodule that could not be fetched."""
    extras: tuple[str, ...] = ()
    """Submodules, and files whose content is from Git LFS. No patch can have their
    changes."""
    environment: Path | None = None
    """The read-only layer above the files that set-up made. Its folder's name is unique
    among all environments."""
    made: tuple[str, ...] = ()
    """Files and whole folders that set-up made, relative to the repository's root. They
    are never part of a change."""
    unignored: tuple[str, ...] = ()
    """Those of `made` that the project's `.gitignore` does not exclude."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for agents and checks: where the tools of each language
    find what set-up installed, and what the operator set (`SETUP_ENV`), such as the
    address of a mirror."""
    bin_directories: tuple[str, ...] = ()
    """Directories inside the sandbox that come first on PATH."""
    folder: str = ""
    """The folder that the run is about, relative to the root; empty for the root."""
    ignored: IgnoredLayer | None = None
    """The user's ignored files that this run's sandboxes see."""

    @property
    def project(self) -> Path:
        """The files of the folder that the run is about."""
        return self.path / self.folder

    @property
    def working_directory(self) -> str:
        """That folder inside a sandbox."""
        return f"{WORKSPACE}/{self.folder}".rstrip("/")

    def in_folder(self, folder: str) -> "Checkout":
        """Return the checkout for a run that is about one folder of it.

        Raises:
            RepositoryError: if the commit has no such folder.
        """
        place = self.path
        for part in folder.split("/") if folder else ():
            place /= part
            # A link may lead anywhere.
            if place.is_symlink() or not place.is_dir():
                raise RepositoryError(
                    f"the commit {self.commit.sha[:12]} has no folder {folder}",
                    hint="name one from the repository's root, such as packages/app;"
                    " a new one has to be committed first",
                )
        return replace(self, folder=folder)

    @property
    def layers(self) -> tuple[Path, ...]:
        """The read-only layers below a fork, lowest first."""
        ignored = self.ignored.path if self.ignored else None
        layers = (self.path, self.environment, ignored)
        return tuple(layer for layer in layers if layer is not None)

    @property
    def not_in_changes(self) -> tuple[str, ...]:
        """Files and folders that are never part of a change."""
        return (*self.made, *(self.ignored.files if self.ignored else ()))


def load(folder: Path, commit: Commit) -> Checkout:
    """Return the complete checkout in `folder`."""
    facts = read_facts(folder)
    return Checkout(
        folder / "tree",
        commit,
        tuple(facts["notes"]),
        extras=tuple(facts.get("extras", ())),
    )


async def build(
    mirror: Path,
    commit: Commit,
    folder: Path,
    *,
    max_bytes: int,
    add_extras: Callable[[Path, Extras], Awaitable[None]],
) -> None:
    """Make a checkout. The caller has a deadline.

    Args:
        mirror: The bare mirror that has the commit.
        commit: The commit to check out.
        folder: The folder to create.
        max_bytes: Size limit of the commit's files, with those of submodules and of
            Git LFS.
        add_extras: Adds those to the tree.

    Raises:
        TreeTooLarge: if the files are too large, too many or too deep.
        GitError: if git fails, for example because the disk is full.
    """
    size = await check_tree(mirror, commit.sha, max_bytes=max_bytes)
    tree = folder / "tree"
    uid = sandbox_uid()
    folder.mkdir(mode=DIRECTORY_MODE)  # noqa: ASYNC240
    await _begin(mirror, commit, tree)
    await git("config", "core.checkStat", "minimal", cwd=tree)
    await asyncio.to_thread(_hand_over, tree, uid)
    await git(
        *("checkout", "-q", "-f", BRANCH),
        cwd=tree,
        user=uid,
        timeout=None,
        config={"core.logAllRefUpdates": "false"},
    )
    extras = Extras(left=max_bytes - size)
    await add_extras(tree, extras)
    await asyncio.to_thread(_date_back, tree)
    await git(
        "status",
        "--porcelain",
        cwd=tree,
        user=uid,
        timeout=None,
        env={"GIT_OPTIONAL_LOCKS": "1"},
    )
    facts = {
        "notes": extras.notes,
        "extras": extras.paths,
        "bytes": await asyncio.to_thread(disk_usage, folder),
    }
    write_facts(folder, facts)


async def _begin(mirror: Path, commit: Commit, tree: Path) -> None:
    """Make a repository that has one commit, and no files yet."""
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
        "--update-shallow",  # the mirror of a shallow clone is shallow as well
        *("--", str(mirror), f"+{commit.sha}:refs/heads/{BRANCH}"),
        cwd=tree,
        # The mirror's objects were checked when they were fetched.
        config={"transfer.fsckObjects": "false", "core.logAllRefUpdates": "false"},
        env={"GIT_ALLOW_PROTOCOL": "file"},
        timeout=None,
    )


def _hand_over(tree: Path, uid: int | None) -> None:
    """Make the sandbox's uid the owner of the tree, before any file is checked out."""
    if uid is not None:
        for path in [tree, *tree.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)


def _date_back(tree: Path) -> None:
    # git compares entries as old as the index itself by content each time; two seconds
    # older suffice.
    written = (tree / ".git" / "index").stat().st_mtime_ns // 10**9
    for path in _files(tree):
        stat = path.lstat()
        if stat.st_mtime_ns // 10**9 >= written - 1:
            old = stat.st_mtime_ns - 3 * 10**9
            os.utime(path, ns=(old, old), follow_symlinks=False)


def _files(tree: Path) -> Iterator[Path]:
    """Yield the files and links of a work tree, without `.git`."""
    for folder, folders, files in os.walk(tree):
        if Path(folder) == tree:
            folders.remove(".git")
        for name in [*files, *folders]:
            path = Path(folder, name)
            if path.is_symlink() or name in files:
                yield path
