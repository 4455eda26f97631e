"""Extract a change from an untrusted tree as a patch, and apply it to a clean one.

Both happen inside a sandbox: the host never runs git in a tree that an agent has
written to. git runs in a disposable sandbox over the read-only tree, with the
checkout's own `.git` as GIT_DIR, so it never reads configuration, hooks, filters or an
index that the agent has left. The separate GIT_DIR is essential: with command-line
flags alone, a planted `filter.clean` still runs.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aideator.changes.fork import Fork
from aideator.domain.errors import PatchRejected
from aideator.domain.verdict import PatchStats
from aideator.repositories.git import HARDENED, config_environment
from aideator.sandbox.base import (
    Bind,
    ExecResult,
    Limits,
    Sandbox,
    SandboxBackend,
    Tree,
)

_TRUSTED = "/trusted.git"
_CHANGES = "/changes"
"""The upper layer alone: what the attempt has written."""
_SCRATCH = "/tmp/extract"
"""In the disposable sandbox's own /tmp."""
_TIMEOUT = 120.0
_MAX_SETUP_FILES = 50
"""Files made by set-up that are checked for changes, to say so in a note."""

Paths = tuple[str, ...]
"""Paths relative to the repository's root; bytes that are not UTF-8 as `os.fsdecode`
writes them."""

_DEBRIS = """\
__pycache__/
*.py[co]
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.venv/
node_modules/
.DS_Store
"""
"""Files that tools leave behind; left out of patches unless the project tracks them."""

_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
_EXTRACT_ENV = _ENV | {
    "GIT_DIR": _TRUSTED,
    "GIT_WORK_TREE": "/workspace",
    "GIT_INDEX_FILE": f"{_SCRATCH}/index",
    "GIT_OBJECT_DIRECTORY": f"{_SCRATCH}/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{_TRUSTED}/objects",
    # An agent can restore a changed file's size and modification time, but not its
    # change time.
    **config_environment(
        HARDENED
        | {
            "core.checkStat": "default",
            "core.excludesFile": f"{_SCRATCH}/debris",
            "advice.addEmbeddedRepo": "false",
        }
    ),
}
_APPLY_ENV = _ENV | config_environment(HARDENED)

_LEFT_OUT = (
    (
        re.compile(r"error: '(.+?)/?' does not have a commit checked out"),
        "is a repository of its own",
    ),
    (re.compile(r"error: open\(\"(.+)\"\): Permission denied"), "cannot be read"),
    (
        re.compile(r"warning: could not open directory '(.+?)/?': Permission denied"),
        "cannot be read",
    ),
    (
        re.compile(r"error: (.+): can only add regular files, .*"),
        "is neither a file nor a link",
    ),
)
_HARMLESS = re.compile(
    r"(warning|hint): .*|error: unable to index file .*|fatal: adding files failed|"
)


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
    binds = (Bind(checkout.path / ".git", _TRUSTED), Bind(fork.upper, _CHANGES))
    async with backend.open(fork.result, limits, binds=binds) as sandbox:
        notes = (
            *_notes(await _add_all(sandbox, checkout.made)),
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
    return Patch(data, stats, paths, (*notes, *_nested_repositories(kinds)))


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
        timeout=_TIMEOUT,
    )
    if done.exit_code != 0:
        raise PatchRejected(f"the patch does not apply: {_last_line(done)}")


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
        Tree((checkout, layer)), limits, binds=(Bind(checkout / ".git", _TRUSTED),)
    ) as sandbox:
        await _prepare(sandbox)
        every = await _git(
            sandbox, [*others, "--exclude=__pycache__/", "--exclude=*.py[co]"]
        )
        unignored = await _git(sandbox, [*others, "--exclude-standard"])
    return _names(every), _names(unignored)


def _names(listed: bytes) -> Paths:
    return tuple(os.fsdecode(path.rstrip(b"/")) for path in listed.split(b"\0") if path)


