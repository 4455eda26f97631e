"""Take a change out of a hostile tree, and put it into a clean one.

Both happen inside a sandbox.

The host never runs git where an agent has been. Here git runs in a throw-away sandbox
over the read-only tree, with the checkout's own `.git` as GIT_DIR: whatever
configuration, hooks, filters or index the agent has left is never read. An own GIT_DIR
is what helps: with flags alone, a planted `filter.clean` still runs.
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
"""What the attempt itself has written, by itself."""
_SCRATCH = "/tmp/extract"
"""Inside the sandbox, whose /tmp is nobody else's."""
_TIMEOUT = 120.0
_MAX_TOLD = 50
"""Files of set-up that are looked at for a note."""

Paths = tuple[str, ...]
"""From the root of the repository; bytes that are no UTF-8 as `os.fsdecode` writes
them."""

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
"""What tools leave behind, and no change should carry unless the project tracks it."""

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
    # An agent can give a changed file its old size and time back; the change time it
    # cannot.
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
    """The files that it changes; bytes that are no UTF-8 are written as `\\xNN`."""
    notes: tuple[str, ...] = ()
    """What a reader should know, such as a nested repository that was left out."""


async def extract(
    fork: Fork, backend: SandboxBackend, *, limits: Limits, max_bytes: int = 10 * 2**20
) -> Patch:
    """Take the change out of a fork: committed or not, binary, deleted, symbolic links.

    What the project's own `.gitignore` excludes, common debris (`__pycache__` and the
    like) and what set-up made is left out.

    Args:
        fork: Where an agent has worked; nothing runs there any more.
        backend: Makes the throw-away sandbox.
        limits: For that sandbox.
        max_bytes: How large the patch may be.

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
            *await _kept_out(sandbox, checkout.unignored),
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
    return Patch(data, stats, paths, (*notes, *_links(kinds)))


async def apply(sandbox: Sandbox, patch: Patch) -> None:
    """Put a change into the sandbox's clean workspace.

    Raises:
        PatchRejected: if it does not fit.
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
    """Find what a layer above a checkout holds beside the project's own files, whole folders as one.

    Returns:
        All of it but Python's bytecode, and the part that is neither ignored by the
        project nor common debris.

    Raises:
        PatchRejected: if there is too much to tell, or git cannot.
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
    prepare = f"mkdir -p {_SCRATCH}/objects && cp {_TRUSTED}/index {_SCRATCH}/index && cat > {_SCRATCH}/debris"
    await _git(sandbox, ["sh", "-c", prepare], stdin=_DEBRIS.encode())


async def _add_all(sandbox: Sandbox, left_out: Paths) -> ExecResult:
    await _prepare(sandbox)
    # By name, because whatever excludes by pattern an attempt's own `.gitignore` may
    # include again.
    paths = [b".", *(spec for path in left_out for spec in _without(os.fsencode(path)))]
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
        stdin=b"\0".join(paths),
        timeout=_TIMEOUT,
    )
    if done.exit_code not in {0, 1, 128}:
        raise PatchRejected(
            "the change is too large to be taken out: git was killed, or took too long"
        )
    return done


def _without(path: bytes) -> tuple[bytes, bytes]:
    """Pathspecs that leave a file or a folder out, whatever is ignored.

    The first character stands in brackets, because git refuses to pass over an ignored
    path that is named literally, be it named to be left out.
    """
    pattern = b"[\\%c]" % path[0] + re.sub(rb"([\\*?\[])", rb"\\\1", path[1:])
    return b":(top,exclude,glob)" + pattern, b":(top,exclude,glob)" + pattern + b"/**"


async def _kept_out(sandbox: Sandbox, unignored: Paths) -> tuple[str, ...]:
    """Say which of the files that set-up made, and a reader would expect in the patch, the attempt has touched."""
    script = 'for path in "$@"; do ! test -e "./$path" || printf "%s\\0" "$path"; done'
    command = ["sh", "-c", script, "sh", *unignored[:_MAX_TOLD]]
    touched = (
        (await sandbox.exec(command, cwd=_CHANGES, timeout=_TIMEOUT)).stdout.split(
            b"\0"
        )
        if unignored
        else []
    )
    return tuple(
        f"{_text(path)} was made by set-up; its change is left out of the patch"
        for path in touched
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
            hint="have build products ignored by .gitignore",
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
    """Read what `git add` left out and why; anything that it did not expect is a reason to refuse the change."""
    notes = []
    for line in added.stderr.decode(errors="backslashreplace").splitlines():
        if found := next(
            (
                (what, m[1])
                for pattern, what in _LEFT_OUT
                if (m := pattern.fullmatch(line))
            ),
            None,
        ):
            what, name = found
            notes.append(f"{name} {what}; it is left out of the patch")
        elif not _HARMLESS.fullmatch(line):
            raise PatchRejected(f"git cannot make a patch of the change: {line}")
    return tuple(notes)


def _links(raw: bytes) -> tuple[str, ...]:
    """Find repositories inside the repository (mode 160000) in `git diff --raw -z`."""
    fields = raw.split(b"\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    return tuple(
        f"{_text(path)} is a repository of its own; it is left out of the patch"
        for meta, path in pairs
        if b"160000" in meta.split(b" ", 2)[:2]
    )


def _count(numstat: bytes) -> tuple[PatchStats, tuple[str, ...]]:
    """Read `git diff --numstat -z`: additions, deletions (both `-` for binary files) and path."""
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
