"""Run the host's git so that only our own arguments decide what it does.

Settings are passed as `GIT_CONFIG_COUNT/KEY_n/VALUE_n` in the child's environment,
never in argv: they have command scope, so a repository's own configuration cannot
override them, and a token among them appears in no process list. No protocol is allowed
unless a call names it in `GIT_ALLOW_PROTOCOL`.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from aideator.children import PIPE, Child, start_child
from aideator.domain.errors import RepositoryError
from aideator.domain.visible import visible_line

MAX_OUTPUT = 64 * 2**20
"""Limit for the standard output of a call, in bytes; far above what ours need."""
_MAX_STDERR = 64 * 2**10
MAX_MEMORY = 2 * 2**30
"""Limit for the data of a git process, in bytes. git keeps whole trees and every ref
that a server names in memory, and some kilobytes of a pack expand to gigabytes."""

_PASSED_ON = ("PATH", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")

_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}

HARDENED = {
    "safe.directory": "*",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "core.untrackedCache": "false",
    # Names that other systems take for `.git` are refused on this one as well.
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "credential.helper": "",
    "gc.auto": "0",
    "fetch.unpackLimit": "1",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "transfer.fsckObjects": "true",
    # Flaws in the history of old, well-known repositories: who wrote a commit, and
    # when, is only ever shown. What names files and objects stays strict.
    **{
        f"fetch.fsck.{flaw}": "ignore"
        for flaw in (
            "badDate",
            "badDateOverflow",
            "badEmail",
            "badName",
            "badTimezone",
            "missingEmail",
            "missingNameBeforeEmail",
            "missingSpaceBeforeDate",
            "missingSpaceBeforeEmail",
            "multipleAuthors",
            "zeroPaddedDate",
            "zeroPaddedFilemode",
        )
    },
    "http.followRedirects": "false",
    "http.proxy": "",
}
"""Settings of every call. A nested repository, an include or a hook cannot change
them."""


_NAMES_ERROR = re.compile(
    r"(remote: )?(error|fatal): |remote: .*(denied|not found)"
    # ssh, and servers behind it
    r"|ssh: |.*Permission denied|Host key verification failed|Connection closed"
    r"|.*IDENTIFICATION HAS CHANGED",
    re.I,
)
_CAUSE_CHARACTERS = 600


class GitError(RepositoryError):
    """A git command failed.

    Args:
        command: The git subcommand.
        exit_code: Its exit code; None if it was killed.
        stderr: Its standard error. The lines that name the error become the message;
            the last line if there are none.
    """

    def __init__(self, command: str, exit_code: int | None, stderr: str) -> None:
        self.exit_code = exit_code
        self.stderr = stderr
        cause = _cause(stderr) or f"exit code {exit_code}"
        super().__init__(f"git {command} failed: {cause}")


def _cause(stderr: str) -> str:
    """Return what git says about an error, on one line.

    The flaw is often named first, and its consequences after it: the last line alone
    says "index-pack failed". A server's own words are marked `remote:`.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    named = [line for line in lines if _NAMES_ERROR.match(line)] or lines[-1:]
    # A server may send anything, and a terminal would carry it out.
    return "; ".join(dict.fromkeys(map(visible_line, named)))[:_CAUSE_CHARACTERS]


class GitTimeout(GitError):
    """A git command took too long and was killed."""

    def __init__(self, command: str, seconds: float) -> None:
        super().__init__(command, None, f"it did not finish within {seconds:g} seconds")


def config_environment(config: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that pass settings to git.

    See git-config(1), section ENVIRONMENT.
    """
    variables = {"GIT_CONFIG_COUNT": str(len(config))}
    for number, (key, value) in enumerate(config.items()):
        variables |= {
            f"GIT_CONFIG_KEY_{number}": key,
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return variables


def user_environment() -> dict[str, str]:
    """Return environment variables that make git read the user's own configuration."""
    home = Path.home()
    return {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(_user_config(home)),
        "GIT_CONFIG_NOSYSTEM": os.environ.get("GIT_CONFIG_NOSYSTEM", "0"),
    }


def _user_config(home: Path) -> Path:
    """Find the user's configuration where git does: git-config(1), FILES."""
    if named := os.environ.get("GIT_CONFIG_GLOBAL"):
        return Path(named)
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "git", "config")
    for config in (home / ".gitconfig", xdg):
        if config.exists():
            return config
    return Path(os.devnull)


