"""Stage an untrusted tree in a disposable sandbox, and say what git leaves out of it.

What git refuses to add is one file's loss and not the change's: the file is named in a
note.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aideator.changes.ignored import describe_ignored, find_forced
from aideator.changes.scratch_git import (
    CHANGES,
    WORKSPACE,
    Paths,
    is_below,
    prepare,
    run_git,
    split_names,
    text,
    try_git,
)
from aideator.domain.errors import PatchRejected
from aideator.sandbox.base import ExecResult, Sandbox

_MAX_UNCONVERTIBLE = 50
"""Files that git may stop at, one after another, before the change is given up."""

TOO_LARGE = "is too large for a patch"
_UNCONVERTIBLE = "is not in the encoding that .gitattributes gives for it"
NESTED = "is a repository of its own"
_LEFT_OUT = (
    (
        re.compile(r"error: '(.+?)/?' does not have a commit checked out", re.DOTALL),
        NESTED,
    ),
    (
        re.compile(r"error: open\(\"(.+)\"\): Permission denied", re.DOTALL),
        "cannot be read",
    ),
    (
        re.compile(
            r"warning: could not open directory '(.+?)/?': Permission denied", re.DOTALL
        ),
        "cannot be read",
    ),
    (
        re.compile(r"error: (.+): can only add regular files, .*", re.DOTALL),
        "is neither a file nor a link",
    ),
    (
        re.compile(r"error: [Ii]nvalid path '(.+)'", re.DOTALL),
        "has a name that git refuses, because some systems take it for its own files",
    ),
    (
        re.compile(r"error: unable to add '(.+)' to index", re.DOTALL),
        "cannot be added by git",
    ),
)
"""Messages of `git add` that name a path which it left out, before it went on."""
_STOPPED = (
    re.compile(r"fatal: failed to encode '(.+)' from .+ to .+", re.DOTALL),
    re.compile(
        r"fatal: BOM is (?:required|prohibited) in '(.+)' if encoded as .+", re.DOTALL
    ),
)
"""Messages of `git add` that name the path at which it gave up."""
_STOPPED_SOMEWHERE = "fatal: true/false are no valid working-tree-encodings"
_HARMLESS = re.compile(
    r"(warning|hint): .*|error: unable to index file .*|fatal: adding files failed|",
    re.DOTALL,
)
_MESSAGE = re.compile(r"\n(?=(?:error|warning|hint|fatal): )")
"""Between two messages of git. A name in a message may contain line ends."""


class Staged(NamedTuple):
    """What became of the work tree."""

    reasons: dict[str, str]
    """Path that git did not take → why."""
    notes: tuple[str, ...]
    """Remarks on new files that are ignored."""


async def stage(sandbox: Sandbox, left_out: Paths, *, max_bytes: int) -> Staged:
    """Stage the whole tree except the paths in `left_out`.

    Args:
        sandbox: The disposable sandbox.
        left_out: Paths that are no part of the change: what set-up made.
        max_bytes: Size of a new file from which it is left out.

    Raises:
        PatchRejected: if git fails for another reason than a single file.
    """
    await prepare(sandbox)
    too_large = await _list_large(sandbox, left_out, max_bytes)
    # Excluded by name, because the attempt's own `.gitignore` can include again what an
    # ignore pattern excludes.
    pathspecs = [b"."]
    for path in (*left_out, *too_large):
        pathspecs += _exclude(os.fsencode(path))
    reasons = dict.fromkeys(too_large, TOO_LARGE)
    reasons |= await add_all(sandbox, pathspecs)
    forced, leftovers = await find_forced(sandbox, (*left_out, *too_large))
    if forced:
        named = [b":(top,literal)" + path for path in forced]
        reasons |= await add_all(sandbox, named, options=("-f",))
    notes = await describe_ignored(sandbox, (*left_out, *reasons), leftovers)
    return Staged(reasons, notes)


def left_out_note(path: str, reason: str) -> str:
    """Return the note on a single path that is left out."""
    return f"{text(os.fsencode(path))} {reason}; it is left out of the patch"


async def _list_large(sandbox: Sandbox, left_out: Paths, max_bytes: int) -> Paths:
    """Return the new files that are larger than a patch may be.

    git would compress each of them first.
    """
    script = f"""\
cd {CHANGES}
find . -name .git -prune -o -type f -size +{max_bytes}c -printf '%P\\0' |
  (cd {WORKSPACE} && xargs -0 -r git --literal-pathspecs ls-files -z -o --)
