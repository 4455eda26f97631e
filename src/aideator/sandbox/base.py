"""The port: what a caller may expect of any sandbox, whichever back end opened it."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from aideator.domain.run import Isolation

SANDBOX_UID = 64_646
"""Uid and gid of everything inside a sandbox when the platform itself runs as root."""


def sandbox_uid() -> int | None:
    """The uid that the platform drops to for sandboxes, or None when it is not root and keeps its own."""
    return SANDBOX_UID if os.geteuid() == 0 else None


@dataclass(frozen=True)
class Tree:
    """What `/workspace` shows: read-only layers, lowest first, and where writes go.

    Writes land in `upper` and never reach the layers. Without an upper the tree is
    read-only.
    """

    layers: tuple[Path, ...]
    upper: Path | None = None
    work: Path | None = None
    """overlayfs' scratch directory, beside `upper` on the same file system."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process here, such as where the tools in a layer look for
    their packages."""
    path: tuple[str, ...] = ()
    """Directories of a layer, as seen inside, that come first on PATH."""
    wanted: bool = True
    """Whether somebody looks into `upper` afterwards. If not, a back end may leave it
    empty."""


@dataclass(frozen=True)
class Bind:
    """A host file or directory that is visible inside, read-only."""

    source: Path
    target: str


@dataclass(frozen=True)
class Limits:
    """What the processes of one sandbox may use, together unless said otherwise."""

    memory_bytes: int = 512 * 2**20
    cpus: float = 0.5
    start_cpus: float = 2.0
    """CPUs during the first `start_seconds`, if that is more than `cpus`.

    Half a CPU is plenty for an agent that waits for its model, but an agent's start
    (interpreter, imports) is all CPU, and slow starts are the first complaint about
    such tools. Memory and processes are limited from the start. Where no control group
    limits the CPU, nothing changes. Sandboxes that open at once share the processors
    for these seconds, and hostile code gets four times its share for them, once."""
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
    """How a command ended. A failed command is a value, not an error."""

    exit_code: int | None
    """Null when the command was stopped at its time limit. 128 + n when signal n ended
    it."""
    stdout: bytes
    stderr: bytes
    truncated: bool = False
    """Whether output beyond `Limits.output_bytes` was dropped."""


class Size(NamedTuple):
    """The size of a terminal, in characters."""

    rows: int
    cols: int


class Process(Protocol):
    """A process inside a sandbox, with its streams.

    On a terminal, all that it prints is standard output.
    """

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    async def wait(self) -> int:
        """Wait for the end and return the exit code, 128 + n for signal n.

        Raises:
            SandboxLost: if the sandbox ended first; its subclasses `DiskLimitExceeded`
                and the like say why when known.
        """
        ...

    async def kill(self) -> None:
        """End the process and its process group at once.

        Ending what has ended already is no error.

        On a terminal, every process of its session ends.
        """
        ...

    def resize(self, size: Size) -> None:
        """Give its terminal another size; without one, nothing happens."""
        ...


class Sandbox(Protocol):
    """An isolated place with the workspace at `/workspace`.

    It ends with the context that opened it.
    """

    isolation: Isolation
    """What is really enforced here."""
    gateway_url: str
    """The base URL, inside, that leads to the gateway."""

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
            cwd: Where it starts.
            terminal: The size of a pseudo-terminal, which then is its standard input
                and output, and controls it.

        Raises:
            SandboxLost: if the sandbox has ended.
        """
        ...

    async def connect(
        self, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a port on which a process inside listens, at 127.0.0.1 or else ::1.

        Closing the writer ends the connection, both ways.

        Raises:
            NobodyListens: if there is no answer.
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
    ) -> ExecResult:
        """Run a command to its end.

        A program that does not exist ends with 127, as in a shell.

        Raises:
            SandboxLost: if the sandbox ended before the command did.
        """
        ...


@dataclass(frozen=True)
class Finding:
    """One line of what `aideator doctor` says about this machine."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    """The command or setting that mends it."""
    fatal: bool = field(default=False)
    """Whether no sandbox can be opened without it."""


@dataclass(frozen=True)
class PythonRuntime:
    """What a Python agent of ours needs to start."""

    executable: str
    packages: tuple[str, ...]
    """Directories for `sys.path`, as seen inside."""
    source: str
    """The directory that holds the package `aideator`, as seen inside."""
    binds: tuple[Bind, ...]


class SandboxBackend(Protocol):
    """A way to make sandboxes."""

    name: str

    @property
    def runtime(self) -> PythonRuntime | None:
        """Where its sandboxes have Python agents of ours; null when those are shown this host's own."""
        ...

    def open(
        self,
        tree: Tree,
        limits: Limits,
        *,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AbstractAsyncContextManager[Sandbox]:
        """Open a sandbox over `tree`; everything inside dies when the context ends.

        Args:
            tree: What `/workspace` shows.
            limits: What the processes inside may use.
            binds: Further read-only files and directories.
            gateway: The gateway's Unix socket on the host; without it nothing outside
                can be reached at all.

        Raises:
            SandboxUnavailable: if this machine cannot isolate.
        """
        ...

    async def check(self) -> list[Finding]:
        """Look at this machine and say what works, what does not, and how to mend it."""
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
"""Programs that projects are installed and tested with; which of them a sandbox has is
the operator's doing."""


async def without(sandbox: Sandbox, programs: Sequence[str] = TOOLS) -> list[str]:
    """Those of the programs that are not on the sandbox's PATH.

    Raises:
        SandboxLost: if the sandbox has ended.
    """
    script = (
        'for program; do command -v "$program" > /dev/null || echo "$program"; done'
    )
    found = await sandbox.exec(["sh", "-c", script, "sh", *programs], timeout=30)
    return found.stdout.decode().split()
