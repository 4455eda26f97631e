"""Stage an untrusted tree in a disposable sandbox, and say what git leaves out of it.

git runs with the checkout's own `.git` as GIT_DIR and an index of its own, so it never
reads configuration, hooks, filters or an index that the agent has left. What it refuses
to add is one file's loss and not the change's: the file is named in a note.
"""

import os
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aideator.domain.errors import PatchRejected
from aideator.repositories.git import HARDENED, config_environment
from aideator.sandbox.base import ExecResult, Sandbox

TRUSTED = "/trusted.git"
CHANGES = "/changes"
"""The upper layer alone: what the attempt has written."""
_SCRATCH = "/tmp/extract"
"""In the disposable sandbox's own /tmp."""
_BASE = f"{_SCRATCH}/base"
"""The base commit's `.gitignore` files, and nothing else."""
TIMEOUT = 120.0
_MAX_UNCONVERTIBLE = 50
"""Files that git may stop at, one after another, before the change is given up."""
_MAX_IGNORED = 20_000
"""Ignored files that are looked at."""

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

ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
_STAGE_ENV = ENV | {
    "GIT_DIR": TRUSTED,
    "GIT_WORK_TREE": "/workspace",
    "GIT_INDEX_FILE": f"{_SCRATCH}/index",
    "GIT_OBJECT_DIRECTORY": f"{_SCRATCH}/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{TRUSTED}/objects",
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

_UNCONVERTIBLE = "is not in the encoding that .gitattributes gives for it"
_LEFT_OUT = (
    (
        re.compile(r"error: '(.+?)/?' does not have a commit checked out", re.DOTALL),
        "is a repository of its own",
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


async def prepare(sandbox: Sandbox) -> None:
    """Give git its own index, object store and excludes file in the sandbox's /tmp."""
    script = (
        f"mkdir -p {_SCRATCH}/objects && cp {TRUSTED}/index {_SCRATCH}/index"
        f" && cat > {_SCRATCH}/debris"
    )
    await run_git(sandbox, ["sh", "-c", script], stdin=_DEBRIS.encode())


async def run_git(
    sandbox: Sandbox, command: Sequence[str], stdin: bytes = b""
) -> bytes:
    """Run a command with the environment for staging; return its standard output.

    Raises:
        PatchRejected: if it fails, or prints more than the sandbox's limit.
    """
    done = await sandbox.exec(command, env=_STAGE_ENV, stdin=stdin, timeout=TIMEOUT)
    if done.truncated:
        raise PatchRejected(
            "the change is too large for a patch",
            hint="exclude build products with .gitignore",
        )
    if done.exit_code != 0:
        raise PatchRejected(f"git cannot make a patch of the change: {last_line(done)}")
    return done.stdout


def last_line(done: ExecResult) -> str:
    """Return the last line of a failed command's standard error."""
    if done.exit_code is None:
        return "it took too long"
    return (
        done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        or f"exit code {done.exit_code}"
    )


def text(path: bytes) -> str:
    """Return a path for people; bytes that are not UTF-8 in hexadecimal."""
    return path.decode(errors="backslashreplace")


async def stage(sandbox: Sandbox, left_out: Paths) -> tuple[str, ...]:
    """Stage the whole tree except the paths in `left_out`.

    Returns:
        A note for each file that git did not take, and one on new files that are
        ignored since the change.

    Raises:
        PatchRejected: if git fails for another reason than a single file.
    """
    await prepare(sandbox)
    # Excluded by name, because the attempt's own `.gitignore` can include again what an
    # ignore pattern excludes.
    pathspecs = [b"."]
    for path in left_out:
        pathspecs += _exclude(os.fsencode(path))
    reasons = await _add_all(sandbox, pathspecs)
    notes = [
        f"{text(os.fsencode(path))} {reason}; it is left out of the patch"
        for path, reason in reasons.items()
    ]
    return (*notes, *await _newly_ignored(sandbox, left_out))


async def _add_all(sandbox: Sandbox, pathspecs: Sequence[bytes]) -> dict[str, str]:
    """Stage what the pathspecs name; return path → reason of what git did not take.

    `git add` gives up at a file that it cannot convert: it is run again without it.
    """
    reasons = dict[str, str]()
    for _ in range(_MAX_UNCONVERTIBLE):
        outcome = _read_messages(await _add(sandbox, pathspecs))
        reasons = outcome.reasons | reasons
        if not outcome.stopped:
            return reasons
        for path in outcome.stopped_at or await _without_encoding(sandbox):
            reasons[path] = _UNCONVERTIBLE
            pathspecs = [*pathspecs, *_exclude(os.fsencode(path), printed=True)]
    raise PatchRejected(
        "git cannot make a patch of the change: too many files are not in the encoding"
        " that .gitattributes gives for them"
    )


async def _add(sandbox: Sandbox, pathspecs: Sequence[bytes]) -> ExecResult:
    done = await sandbox.exec(
        [
            "git",
            "add",
            "-A",
            "--ignore-errors",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
        ],
        env=_STAGE_ENV,
        stdin=b"\0".join(pathspecs),
        timeout=TIMEOUT,
    )
    if done.exit_code not in {0, 1, 128}:
        raise PatchRejected(
            "the change is too large to extract: git was killed, or took too long"
        )
    return done


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
        PatchRejected: if git printed anything that is not known to be harmless.
    """
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


async def _without_encoding(sandbox: Sandbox) -> list[str]:
    """Return the changed files whose attribute `working-tree-encoding` has no value."""
    script = (
        "git ls-files -z --modified --others --exclude-standard"
        " | git check-attr -z --stdin working-tree-encoding"
    )
    fields = (await run_git(sandbox, ["sh", "-c", script])).split(b"\0")
    return [
        os.fsdecode(path)
        for path, value in zip(fields[::3], fields[2::3], strict=False)
        if value == b"set"
    ]


async def _newly_ignored(sandbox: Sandbox, left_out: Paths) -> tuple[str, ...]:
    """Return a note on new files that the change's rules ignore and the base's do not.

    Looks only where the change contains a `.gitignore`.
    """
    ignored = await _list_ignored(sandbox, left_out)
    if not ignored:
        return ()
    before = await _check_ignore(sandbox, ignored, tree=_BASE)
    hidden = sorted(set(ignored) - set(before))
    if not hidden:
        return ()
    rule, *_ = await _check_ignore(sandbox, hidden[:1], verbose=True) or [b"?"]
    count = f"{len(hidden)} new file" + ("s are" if len(hidden) > 1 else " is")
    return (
        f"{count} ignored by a rule that this change adds ({text(rule)}), and left out"
        f" of the patch, such as {text(hidden[0])}",
    )


async def _list_ignored(sandbox: Sandbox, left_out: Paths) -> list[bytes]:
    """Return the untracked files that are ignored, without those in `left_out`."""
    script = f"""\
find {CHANGES} -name .gitignore -print -quit | grep -q . || exit 0
mkdir {_BASE}
GIT_INDEX_FILE={TRUSTED}/index git ls-files -z -- ':(top,glob)**/.gitignore' |
  GIT_INDEX_FILE={TRUSTED}/index git checkout-index -q -f -z --stdin --prefix={_BASE}/
git ls-files -z --others --ignored --exclude-standard | head -z -n {_MAX_IGNORED}
"""
    done = await sandbox.exec(["sh", "-c", script], env=_STAGE_ENV, timeout=TIMEOUT)
    excluded = {os.fsencode(path) for path in left_out}
    folders = tuple(path + b"/" for path in excluded)
    return [
        path
        for path in done.stdout.split(b"\0")[:-1]
        if path not in excluded and not path.startswith(folders)
    ]


async def _check_ignore(
    sandbox: Sandbox,
    paths: Sequence[bytes],
    *,
    tree: str = "/workspace",
    verbose: bool = False,
) -> list[bytes]:
    """Return those paths that are ignored.

    Args:
        sandbox: The disposable sandbox.
        paths: Paths of files.
        tree: The directory whose `.gitignore` files decide.
        verbose: Whether each path is preceded by the rule's file, line and pattern.
    """
    command = ["git", "check-ignore", "-z", "--stdin", "--no-index"]
    done = await sandbox.exec(
        [*command, *(["-v"] if verbose else [])],
        env=_STAGE_ENV | {"GIT_WORK_TREE": tree},
        cwd=tree,
        stdin=b"\0".join(paths) + b"\0",
        timeout=TIMEOUT,
    )
    return done.stdout.split(b"\0")[:-1]