async def _prepare(sandbox: Sandbox) -> None:
    """Give git its own index, object store and excludes file in the sandbox's /tmp."""
    script = (
        f"mkdir -p {_SCRATCH}/objects && cp {_TRUSTED}/index {_SCRATCH}/index"
        f" && cat > {_SCRATCH}/debris"
    )
    await _git(sandbox, ["sh", "-c", script], stdin=_DEBRIS.encode())


async def _add_all(sandbox: Sandbox, left_out: Paths) -> ExecResult:
    """Stage the whole tree except the paths in `left_out`."""
    await _prepare(sandbox)
    # Excluded by name, because the attempt's own `.gitignore` can include again what an
    # ignore pattern excludes.
    pathspecs = [b"."]
    for path in left_out:
        pathspecs += _exclude(os.fsencode(path))
    done = await sandbox.exec(
        [
            "git",
            "add",
            "-A",
            "--ignore-errors",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
        ],
        env=_EXTRACT_ENV,
        stdin=b"\0".join(pathspecs),
        timeout=_TIMEOUT,
    )
    if done.exit_code not in {0, 1, 128}:
        raise PatchRejected(
            "the change is too large to extract: git was killed, or took too long"
        )
    return done


def _exclude(path: bytes) -> tuple[bytes, bytes]:
    """Return pathspecs that exclude a file or folder, whether it is ignored or not.

    The first character is in brackets because git reports an error for an ignored path
    that a pathspec names literally, even to exclude it.
    """
    pattern = b"[\\%c]" % path[0] + re.sub(rb"([\\*?\[])", rb"\\\1", path[1:])
    return b":(top,exclude,glob)" + pattern, b":(top,exclude,glob)" + pattern + b"/**"


async def _setup_files_changed(sandbox: Sandbox, unignored: Paths) -> tuple[str, ...]:
    """Return a note for each unignored file of set-up that the attempt has changed."""
    if not unignored:
        return ()
    script = 'for path in "$@"; do ! test -e "./$path" || printf "%s\\0" "$path"; done'
    command = ["sh", "-c", script, "sh", *unignored[:_MAX_SETUP_FILES]]
    done = await sandbox.exec(command, cwd=_CHANGES, timeout=_TIMEOUT)
    return tuple(
        f"{_text(path)} was made by set-up; its change is left out of the patch"
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
    return await _git(sandbox, command)


async def _git(sandbox: Sandbox, command: Sequence[str], stdin: bytes = b"") -> bytes:
    done = await sandbox.exec(command, env=_EXTRACT_ENV, stdin=stdin, timeout=_TIMEOUT)
    if done.truncated:
        raise PatchRejected(
            "the change is too large for a patch",
            hint="exclude build products with .gitignore",
        )
    if done.exit_code != 0:
        raise PatchRejected(
            f"git cannot make a patch of the change: {_last_line(done)}"
        )
    return done.stdout


def _last_line(done: ExecResult) -> str:
    if done.exit_code is None:
        return "it took too long"
    return (
        done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        or f"exit code {done.exit_code}"
    )


def _notes(added: ExecResult) -> tuple[str, ...]:
    """Return a note for each path that `git add` left out.

    Raises:
        PatchRejected: if git printed anything else that is not known to be harmless.
    """
    notes = []
    for line in added.stderr.decode(errors="backslashreplace").splitlines():
        if note := _left_out(line):
            notes.append(note)
        elif not _HARMLESS.fullmatch(line):
            raise PatchRejected(f"git cannot make a patch of the change: {line}")
    return tuple(notes)


def _left_out(line: str) -> str:
    """Return the note for a message of `git add`; empty if no path was left out."""
    for pattern, reason in _LEFT_OUT:
        if found := pattern.fullmatch(line):
            return f"{found[1]} {reason}; it is left out of the patch"
    return ""


def _nested_repositories(raw: bytes) -> tuple[str, ...]:
    """Return a note for each nested repository (mode 160000) in `git diff --raw -z`."""
    fields = raw.split(b"\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return tuple(
        f"{_text(path)} is a repository of its own; it is left out of the patch"
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
    return stats, tuple(_text(path) for _, _, path in rows)


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