"""
    done = await try_git(sandbox, ["sh", "-c", script])
    excluded = [os.fsencode(path) for path in left_out]
    return tuple(
        os.fsdecode(path)
        for path in split_names(done.stdout)
        if not is_below(path, excluded)
    )


async def add_all(
    sandbox: Sandbox,
    pathspecs: Sequence[bytes],
    *,
    options: Sequence[str] = ("-A",),
    cwd: str = WORKSPACE,
    env: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Stage what the pathspecs name; return path → reason of what git did not take.

    `git add` gives up at a file that it cannot convert: it is run again without it.

    Args:
        sandbox: The disposable sandbox.
        pathspecs: What to stage (gitglossary(7), pathspec).
        options: Options of `git add`.
        cwd: The root of the work tree.
        env: Environment variables that name another work tree and index.

    Raises:
        PatchRejected: if git fails for another reason than a single file.
    """
    names = ("--pathspec-from-file=-", "--pathspec-file-nul")
    command = ["git", "add", "--ignore-errors", *options, *names]
    reasons = dict[str, str]()
    for _ in range(_MAX_UNCONVERTIBLE):
        stdin = b"\0".join(pathspecs)
        done = await try_git(sandbox, command, stdin=stdin, cwd=cwd, env=env)
        outcome = _read_messages(done)
        reasons = outcome.reasons | reasons
        if not outcome.stopped:
            return reasons
        for path in outcome.stopped_at or await _without_encoding(sandbox, env):
            reasons[path] = _UNCONVERTIBLE
            pathspecs = [*pathspecs, *_exclude(os.fsencode(path), printed=True)]
    raise PatchRejected(
        "git cannot make a patch of the change: too many files are not in the encoding"
        " that .gitattributes gives for them"
    )


def _exclude(path: bytes, *, printed: bool = False) -> tuple[bytes, bytes]:
    """Return pathspecs that exclude a file or folder, whether it is ignored or not.

    The first character is in brackets because git reports an error for an ignored path
    that a pathspec names literally, even to exclude it. In a path that git has printed
    `?` stands for a control character.
    """
    special = rb"([\\*\[])" if printed else rb"([\\*?\[])"
    pattern = re.sub(special, rb"\\\1", path[1:])
    if not (printed and path.startswith(b"?")):
        pattern = b"[\\%c]" % path[0] + pattern
    else:
        pattern = b"?" + pattern
    return b":(top,exclude,glob)" + pattern, b":(top,exclude,glob)" + pattern + b"/**"


class _Outcome(NamedTuple):
    """What `git add` said."""

    reasons: dict[str, str]
    """Path that it left out → why."""
    stopped: bool
    """Whether it gave up at a file, before it wrote the index."""
    stopped_at: tuple[str, ...]
    """That file, where git names it."""


def _read_messages(added: ExecResult) -> _Outcome:
    """Read the standard error of `git add`.

    Raises:
        PatchRejected: if git was killed, or printed anything that is not known to be
            harmless.
    """
    if added.exit_code not in {0, 1, 128}:
        raise PatchRejected(
            "the change is too large to extract: git was killed, or took too long"
        )
    reasons, stopped = dict[str, str](), False
    stopped_at: tuple[str, ...] = ()
    for message in _MESSAGE.split(os.fsdecode(added.stderr).rstrip("\n")):
        if found := _path_left_out(message):
            reasons.setdefault(*found)
        elif message == _STOPPED_SOMEWHERE:
            stopped = True
        elif path := _first_match(_STOPPED, message):
            stopped, stopped_at = True, (path,)
        elif not _HARMLESS.fullmatch(message):
            shown = text(os.fsencode(message))
            raise PatchRejected(f"git cannot make a patch of the change: {shown}")
    return _Outcome(reasons, stopped, stopped_at)


def _path_left_out(message: str) -> tuple[str, str] | None:
    """Return the path that a message says was left out, and why."""
    for pattern, reason in _LEFT_OUT:
        if found := pattern.fullmatch(message):
            return found[1], reason
    return None


def _first_match(patterns: Iterable[re.Pattern[str]], message: str) -> str:
    matches = (pattern.fullmatch(message) for pattern in patterns)
    return next((found[1] for found in matches if found), "")


async def _without_encoding(
    sandbox: Sandbox, env: Mapping[str, str] | None
) -> list[str]:
    """Return the changed files whose attribute `working-tree-encoding` has no value."""
    script = (
        "git ls-files -z --modified --others --exclude-standard"
        " | git check-attr -z --stdin working-tree-encoding"
    )
    fields = (await run_git(sandbox, ["sh", "-c", script], env=env)).split(b"\0")
    return [
        os.fsdecode(path)
        for path, value in zip(fields[::3], fields[2::3], strict=False)
        if value == b"set"
    ]
