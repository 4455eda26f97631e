"""The bubblewrap back end: it needs no daemon, no image, no cleaning up after a crash.

The order of steps matters: start bubblewrap, learn the first process's pid, put it into
its control group, and only then let it run (`--block-fd`). At the end kill the first
process, and wait until the kernel has ended all others with it.
"""

import asyncio
import fcntl
import json
import os
import py_compile
import resource
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from aideator.children import DEVNULL, Child, start_child
from aideator.domain.errors import AideatorError, SandboxLost, SandboxUnavailable
from aideator.domain.isolation import Isolation
from aideator.sandbox import shim
from aideator.sandbox.base import (
    TOOLS,
    Bind,
    Finding,
    Limits,
    Sandbox,
    Tree,
    missing_programs,
    sandbox_uid,
)
from aideator.sandbox.bubblewrap.cgroup import (
    Cgroup,
    remove_stale,
    rlimits,
    sandboxes_share,
)
from aideator.sandbox.bubblewrap.command import (
    CommandLine,
    bwrap_command,
    describe_bwrap,
)
from aideator.sandbox.bubblewrap.doctor import (
    explain,
    limit_findings,
    share_finding,
)
from aideator.sandbox.disk import watch_disk
from aideator.sandbox.host_python import host_python
from aideator.sandbox.leftovers import marker, remove_unlocked
from aideator.sandbox.link import Link
from aideator.sandbox.system_files import COMMON_ENV

_RUN, _SHIM, _SOCKET = "/run/aideator", "/run/shim.pyc", "home"
_SOCKET_PATH_LIMIT = 107
_OPEN_SECONDS, _CLOSE_SECONDS = 20.0, 5.0
_FILES = (1024, 4096)
"""Soft and hard limit of open files of a process."""
_LOCKED_BYTES = 8 * 2**20
"""Memory that a process may lock. The host's own limit may be infinite."""
_STDERR_BYTES = 65_536
_NEW_SECONDS = 60.0
"""Age up to which a directory without a lock is not taken for a stale one."""
_NICE = 5
"""Niceness of sandboxes above the server's own. It lets the server go first only where
neither control groups nor autogroups (sched(7)) divide the processor: between groups
their weights decide (`parent_group.py`)."""


def create(runtime_dir: Path, *, toolchains: Sequence[Path] = ()) -> "Bubblewrap":
    """Create the back end.

    Args:
        runtime_dir: Directory for sockets and staging.
        toolchains: Directories to show inside at the same path; their `bin` comes first
            on PATH.
    """
    return Bubblewrap(runtime_dir, toolchains)