def quote_alternate(path: Path) -> str:
    """Return a path for GIT_ALTERNATE_OBJECT_DIRECTORIES, where a colon separates."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WITH_LIMITS = (
    "sh",
    "-c",
    f'umask 022 && ulimit -d {MAX_MEMORY // 2**10} && exec "$@"',
    "sh",
)
"""uvloop's subprocesses support neither `umask` nor `user`, so small programs in front
of git set both."""


def _as_user(uid: int) -> tuple[str, ...]:
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--")


async def git(
    *arguments: str,
    cwd: Path | None = None,
    config: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout: float | None = 60.0,
    user: int | None = None,
) -> bytes:
    """Run git and return its standard output.

    Args:
        arguments: The command line after `git`; nothing secret.
        cwd: The working directory; the root directory when absent, so that git finds no
            repository by accident.
        config: Settings in addition to `HARDENED`.
        env: Environment variables in addition to the fixed ones.
        stdin: Data for git's standard input.
        timeout: Seconds after which the whole process group is killed; None where the
            caller has a deadline.
        user: The uid and gid to run as; this process's own when absent.

    Raises:
        GitError: if git fails or prints more than `MAX_OUTPUT` bytes.
        GitTimeout: if it does not finish in time.
    """
    try:
        async with (
            running_git(
                *arguments, cwd=cwd, config=config, env=env, user=user
            ) as process,
            asyncio.timeout(timeout),
        ):
            stdout, stderr = await _communicate(process, stdin)
    except TimeoutError:
        raise GitTimeout(arguments[0], timeout or 0) from None
    if len(stdout) > MAX_OUTPUT:
        raise GitError(arguments[0], None, f"it printed more than {MAX_OUTPUT} bytes")
    _need_success(arguments[0], process, stderr)
    return stdout


@asynccontextmanager
async def running_git(
    *arguments: str,
    cwd: Path | None = None,
    config: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    user: int | None = None,
) -> AsyncIterator[Child]:
    """Start git as `git` does; at the context's end kill it if it still runs."""
    inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    settings = config_environment(HARDENED | dict(config or {}))
    process = await start_child(
        [
            *_WITH_LIMITS,
            *(_as_user(user) if user is not None else ()),
            "git",
            *arguments,
        ],
        cwd=cwd or "/",
        env=inherited | _ENVIRONMENT | settings | dict(env or {}),
        streams=(PIPE, PIPE, PIPE),
    )
    try:
        yield process
    finally:
        process.kill_group()
        process.close_pipes()
        await process.wait()


@asynccontextmanager
async def streaming_git(
    *arguments: str, cwd: Path
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Run git and yield its standard output piece by piece, however long it is.

    Leaving the context early ends git.

    Raises:
        GitError: if git fails; raised by the iterator after the last piece.
    """

    async def pieces(process: Child) -> AsyncGenerator[bytes, None]:
        process.stdin.close()
        while piece := await process.stdout.read(2**16):
            yield piece
        stderr = await process.stderr.read(_MAX_STDERR)
        await process.wait()
        _need_success(arguments[0], process, stderr)

    async with (
        running_git(*arguments, cwd=cwd) as process,
        aclosing(pieces(process)) as printed,
    ):
        yield printed


def _need_success(command: str, process: Child, stderr: bytes) -> None:
    if process.returncode != 0:
        message = stderr[:_MAX_STDERR].decode(errors="replace")
        raise GitError(command, process.returncode, message)


async def _communicate(process: Child, data: bytes) -> tuple[bytes, bytes]:
    async with asyncio.TaskGroup() as group:
        stdout = group.create_task(_read(process, process.stdout, MAX_OUTPUT))
        stderr = group.create_task(_read(process, process.stderr, 16 * _MAX_STDERR))
        group.create_task(_feed(process.stdin, data))
    await process.wait()
    return stdout.result(), stderr.result()


async def _read(process: Child, stream: asyncio.StreamReader, limit: int) -> bytes:
    """Read a stream to its end; kill the process when it exceeds `limit` bytes."""
    kept = bytearray()
    while chunk := await stream.read(2**16):
        kept += chunk
        if len(kept) > limit:
            process.kill_group()
            break
    return bytes(kept)


async def _feed(stream: asyncio.StreamWriter, data: bytes) -> None:
    # git may end before it has read everything; its exit code says whether that is an
    # error. uvloop refuses to write to a closed pipe.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if data and not stream.is_closing():
            stream.write(data)
            await stream.drain()
    stream.close()
