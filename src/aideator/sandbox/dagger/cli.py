"""The Dagger CLI as a process: its command line, environment and end.

Only this file knows how it is spoken to.

One process is one session with the engine, and ends with it. Odd on purpose:

- `--progress` is always said: what the CLI chooses by itself depends on terminals,
  versions and who calls.
- Arguments are `--name=value`, lists by repetition. The CLI parses all of them once for
  its own options before it knows ours: no argument of ours may have the name of one
  (`--workdir` would change its directory).
- It reads list values as CSV and drops quotes from them, so a path with such a
  character is refused here.
- SIGINT is the only signal that it handles; the engine ends a session's containers when
  its client has gone. It gets one when this process dies, too.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aideator.children import DEVNULL, PIPE, Child, start_child
from aideator.domain.errors import SandboxUnavailable

RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
"""The CLI's own variable for the engine that it shall use."""
OLDEST, NEWEST = (0, 21, 8), (0, 22)
"""The versions that the module was made for: from the first, below the second."""
STDERR_KEPT, STDOUT_KEPT = 65_536, 2**20
INTERRUPTED = 2
"""The CLI's exit code after SIGINT."""
INTERRUPT_SECONDS = 15.0
"""How long the CLI may take to end its session after SIGINT."""
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
"""What the CLI needs to find and reach an engine. Nothing else of the server's
environment is its business."""
_QUIET = {
    "DAGGER_NO_NAG": "1",
    "DAGGER_NO_UPDATE_CHECK": "1",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
}
_PLAIN_PATH = re.compile(r"/[^,\"'`\r\n]*[^,\"'`\s]|/")
_VERSION = re.compile(r"dagger v(\d+)\.(\d+)\.(\d+)")

Arguments = Mapping[str, str | Path | Sequence[Path]]
"""Name in Python's spelling → value; several for a list."""


def call(
    cli: Path, module: Path, function: str, arguments: Arguments, *, then: str
) -> list[str]:
    """The command line that calls a function of the module, and then one on what that returned.

    Raises:
        SandboxUnavailable: if a path cannot be said to the CLI.
    """
    flags = []
    for name, value in arguments.items():
        values = (
            value
            if isinstance(value, Sequence) and not isinstance(value, str)
            else [value]
        )
        flags += [f"--{name.replace('_', '-')}={_said(each)}" for each in values]
    return [
        str(cli),
        "--progress=logs",
        "call",
        f"--mod={_said(module)}",
        function,
        *flags,
        then,
    ]


def version(cli: Path) -> list[str]:
    """The command line that says which version the CLI has. It needs no engine."""
    return [str(cli), "version"]


def engine_version(cli: Path) -> list[str]:
    """The command line that asks the engine, starting one if that is the CLI's way."""
    return [str(cli), "--progress=logs", "core", "version"]


def functions(cli: Path, module: Path) -> list[str]:
    """The command line that loads the module and lists its functions."""
    return [str(cli), "--progress=logs", "functions", f"--mod={_said(module)}"]


def _said(value: str | Path) -> str:
    if isinstance(value, Path) and not _PLAIN_PATH.fullmatch(str(value)):
        raise SandboxUnavailable(
            f"the Dagger CLI does not understand the path {str(value)!r}",
            hint="choose an AIDEATOR_HOME without commas, quotes and line breaks",
        )
    return str(value)


def environment(server: Mapping[str, str], runner_host: str | None) -> dict[str, str]:
    """The CLI's whole environment, from the server's own."""
    passed = {name: server[name] for name in _PASSED if name in server}
    return passed | _QUIET | ({RUNNER_HOST: runner_host} if runner_host else {})


def find(name: str, path: str | None) -> Path:
    """The CLI's program.

    Raises:
        SandboxUnavailable: if it is not there.
    """
    directories = (path or os.defpath).split(os.pathsep)
    candidates = (
        [Path(name)]
        if os.sep in name
        else [Path(directory, name) for directory in directories if directory]
    )
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate.absolute()
    wanted = ".".join(map(str, OLDEST))
    raise SandboxUnavailable(
        f"there is no Dagger CLI {name!r} here",
        hint=f"install Dagger {wanted} or later (https://docs.dagger.io/install), or set DAGGER_CLI to its path",
    )