class Bubblewrap:
    """The back end. `runtime_dir` holds a temporary directory for each open sandbox."""

    name = "bubblewrap"
    runtime = None

    def __init__(self, runtime_dir: Path, toolchains: Sequence[Path]) -> None:
        self._runtime_dir = runtime_dir.absolute()
        self._removed_stale = False
        python = host_python()
        self._python = python.executable
        self._binds = (
            *python.binds,
            *(Bind(tools, str(tools)) for tools in toolchains),
        )
        path = [
            *(f"{tools}/bin" for tools in toolchains),
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
        ]
        if python.binds:
            path.append(str(Path(python.executable).parent))
        self._env = {
            "PATH": ":".join(path),
            **COMMON_ENV,
        }

    @asynccontextmanager
    async def open(
        self,
        tree: Tree,
        limits: Limits,
        *,
        binds: Sequence[Bind] = (),
        gateway: Path | None = None,
    ) -> AsyncIterator[Sandbox]:
        """Open a sandbox, see `SandboxBackend.open`.

        As root, `tree.upper` is given to the sandbox's uid.
        """
        if not self._removed_stale:
            self._removed_stale = True
            await asyncio.to_thread(_remove_stale, self._runtime_dir)
        name, owner = secrets.token_hex(4), sandbox_uid()
        directory = self._runtime_dir / name
        async with AsyncExitStack() as closing:
            closing.callback(shutil.rmtree, directory, ignore_errors=True)
            socket, lock = _make_directory(directory, owner, tree)
            closing.callback(os.close, lock)
            group = Cgroup.create(
                name, replace(limits, cpus=max(limits.cpus, limits.start_cpus))
            )
            closing.push_async_callback(asyncio.to_thread, group.remove)
            closing.callback(group.kill)
            path = ":".join([*tree.path, self._env["PATH"]])
            link = Link(
                socket,
                isolation=_isolation(group, gateway),
                env={**self._env, **tree.env, "PATH": path},
                output_bytes=limits.output_bytes,
                gateway=gateway,
                post_mortem=lambda: _post_mortem(group),
            )
            await closing.enter_async_context(link)
            visible = (Bind(socket.parent, _RUN), *self._binds, *binds)
            stage = directory / "stage"
            with ExitStack() as after_start:
                line = CommandLine(after_start)
                pipes = _open_pipes(line, closing)
                line.add("--ro-bind-data", line.file(_compiled_shim()), _SHIM)
                argv = bwrap_command(line, tree, visible, limits, stage)
                argv += self._shim_command(limits, group)
                process = await _execute(
                    argv, line, pipes, stage, marker(self._runtime_dir)
                )
            await closing.enter_async_context(
                _running_bwrap(process, pipes, group, link)
            )
            link.run(_lower_cpu_limit_later(group, limits))
            if tree.upper is not None:
                link.run(watch_disk(tree.upper, limits.disk_bytes, link.fail))
            yield link

    async def check(self) -> list[Finding]:
        """Report how opening a sandbox works here, see `SandboxBackend.check`."""
        home = self._runtime_dir / f"check-{secrets.token_hex(4)}"
        tree = Tree((home / "layer",), home / "upper", home / "work")
        findings = []
        try:
            for path in (*tree.layers, home / "upper", home / "work"):
                path.mkdir(parents=True)
            binary = await asyncio.to_thread(describe_bwrap)
            findings.append(Finding("bubblewrap", ok=True, detail=binary))
            async with self.open(tree, Limits()) as sandbox:
                started = await sandbox.exec(
                    ["sh", "-c", "touch /workspace/x"], timeout=_OPEN_SECONDS
                )
                missing = await missing_programs(sandbox)
                isolation, share = sandbox.isolation, sandboxes_share()
        except (AideatorError, OSError) as error:
            hint = error.hint if isinstance(error, AideatorError) else ""
            return [
                *findings,
                Finding("sandbox", ok=False, detail=str(error), fix=hint, fatal=True),
            ]
        finally:
            shutil.rmtree(home, ignore_errors=True)
        writable = started.exit_code == 0
        detail = (
            "opens, and its workspace can be written"
            if writable
            else started.stderr.decode(errors="replace")
        )
        return [
            *findings,
            Finding("sandbox", ok=writable, detail=detail, fatal=not writable),
            Finding("tools", ok=True, detail=_describe_tools(missing)),
            *limit_findings(isolation.limits),
            share_finding(share),
        ]

    def _shim_command(self, limits: Limits, group: Cgroup) -> list[str]:
        """Return what to run inside: the shim, under the limits of each process."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft, hard = _FILES
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        each = {
            "core": 0,
            "fsize": limits.disk_bytes,
            "memlock": _LOCKED_BYTES,
            "nofile": f"{soft}:{hard}",
            **rlimits(limits, group.enforced),
        }
        return [
            *("--chdir", "/workspace", "--"),
            *("/usr/bin/nice", "-n", str(_NICE), "/usr/bin/prlimit"),
            *(f"--{name}={limit}" for name, limit in each.items()),
            *(self._python, "-I", "-S", "-X", "utf8", _SHIM, f"{_RUN}/{_SOCKET}"),
        ]


def _describe_tools(missing: Sequence[str]) -> str:
    seen = ", ".join(tool for tool in TOOLS if tool not in missing)
    if not missing:
        return f"sandboxes see {seen}"
    return f"sandboxes see {seen}; not {', '.join(missing)} (SANDBOX_TOOLCHAINS)"


@cache
def _compiled_shim() -> bytes:
    """Return the shim as bytecode, so that it is not compiled at every start.

    The interpreter inside is the same as this one.
    """
    with tempfile.TemporaryDirectory() as directory:
        compiled = py_compile.compile(
            shim.__file__,
            str(Path(directory, "shim.pyc")),
            dfile="shim.py",
            doraise=True,
        )
        return Path(str(compiled)).read_bytes()


def _make_directory(directory: Path, owner: int | None, tree: Tree) -> tuple[Path, int]:
    """Make the directory of one sandbox.

    Returns:
        The path of its socket, and the descriptor of a lock that marks it as in use.

    Raises:
        SandboxUnavailable: if it cannot be made, or its path is too long for a socket.
    """
    socket = directory / "link" / _SOCKET
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT:
        raise SandboxUnavailable(
            f"{socket} is too long a path for a socket",
            hint="choose a shorter runtime directory",
        )
    try:
        socket.parent.mkdir(parents=True, mode=0o700)
        (directory / "stage").mkdir()
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if owner is not None:
            for path in (socket.parent, *([tree.upper] if tree.upper else [])):
                os.chown(path, owner, owner)
    except OSError as error:
        raise SandboxUnavailable(
            str(error), hint="the runtime directory must be this user's own"
        ) from error
    return socket, lock


def _remove_stale(runtime_dir: Path) -> None:
    """Remove control groups and unlocked directories that killed servers have left."""
    remove_stale()
    remove_unlocked(runtime_dir, older_than=_NEW_SECONDS)


@dataclass(frozen=True)
class _Pipes:
    """Our ends of bubblewrap's `--info-fd`, `--block-fd` and standard error."""

    info: BinaryIO
    block: BinaryIO
    stderr: BinaryIO
    stderr_writer: int
    """The child's end."""


