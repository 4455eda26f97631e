"""Run git over an untrusted tree in a disposable sandbox.

git runs with the checkout's own `.git` as GIT_DIR, and an index and an object store of
its own, so it never reads configuration, hooks, filters or an index that the agent has
left.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aideator.changes.leftovers import exclude_patterns
from aideator.domain.errors import PatchRejected
from aideator.repositories.git import HARDENED, config_environment
from aideator.sandbox.base import ExecResult, Sandbox

TRUSTED = "/trusted.git"
WORKSPACE = "/workspace"
CHANGES = "/changes"
"""The upper layer alone: what the attempt has written."""
SCRATCH = "/tmp/extract"
"""In the disposable sandbox's own /tmp."""
EMPTY = f"{SCRATCH}/empty"
"""A work tree without files, in which only the excludes file decides."""
_EXCLUDES = f"{SCRATCH}/leftovers"
TIMEOUT = 120.0

Paths = tuple[str, ...]
"""Paths relative to the repository's root; bytes that are not UTF-8 as `os.fsdecode`
writes them."""

ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
STAGE_ENV = ENV | {
    "GIT_DIR": TRUSTED,
    "GIT_WORK_TREE": WORKSPACE,
    "GIT_INDEX_FILE": f"{SCRATCH}/index",
    "GIT_OBJECT_DIRECTORY": f"{SCRATCH}/objects",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{TRUSTED}/objects",
    # An agent can restore a changed file's size and modification time, but not its
    # change time.
    **config_environment(
        HARDENED
        | {
            "core.checkStat": "default",
            "core.excludesFile": _EXCLUDES,
            "advice.addEmbeddedRepo": "false",
        }
    ),
}


async def prepare(sandbox: Sandbox) -> None:
    """Give git its own index, object store and excludes file in the sandbox's /tmp."""
    script = (
        f"mkdir -p {SCRATCH}/objects {EMPTY} && cp {TRUSTED}/index {SCRATCH}/index"
        f" && cat > {_EXCLUDES} && git ls-files -z -c -i --exclude-from={_EXCLUDES}"
    )
    listed = await run_git(sandbox, ["sh", "-c", script], stdin=exclude_patterns())
    if tracked := await match_leftovers(sandbox, split_names(listed)):
        excludes = exclude_patterns(tracked)
        await run_git(sandbox, ["sh", "-c", f"cat > {_EXCLUDES}"], stdin=excludes)


async def match_leftovers(sandbox: Sandbox, paths: Sequence[bytes]) -> dict[bytes, str]:
    """Return those paths that are leftovers of tools → the pattern that says so."""
    rules = await find_rules(sandbox, paths, tree=EMPTY)
    return {path: rule.pattern for path, rule in rules.items()}


class Rule(NamedTuple):
    """A pattern that makes git ignore a file."""

    source: str
    """The `.gitignore`, relative to the tree; empty for the leftovers of tools."""
    pattern: str


async def find_rules(
    sandbox: Sandbox, paths: Sequence[bytes], *, tree: str
) -> dict[bytes, Rule]:
    """Return those paths that are ignored → the rule that says so.

    Args:
        sandbox: The disposable sandbox.
        paths: Files; a folder ends with a slash.
        tree: The directory whose `.gitignore` files decide.
    """
    if not paths:
        return {}
    # Where the folder does not exist, git takes its name for that of a file.
    asked = {path + b"_" if path.endswith(b"/") else path: path for path in paths}
    done = await try_git(
        sandbox,
        ["git", "check-ignore", "-z", "-v", "--stdin", "--no-index"],
        env={"GIT_WORK_TREE": tree},
        cwd=tree,
        stdin=b"".join(path + b"\0" for path in asked),
    )
    fields = split_names(done.stdout)
    rows = zip(fields[::4], fields[2::4], fields[3::4], strict=False)
    return {
        asked[path]: Rule(_source(source), os.fsdecode(pattern))
        for source, pattern, path in rows
        if path in asked and not pattern.startswith(b"!")
    }


def _source(source: bytes) -> str:
    return "" if source == _EXCLUDES.encode() else text(source)


async def run_git(
    sandbox: Sandbox,
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run a command with the environment for staging; return its standard output.

    Raises:
        PatchRejected: if it fails, or prints more than the sandbox's limit.
    """
    return read_output(await try_git(sandbox, command, stdin=stdin, env=env))


def read_output(done: ExecResult) -> bytes:
    """Return the standard output of a command that succeeded.

    Raises:
        PatchRejected: if it failed, or printed more than the sandbox's limit.
    """
    if done.truncated:
        raise PatchRejected(
            "the change is too large for a patch",
            hint="exclude build products with .gitignore",
        )
    if done.exit_code != 0:
        raise PatchRejected(f"git cannot make a patch of the change: {last_line(done)}")
    return done.stdout


async def try_git(
    sandbox: Sandbox,
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str = WORKSPACE,
) -> ExecResult:
    """Run a command with the environment for staging."""
    return await sandbox.exec(
        command,
        env=STAGE_ENV | dict(env or {}),
        cwd=cwd,
        stdin=stdin,
        timeout=TIMEOUT,
    )


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


def split_names(listed: bytes) -> list[bytes]:
    """Return the names of a list in which each one ends with NUL."""
    return listed.split(b"\0")[:-1]


def is_below(path: bytes, folders: Sequence[bytes]) -> bool:
    """Return whether a path is one of those folders or lies below one."""
    return path in folders or path.startswith(tuple(each + b"/" for each in folders))