def check_version(said: str) -> str:
    """The version in what `dagger version` says.

    Raises:
        SandboxUnavailable: if it is not one that the module was made for.
    """
    found = _VERSION.match(said)
    numbers = tuple(map(int, found.groups())) if found else ()
    if not OLDEST <= numbers < NEWEST:
        wanted = ".".join(map(str, OLDEST))
        raise SandboxUnavailable(
            f"this Dagger CLI is not of the versions that AIdeator knows: {said.strip()[:100] or 'it says nothing'}",
            hint=f"install Dagger {wanted} or a later 0.21: https://docs.dagger.io/install",
        )
    return ".".join(map(str, numbers))


@dataclass
class Kept:
    """The last of an output, as it comes."""

    limit: int
    hear: Callable[[str], None] | None = None
    """Called with each line."""

    def __post_init__(self) -> None:
        self._kept = bytearray()
        self._line = b""

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Read all there is."""
        with suppress(ConnectionError):
            while chunk := await stream.read(65_536):
                self._kept += chunk
                del self._kept[: -self.limit]
                self._tell(chunk)

    def _tell(self, chunk: bytes) -> None:
        if self.hear is None:
            return
        *lines, self._line = (self._line + chunk).split(b"\n")
        self._line = self._line[-self.limit :]
        for line in lines:
            self.hear(line.decode(errors="replace"))

    def text(self) -> str:
        """What was kept."""
        return self._kept.decode(errors="replace")


class Session:
    """A running CLI.

    Made by `begin`; whoever made it has to run `listen`, and to end it.
    """

    def __init__(self, child: Child, hear: Callable[[str], None] | None) -> None:
        self._child = child
        self._stdout, self._stderr = Kept(STDOUT_KEPT), Kept(STDERR_KEPT, hear)
        self._over = asyncio.Event()

    async def listen(self) -> None:
        """Read what it says until it has ended."""
        try:
            async with asyncio.TaskGroup() as streams:
                streams.create_task(self._stdout.drain(self._child.stdout))
                streams.create_task(self._stderr.drain(self._child.stderr))
            await self._child.wait()
        finally:
            self._over.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Whether it ended in that time, with all that it said read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
            return True
        return False

    async def end(self) -> None:
        """Have it end its session, by force in the end.

        It must be listened to meanwhile.
        """
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGINT)
            await self.wait(INTERRUPT_SECONDS)
        self._child.kill_group()
        await self._child.wait()

    @property
    def code(self) -> int | None:
        """How it ended; null while it runs."""
        return self._child.returncode

    @property
    def result(self) -> str:
        """What it wrote to standard output."""
        return self._stdout.text()

    @property
    def told(self) -> str:
        """The last of what it wrote to standard error."""
        return self._stderr.text()


async def begin(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    hear: Callable[[str], None] | None = None,
) -> Session:
    """Start the CLI.

    Args:
        argv: Its command line.
        cwd: Where it runs: a directory of ours, for it looks for a `.env` upwards from
            there.
        env: Its whole environment.
        hear: Called with each line of its progress.

    Raises:
        SandboxUnavailable: if it cannot be started.
    """
    try:
        child = await start_child(
            [*_dying_with_us(), *argv], cwd=cwd, env=env, streams=(DEVNULL, PIPE, PIPE)
        )
    except OSError as error:
        raise SandboxUnavailable(f"{argv[0]} cannot be started: {error}") from error
    return Session(child, hear)


def _dying_with_us() -> list[str]:
    """What goes before a command line so that SIGINT comes when this process is gone, however that happened.

    Else a killed server would leave its containers running. `setpriv` is part of
    util-linux.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


async def ask(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], seconds: float
) -> tuple[int | None, str, str]:
    """Run the CLI to its end: exit code (null if it took too long), standard output and standard error.

    Raises:
        SandboxUnavailable: if it cannot be started.
    """
    session = await begin(argv, cwd=cwd, env=env)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.listen())
        try:
            in_time = await session.wait(seconds)
        finally:
            await session.end()
    return (session.code if in_time else None), session.result, session.told