def _open_pipes(line: CommandLine, closing: AsyncExitStack) -> _Pipes:
    """Open the pipes. The child's ends close after the start, ours with the sandbox."""
    info, info_writer = os.pipe()
    block_reader, block = os.pipe()
    stderr, stderr_writer = os.pipe()
    line.add("--info-fd", line.keep(info_writer))
    line.add("--block-fd", line.keep(block_reader))
    line.closing.callback(os.close, stderr_writer)
    os.set_blocking(stderr, False)
    return _Pipes(
        closing.enter_context(os.fdopen(info, "rb")),
        closing.enter_context(os.fdopen(block, "wb")),
        closing.enter_context(os.fdopen(stderr, "rb")),
        stderr_writer,
    )


async def _execute(
    argv: list[str],
    line: CommandLine,
    pipes: _Pipes,
    stage: Path,
    environment: Mapping[str, str],
) -> Child:
    try:
        return await start_child(
            argv,
            cwd=stage,
            env=environment,
            # Not a stream of asyncio: it is read only after a failure, and a full pipe
            # stops nothing but its writer.
            streams=(DEVNULL, DEVNULL, pipes.stderr_writer),
            pass_fds=line.descriptors,
        )
    except OSError as error:
        raise SandboxUnavailable(
            f"{argv[0]} cannot be started: {error}", hint="install util-linux"
        ) from error


@asynccontextmanager
async def _running_bwrap(
    process: Child, pipes: _Pipes, group: Cgroup, link: Link
) -> AsyncIterator[None]:
    """Let the shim run, and at the end kill all processes of the sandbox.

    Raises:
        SandboxUnavailable: if the shim does not connect, with bubblewrap's message.
    """
    async with AsyncExitStack() as closing:
        closing.push_async_callback(process.wait)
        # Its group, too: bubblewrap's child has not yet asked to die with its parent
        # while it starts.
        closing.callback(process.kill_group)
        link.run(_report_exit(process, link, group))
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                first = await _first_pid(pipes.info)
                closing.push_async_callback(_kill_first, os.pidfd_open(first))
                group.add(first)
                pipes.block.write(b"\n")
                pipes.block.close()
                await link.ready()
        except (
            TimeoutError,
            asyncio.IncompleteReadError,
            OSError,
            SandboxLost,
        ) as error:
            await closing.aclose()
            message = (pipes.stderr.read(_STDERR_BYTES) or b"").decode(errors="replace")
            raise SandboxUnavailable(
                f"no sandbox could be opened: {message.strip() or error}",
                hint=explain(message),
            ) from error
        yield


async def _first_pid(info: BinaryIO) -> int:
    """Return the host's pid of the sandbox's first process, from `--info-fd`."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), info
    )
    try:
        return int(json.loads(await reader.readuntil(b"}"))["child-pid"])
    finally:
        pipe.close()


async def _kill_first(pidfd: int) -> None:
    """Kill a sandbox's first process, and so all others; wait until they are gone."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(pidfd, gone.set)
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await gone.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


async def _lower_cpu_limit_later(group: Cgroup, limits: Limits) -> None:
    await asyncio.sleep(limits.start_seconds)
    group.limit_cpus(limits.cpus)


async def _report_exit(process: Child, link: Link, group: Cgroup) -> None:
    await process.wait()
    link.fail(await _post_mortem(group))


async def _post_mortem(group: Cgroup) -> AideatorError:
    if group.oom_killed():
        return SandboxLost(
            "the sandbox ran out of memory", hint="raise AGENT_MEMORY_LIMIT"
        )
    return SandboxLost()


def _isolation(group: Cgroup, gateway: Path | None) -> Isolation:
    limits = {
        "memory": "advisory (rlimit of each process)",
        "cpu": "nobody",
        "pids": "rlimit",
        **group.enforced,
        "disk": "watchdog",
        "output": "host",
    }
    network = "none" if gateway is None else "gateway only"
    return Isolation(backend="bubblewrap", network=network, limits=limits)
