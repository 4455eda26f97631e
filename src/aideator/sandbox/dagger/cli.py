"""Command lines and environment of the Dagger CLI. Only this module knows its options.

Odd on purpose:

- `--progress` is always given: the CLI's default depends on terminals, versions and the
  caller.
- Arguments are `--name=value`, lists by repetition. The CLI parses all of them once for
  its own options before it knows ours: no argument of ours may have the name of one
  (`--workdir` would change its directory).
- The CLI reads list values as CSV and drops quotes from them, so a path with such a
  character is refused here.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aideator.domain.errors import SandboxUnavailable

RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
"""The CLI's own variable that chooses the engine."""
OLDEST, NEWEST = (0, 21, 8), (0, 22)
"""Versions that the module was made for: from the first, below the second."""
_PASSED = (
    "HOME",
    "PATH",
    "USER",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "CONTAINER_HOST",
    "KUBECONFIG",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
"""Variables that the CLI needs to find and reach an engine. It gets nothing else of the
server's environment."""
_QUIET = {
    "DAGGER_NO_NAG": "1",
    "DAGGER_NO_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
}
_PLAIN_PATH = re.compile(r"/[^,\"'`\r\n]*[^,\"'`\s]|/")
_VERSION = re.compile(r"dagger v(\d+)\.(\d+)\.(\d+)")

Arguments = Mapping[str, str | Path | Sequence[Path]]
"""Name in Python's spelling → value, or several values for a list."""


def call(
    cli: Path, module: Path, function: str, arguments: Arguments, *, then: str
) -> list[str]:
    """Return the command line that calls a function, then `then` on its result.

    Raises:
        SandboxUnavailable: if a path cannot be passed to the CLI.
    """
    flags = []
    for name, value in arguments.items():
        values = [value] if isinstance(value, str | Path) else value
        flags += [f"--{name.replace('_', '-')}={_argument(each)}" for each in values]
    return [
        str(cli),
        "--progress=logs",
        "call",
        f"--mod={_argument(module)}",
        function,
        *flags,
        then,
    ]


def version(cli: Path) -> list[str]:
    """Return the command line that prints the CLI's version. It needs no engine."""
    return [str(cli), "version"]


def engine_version(cli: Path) -> list[str]:
    """Return the command line that asks an engine, which the CLI may start for it."""
    return [str(cli), "--progress=logs", "core", "version"]


def functions(cli: Path, module: Path) -> list[str]:
    """Return the command line that loads the module and lists its functions."""
    return [str(cli), "--progress=logs", "functions", f"--mod={_argument(module)}"]


def _argument(value: str | Path) -> str:
    if isinstance(value, Path) and not _PLAIN_PATH.fullmatch(str(value)):
        raise SandboxUnavailable(
            f"the Dagger CLI does not understand the path {str(value)!r}",
            hint="choose an AIDEATOR_HOME without commas, quotes and line breaks",
        )
    return str(value)


def environment(server: Mapping[str, str], runner_host: str | None) -> dict[str, str]:
    """Return the CLI's whole environment, taken from the server's."""
    passed = {name: server[name] for name in _PASSED if name in server}
    return passed | _QUIET | ({RUNNER_HOST: runner_host} if runner_host else {})


def find(name: str, path: str | None) -> Path:
    """Return the CLI's program.

    Args:
        name: A name, looked up in the directories of `path`, or a path.
        path: The server's PATH.

    Raises:
        SandboxUnavailable: if it is not there.
    """
    directories = (path or os.defpath).split(os.pathsep)
    candidates = [Path(directory, name) for directory in directories if directory]
    if os.sep in name:
        candidates = [Path(name)]
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.absolute()
    wanted = ".".join(map(str, OLDEST))
    raise SandboxUnavailable(
        f"there is no Dagger CLI {name!r} here",
        hint=f"install Dagger {wanted} or later (https://docs.dagger.io/install), "
        "or set DAGGER_CLI to its path",
    )


def check_version(printed: str) -> str:
    """Return the version in the output of `dagger version`.

    Raises:
        SandboxUnavailable: if it is not one that the module was made for.
    """
    found = _VERSION.match(printed)
    numbers = tuple(map(int, found.groups())) if found else ()
    if not OLDEST <= numbers < NEWEST:
        wanted = ".".join(map(str, OLDEST))
        shown = printed.strip()[:100] or "it says nothing"
        raise SandboxUnavailable(
            f"this Dagger CLI is not of the versions that AIdeator knows: {shown}",
            hint=f"install Dagger {wanted} or a later 0.21: "
            "https://docs.dagger.io/install",
        )
    return ".".join(map(str, numbers))
