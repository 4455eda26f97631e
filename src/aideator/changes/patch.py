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
from aideator.changes.nested import nested_repositories, take_nested
from aideator.changes.scratch_git import (
    CHANGES,
    ENV,
    TIMEOUT,
    TRUSTED,
    Paths,
    last_line,
    prepare,
    read_output,
    run_git,
    split_names,
    text,
    try_git,
)
from aideator.changes.staging import NESTED, TOO_LARGE, left_out_note, stage
from aideator.changes.unmerged import read_staged, take_unmerged
from aideator.domain.errors import PatchRejected
from aideator.domain.verdict import PatchStats
from aideator.repositories.checkout import Checkout
from aideator.repositories.git import HARDENED, config_environment
from aideator.sandbox.base import (
    Bind,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
)

_MAX_PATHS_LOOKED_AT = 500
"""Paths that no patch has, which are checked for changes to say so in a note."""
_MAX_NOTES = 20
_MAX_TOO_LARGE = 20
"""Files that are left out for their size before a change is given up as a whole."""
_DIFF = (
    "git",
    "diff",
    "--cached",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--ignore-submodules=all",
)
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

    Includes binary files, deletions and symbolic links, ignored files that the attempt
    added (`git add -f`), and the files of repositories that it began. Leaves out what
    set-up made, and with a note: what an ignore rule hides, leftovers of tools, a file
    that git refuses or that is too large. What lies on another branch or in a stash is
    taken if the work tree has no change, else noted.

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
            *await _stage(sandbox, checkout, max_bytes),
            *await _changed(sandbox, checkout.unignored, _MADE_BY_SETUP),
            *await _changed(sandbox, checkout.extras, _NOT_IN_PATCHES),
        )
        sha = checkout.commit.sha
        data, too_large = await _make_patch(sandbox, sha)
        names = await _diff(sandbox, "--name-only", "-z", "--no-renames", sha)
        counts = await _diff(sandbox, "--numstat", "-z", "--find-renames", sha)
    stats, paths = _count(counts), tuple(map(text, split_names(names)))
    notes = (*notes, *too_large)
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
    return tuple(os.fsdecode(path.rstrip(b"/")) for path in split_names(listed))


_MADE_BY_SETUP = "was made by set-up"
_NOT_IN_PATCHES = "is a submodule, or has its content in Git LFS"


async def _changed(sandbox: Sandbox, paths: Paths, what: str) -> tuple[str, ...]:
    """Return a note for each path that the attempt has changed, and no patch has."""
    if not paths:
        return ()
    script = 'for path in "$@"; do ! test -e "./$path" || printf "%s\\0" "$path"; done'
    command = ["sh", "-c", script, "sh", *paths[:_MAX_PATHS_LOOKED_AT]]
    done = await sandbox.exec(command, cwd=CHANGES, timeout=TIMEOUT)
    return tuple(
        f"{text(path)} {what}; its change is left out of the patch"
        for path in split_names(done.stdout)
    )


async def _stage(
    sandbox: Sandbox, checkout: Checkout, max_bytes: int
) -> tuple[str, ...]:
    """Stage all that an attempt did; return notes on what is left out."""
    made, sha = checkout.not_in_changes, checkout.commit.sha
    reasons, ignored = await stage(sandbox, made, max_bytes=max_bytes)
    staged = await read_staged(sandbox, sha)
    notes: tuple[str, ...] = ()
    if nested := nested_repositories(staged, reasons):
        notes = await take_nested(sandbox, made, nested)
        staged = await read_staged(sandbox, sha)
    left_out = [
        left_out_note(path, reason)
        for path, reason in reasons.items()
        if reason != NESTED
    ]
    unmerged = await take_unmerged(sandbox, sha, made, staged)
    return (*left_out, *notes, *unmerged, *ignored)


async def _make_patch(sandbox: Sandbox, sha: str) -> tuple[bytes, list[str]]:
    """Return the patch of what is staged, and a note for each file that is too large.

    The largest file is taken out of the index, one after another, until the patch is
    small enough.

    Raises:
        PatchRejected: if it is too large all the same, or git fails.
    """
    notes = list[str]()
    command = [*_DIFF, "--binary", "--full-index", "--no-renames", sha, "--"]
    while True:
        done = await try_git(sandbox, command)
        may_leave_out = done.truncated and len(notes) < _MAX_TOO_LARGE
        path = await _largest_staged(sandbox, sha) if may_leave_out else b""
        if not path:
            return read_output(done), notes
        name = os.fsdecode(path)
        reset = ["git", "--literal-pathspecs", "reset", "-q", sha, "--", name]
        await run_git(sandbox, reset)
        notes.append(left_out_note(name, TOO_LARGE))


async def _largest_staged(sandbox: Sandbox, sha: str) -> bytes:
    """Return the path of the largest file that is staged."""
    staged = await read_staged(sandbox, sha)
    asked = b"".join(oid + b"\n" for _, oid in staged.values())
    command = ["git", "cat-file", "--batch-check=%(objectsize)"]
    listed = (await run_git(sandbox, command, stdin=asked)).splitlines()
    sizes = [
        (int(size), path)
        for size, path in zip(listed, staged, strict=True)
        if size.isdigit()
    ]
    return max(sizes, default=(0, b""))[1]


async def _diff(sandbox: Sandbox, *arguments: str) -> bytes:
    return await run_git(sandbox, [*_DIFF, *arguments, "--"])


def _count(numstat: bytes) -> PatchStats:
    """Parse `git diff --numstat -z --find-renames`.

    Each row is additions, deletions (both `-` for a binary file) and path; the path of
    a renamed file is empty, and two names follow.
    """
    files = additions = deletions = 0
    fields = iter(split_names(numstat))
    for row in fields:
        plus, minus, path = row.split(b"\t", 2)
        if not path:
            next(fields), next(fields)
        files += 1
        if plus != b"-":
            additions, deletions = additions + int(plus), deletions + int(minus)
    return PatchStats(files=files, additions=additions, deletions=deletions)
