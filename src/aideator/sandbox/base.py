"""The port: what callers may rely on in any sandbox, whichever back end opened it."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from aideator.domain.isolation import Isolation

SANDBOX_UID = 64_646
"""Uid and gid of processes in a sandbox when the platform itself runs as root."""


def sandbox_uid() -> int | None:
    """Return the uid that root drops to for sandboxes, or None when not root."""
    return SANDBOX_UID if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Tree:
    """The content of `/workspace`: read-only layers, lowest first, and an upper.

    Writes land in `upper` and never reach the layers. Without an upper the tree is
    read-only.
    """

    layers: tuple[Path, ...]
    upper: Path | None = None
    work: Path | None = None
    """Scratch directory of overlayfs, on the same file system as `upper`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process in the sandbox, for example the places where tools of
    a layer look for their packages."""
    path: tuple[str, ...] = ()
    """Directories of a layer, as seen inside, to put first on PATH."""
    wanted: bool = True
    """Whether `upper` is read afterwards. If not, a back end may leave it empty."""


@dataclass(frozen=True)
class Bind:
    """A host file or directory that is visible inside, read-only."""

    source: Path
    target: str


@dataclass(frozen=True)
class Limits:
    """Resources of one sandbox, for all its processes together unless noted."""

    memory_bytes: int = 512 * 2**20
    cpus: float = 0.5
    start_cpus: float = 2.0
    """CPUs during the first `start_seconds`, if that is more than `cpus`.

    Half a CPU is enough for an agent that waits for its model, but the start of an
    agent (interpreter, imports) is all CPU, and slow starts are the first complaint
    about such tools. Memory and processes are limited from the start. Where no control
    group limits the CPU, this has no effect. The price: sandboxes that open at the same
    time share the processors for these seconds, and hostile code gets four times its
    share for them, once."""
    start_seconds: float = 5.0
    pids: int = 256
    disk_bytes: int = 2 * 2**30
    """Bytes that may be written to `/workspace`."""
    tmp_bytes: int = 512 * 2**20
    """Size of `/tmp` and of the home directory, each."""
    output_bytes: int = 8 * 2**20
    """Bytes of standard output and of standard error that `exec` keeps."""


@dataclass(frozen=True)
class ExecResult:
    """Result of a command. A failed command is a value, not an error."""

    exit_code: int | None
    """Exit code, 128 + n for signal n; None when the command was killed at its time
    limit."""
    stdout: bytes
    stderr: bytes
    truncated: bool = False
    """Whether output beyond `Limits.output_bytes` was dropped."""


class Size(NamedTuple):
    """The size of a terminal, in characters."""

    rows: int
    cols: int


class Process(Protocol):
    """A process in a sandbox, with its streams.

    On a terminal, all its output is standard output.
    """

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    async def wait(self) -> int:
        """Wait for the end and return the exit code, 128 + n for signal n.

        Raises:
            SandboxLost: if the sandbox ended first; a subclass, such as
                `DiskLimitExceeded`, when the reason is known.
        """
        ...

    async def kill(self) -> None:
        """Kill the process and its process group; on a terminal, its whole session.

        May be called as soon as the process has been started, and has no effect once it
        has ended.
        """
        ...

    def resize(self, size: Size) -> None:
        """Resize its terminal; do nothing if it has none."""
        ...


WORKSPACE = "/workspace"
"""Where the tree is in every sandbox."""


class Sandbox(Protocol):
    """An isolated environment with the workspace at `/workspace`.

    It ends with the context that opened it.
    """

    isolation: Isolation
    """What is enforced, as measured."""
    gateway_url: str
    """Base URL of the gateway, as seen inside."""

    async def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        terminal: Size | None = None,
    ) -> Process:
        """Start a process with exactly the sandbox's own environment plus `env`.

        Args:
            argv: The program and its arguments.
            env: Further variables.
            cwd: Its working directory.
            terminal: Size of a pseudo-terminal that becomes its standard streams and
                its controlling terminal; None for pipes.

        Raises:
            SandboxLost: if the sandbox has ended.
        """
        ...

    async def connect(
        self, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port inside, at 127.0.0.1 or else ::1.

        Closing the writer ends the connection in both directions.

        Raises:
            PortNotOpen: if no process accepts the connection.
            SandboxLost: if the sandbox has ended.
        """
        ...

    async def exec(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/workspace",
        stdin: bytes = b"",
        timeout: float | None = None,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ExecResult:
        """Run a command to its end.

        A program that does not exist ends with 127, as in a shell.

        Args:
            argv: The program and its arguments.
            env: Further variables.
            cwd: Its working directory.
            stdin: Its whole input.
            timeout: Seconds until it is killed; None for no limit.
            on_output: Called with each piece of standard output as it arrives.

        Raises:
            SandboxLost: if the sandbox ended before the command did.
        """
        ...


@dataclass(frozen=True)
class Finding:
    """One line of `aideator doctor`'s report about this machine."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    """Command or setting that fixes it."""
    fatal: bool = field(default=False)
    """Whether no sandbox can be opened unless it is fixed."""


@dataclass(frozen=True)
class PythonRuntime:
    """A Python in sandboxes that can start the built-in agent."""

    executable: str
    packages: tuple[str, ...]
    """Directories for `sys.path` with the agent's packages, as seen inside."""
    source: str
    """Directory that holds the package `aideator`, as seen inside."""
    binds: tuple[Bind, ...]


class SandboxBackend(Protocol):
    """An implementation that opens sandboxes."""

    name: str

    @property
    def runtime(self) -> PythonRuntime | None:
        """Python for the built-in agent, if sandboxes have one; None for the host's."""
        ...

    def open(
        self,
        tree: Tree,
        limits: Limits,
        *,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AbstractAsyncContextManager[Sandbox]:
        """Open a sandbox over `tree`; all its processes die when the context ends.

        Args:
            tree: Content of `/workspace`.
            limits: Resources that its processes may use.
            binds: Further files and directories to show, read-only.
            gateway: Unix socket of the gateway on the host; without it nothing outside
                can be reached.

        Raises:
            SandboxUnavailable: if this machine cannot isolate.
        """
        ...

    async def check(self) -> list[Finding]:
        """Report what works on this machine, what does not, and how to fix it."""
        ...


TOOLS = (
    "python3",
    "pip",
    "uv",
    "node",
    "npm",
    "go",
    "cargo",
    "rustc",
    "java",
    "mvn",
    "gradle",
    "make",
    "gcc",
)
"""Programs that projects are installed and tested with. The operator decides which of
them sandboxes have."""


async def missing_programs(
    sandbox: Sandbox, programs: Sequence[str] = TOOLS
) -> list[str]:
    """Return those of the programs that are not on the sandbox's PATH.

    Raises:
        SandboxLost: if the sandbox has ended.
    """
    script = (
        'for program; do command -v "$program" > /dev/null || echo "$program"; done'
    )
    found = await sandbox.exec(["sh", "-c", script, "sh", *programs], timeout=30)
    return found.stdout.decode().split()
