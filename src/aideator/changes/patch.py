"""Extract a change from an untrusted tree as a patch, and apply it to a clean one.

Both happen inside a sandbox: the host never runs git in a tree that an agent has
written to. git runs in a disposable sandbox over the read-only tree, with the
checkout's own `.git` as GIT_DIR, so it never reads configuration, hooks, filters or an
index that the agent has left. The separate GIT_DIR is essential: with command-line
flags alone, a planted `filter.clean` still runs.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.changes.fork import Fork
from aideator.changes.staging import (
    CHANGES,
    ENV,
    TIMEOUT,
    TRUSTED,
    Paths,
    last_line,
    prepare,
    run_git,
    stage,
    text,
)
from aideator.domain.errors import PatchRejected
from aideator.domain.verdict import PatchStats
from aideator.repositories.git import HARDENED, config_environment
from aideator.sandbox.base import (
    Bind,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
)

_MAX_SETUP_FILES = 50
"""Files made by set-up that are checked for changes, to say so in a note."""
_MAX_NOTES = 20
_APPLY_ENV = ENV | config_environment(HARDENED)


@dataclass(frozen=True)
class Patch:
    """A change against the base commit, as `git diff --binary` writes it."""

    data: bytes
    stats: PatchStats = field(default_factory=PatchStats)
    paths: tuple[str, ...] = ()
    """The files that it changes; bytes that are not UTF-8 as `\\xNN`."""
    notes: tuple[str, ...] = ()
    """Remarks, such as a nested repository that is left out."""


async def extract(
    fork: Fork, backend: SandboxBackend, *, limits: Limits, max_bytes: int = 10 * 2**20
) -> Patch:
    """Extract the change of a fork, whether committed or not.

    Includes binary files, deletions and symbolic links. Leaves out what the project's
    own `.gitignore` excludes, common debris (`__pycache__` and the like) and what
    set-up made.

    Args:
        fork: The fork that an agent has worked in; nothing may run there any more.
        backend: Opens the disposable sandbox.
        limits: Limits of that sandbox.
        max_bytes: Size limit of the patch.

    Raises:
        PatchRejected: if the change is too large, or git cannot make a patch of it.
        SandboxLost: if the sandbox ended early.
    """
    limits = replace(limits, output_bytes=max_bytes)
    checkout = fork.checkout
    binds = (Bind(checkout.path / ".git", TRUSTED), Bind(fork.upper, CHANGES))
    async with backend.open(fork.result, limits, binds=binds) as sandbox:
        notes = (
            *await stage(sandbox, checkout.made),
            *await _setup_files_changed(sandbox, checkout.unignored),
        )
        sha = checkout.commit.sha
        kinds = await _diff(sandbox, "--raw", "-z", sha, "--")
        counts = await _diff(
            sandbox, "--numstat", "-z", "--ignore-submodules=all", sha, "--"
        )
        data = await _diff(
            sandbox, "--binary", "--full-index", "--ignore-submodules=all", sha, "--"
        )
    stats, paths = _count(counts)
    notes = (*notes, *_nested_repositories(kinds))
    if len(notes) > _MAX_NOTES:
        more = f"{len(notes) - _MAX_NOTES} more remarks like these are not shown"
        notes = (*notes[:_MAX_NOTES], more)
    return Patch(data, stats, paths, notes)


async def apply(sandbox: Sandbox, patch: Patch) -> None:
    """Apply a patch to the clean workspace of a sandbox.

    Raises:
        PatchRejected: if it does not apply.
    """
    if not patch.data:
        return
    done = await sandbox.exec(
        ["git", "apply", "--whitespace=nowarn", "-"],
        env=_APPLY_ENV,
        stdin=patch.data,
        timeout=TIMEOUT,
    )
    if done.exit_code != 0:
        raise PatchRejected(f"the patch does not apply: {last_line(done)}")


async def list_untracked(
    checkout: Path, layer: Path, backend: SandboxBackend, limits: Limits
) -> tuple[Paths, Paths]:
    """List what a layer adds to a checkout; a folder without tracked files counts once.

    Args:
        checkout: The checkout's files.
        layer: The layer above them.
        backend: Opens a disposable sandbox.
        limits: Limits of that sandbox.

    Returns:
        All added paths but Python's bytecode, and those of them that are neither
        ignored by the project nor common debris.

    Raises:
        PatchRejected: if the list is too long, or git fails.
        SandboxLost: if the sandbox ended early.
    """
    others = ["git", "ls-files", "--others", "--directory", "-z"]
    async with backend.open(
        Tree((checkout, layer)), limits, binds=(Bind(checkout / ".git", TRUSTED),)
    ) as sandbox:
        await prepare(sandbox)
        every = await run_git(
            sandbox, [*others, "--exclude=__pycache__/", "--exclude=*.py[co]"]
        )
        unignored = await run_git(sandbox, [*others, "--exclude-standard"])
    return _names(every), _names(unignored)


def _names(listed: bytes) -> Paths:
    return tuple(os.fsdecode(path.rstrip(b"/")) for path in listed.split(b"\0") if path)


async def _setup_files_changed(sandbox: Sandbox, unignored: Paths) -> tuple[str, ...]:
    """Return a note for each unignored file of set-up that the attempt has changed."""
    if not unignored:
        return ()
    script = 'for path in "$@"; do ! test -e "./$path" || printf "%s\\0" "$path"; done'
    command = ["sh", "-c", script, "sh", *unignored[:_MAX_SETUP_FILES]]
    done = await sandbox.exec(command, cwd=CHANGES, timeout=TIMEOUT)
    return tuple(
        f"{text(path)} was made by set-up; its change is left out of the patch"
        for path in done.stdout.split(b"\0")
        if path
    )


async def _diff(sandbox: Sandbox, *arguments: str) -> bytes:
    command = [
        "git",
        "diff",
        "--cached",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--no-color",
        *arguments,
    ]
    return await run_git(sandbox, command)


def _nested_repositories(raw: bytes) -> tuple[str, ...]:
    """Return a note for each nested repository (mode 160000) in `git diff --raw -z`."""
    fields = raw.split(b"\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return tuple(
        f"{text(path)} is a repository of its own; it is left out of the patch"
        for meta, path in pairs
        if b"160000" in meta.split(b" ", 2)[:2]
    )


def _count(numstat: bytes) -> tuple[PatchStats, tuple[str, ...]]:
    """Parse `git diff --numstat -z`: statistics and paths.

    Each row is additions, deletions (both `-` for a binary file) and path.
    """
    rows = [row.split(b"\t", 2) for row in numstat.split(b"\0") if row]
    numbers = [(int(plus), int(minus)) for plus, minus, _ in rows if plus != b"-"]
    stats = PatchStats(
        files=len(rows),
        additions=sum(n[0] for n in numbers),
        deletions=sum(n[1] for n in numbers),
    )
    return stats, tuple(text(path) for _, _, path in rows)
