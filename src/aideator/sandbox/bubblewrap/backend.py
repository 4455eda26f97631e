"""The bubblewrap back end: no daemon, no image, and nothing to clean up after a crash of this server.

The order of acts is the point: start, learn the first pid, put it under its control
group, only then let it run (`--block-fd`); at the end kill the first pid, and wait
until the kernel has ended everything that it held.
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
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from aideator.children import DEVNULL, Child, start_child
from aideator.domain.errors import AideatorError, SandboxLost, SandboxUnavailable
from aideator.domain.run import Isolation
from aideator.sandbox import shim
from aideator.sandbox.base import (
    TOOLS,
    Bind,
    Finding,
    Limits,
    Sandbox,
    Tree,
    sandbox_uid,
    without,
)
from aideator.sandbox.bubblewrap.cell import HOME, Launch, command, describe_bwrap
from aideator.sandbox.bubblewrap.cgroup import Cgroup, remove_stale, rlimits
from aideator.sandbox.bubblewrap.doctor import explain, limit_findings
from aideator.sandbox.disk import watch_disk
from aideator.sandbox.host_python import host_python
from aideator.sandbox.link import Link

_RUN, _SHIM, _SOCKET = "/run/aideator", "/run/shim.pyc", "home"
_SOCKET_PATH_LIMIT = 107
_OPEN_SECONDS, _CLOSE_SECONDS = 20.0, 5.0
_FILES = (1024, 4096)
"""Soft and hard limit of open files."""
_LOCKED_BYTES = 8 * 2**20
"""Memory that a process may lock; what the host allows its own users may be without
limit."""
_SAID_BYTES = 65_536
_NEW_SECONDS = 60.0
_NICE = 5
"""Where processors are short, the server and its streams go first, but a busy machine
does not starve the agents."""


class Bubblewrap:
    """The back end.

    `runtime_dir` holds one short-lived directory for each open sandbox.
    """

    name = "bubblewrap"
    runtime = None

    def __init__(self, runtime_dir: Path, *, toolchains: Sequence[Path] = ()) -> None:
        self._runtime_dir = runtime_dir.absolute()
        self._swept = False
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
            "HOME": HOME,
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": "/tmp",
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
        """Open a sandbox, as the port says.

        As root, `tree.upper` is given to the sandbox's uid.
        """
        if not self._swept:
            self._swept = True
            await asyncio.to_thread(_sweep, self._runtime_dir)
        name, owner = secrets.token_hex(4), sandbox_uid()
        cell = self._runtime_dir / name
        async with AsyncExitStack() as closing:
            closing.callback(shutil.rmtree, cell, ignore_errors=True)
            socket, lock = _make_cell(cell, owner, tree)
            closing.callback(os.close, lock)
            group = Cgroup.create(
                name, replace(limits, cpus=max(limits.cpus, limits.start_cpus))
            )
            closing.push_async_callback(asyncio.to_thread, group.remove)
            closing.callback(group.kill)
            link = Link(
                socket,
                isolation=_isolation(group, gateway),
                env={
                    **self._env,
                    **tree.env,
                    "PATH": ":".join([*tree.path, self._env["PATH"]]),
                },
                output_bytes=limits.output_bytes,
                gateway=gateway,
                post_mortem=lambda: _post_mortem(group),
            )
            await closing.enter_async_context(link)
            visible = (Bind(socket.parent, _RUN), *self._binds, *binds)
            with ExitStack() as theirs:
                launch = Launch(theirs)
                pipes = _pipes(launch, closing)
                launch.add("--ro-bind-data", launch.file(_compiled_shim()), _SHIM)
                program = command(
                    launch, tree, visible, limits, cell / "stage"
                ) + self._inside(limits, group)
                process = await _execute(program, launch, pipes, cell / "stage")
            await closing.enter_async_context(_life(process, pipes, group, link))
            link.run(_settle_down(group, limits))
            if tree.upper is not None:
                link.run(watch_disk(tree.upper, limits.disk_bytes, link.fail))
            yield link

    async def check(self) -> list[Finding]:
        """Open a sandbox for real and say how that went, as the port says."""
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
                isolation, lacking = sandbox.isolation, await without(sandbox)
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
            Finding("tools", ok=True, detail=_tools(lacking)),
            *limit_findings(isolation.limits),
        ]

    def _inside(self, limits: Limits, group: Cgroup) -> list[str]:
        """What to run inside: the shim, under the limits that hold for each process by itself."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft, hard = (
            files if most == resource.RLIM_INFINITY else min(files, most)
            for files in _FILES
        )
        each = {
            "core": 0,
            "fsize": limits.disk_bytes,
            "memlock": _LOCKED_BYTES,
            "nofile": f"{soft}:{hard}",
        }
        each |= rlimits(limits, group.enforced)
        return [
            *("--chdir", "/workspace", "--"),
            *(
                "/usr/bin/prlimit",
                *(f"--{name}={limit}" for name, limit in each.items()),
            ),
            *(self._python, "-I", "-S", "-X", "utf8", _SHIM, f"{_RUN}/{_SOCKET}"),
        ]


def _tools(lacking: Sequence[str]) -> str:
    seen = ", ".join(tool for tool in TOOLS if tool not in lacking)
    return f"sandboxes see {seen}" + (
        f"; not {', '.join(lacking)} (SANDBOX_TOOLCHAINS)" if lacking else ""
    )


@cache
def _compiled_shim() -> bytes:
    """The shim as bytecode, which the interpreter inside, the same as this one, need not compile at every start."""
    with tempfile.TemporaryDirectory() as directory:
        compiled = py_compile.compile(
            shim.__file__,
            str(Path(directory, "shim.pyc")),
            dfile="shim.py",
            doraise=True,
        )
        return Path(str(compiled)).read_bytes()


def _make_cell(cell: Path, owner: int | None, tree: Tree) -> tuple[Path, int]:
    """Make the directory of one sandbox and return where its socket belongs, and a lock that says that it is in use.

    Raises:
        SandboxUnavailable: if it cannot be made, or its path is too long for a socket.
    """
    socket = cell / "link" / _SOCKET
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT:
        raise SandboxUnavailable(
            f"{socket} is too long a path for a socket",
            hint="choose a shorter runtime directory",
        )
    try:
        socket.parent.mkdir(parents=True, mode=0o700)
        (cell / "stage").mkdir()
        lock = os.open(cell, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if owner is not None:
            for path in (socket.parent, *([tree.upper] if tree.upper else [])):
                os.chown(path, owner, owner)
    except OSError as error:
        raise SandboxUnavailable(
            str(error), hint="the runtime directory must be this user's own"
        ) from error
    return socket, lock


def _sweep(runtime_dir: Path) -> None:
    """Remove what servers that were killed have left: control groups, and directories that nobody holds a lock on."""
    remove_stale()
    for cell in runtime_dir.glob("*"):
        with suppress(OSError):
            lock = os.open(cell, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # A new one may not have come to its lock yet.
                if time.time() - cell.stat().st_mtime > _NEW_SECONDS:
                    shutil.rmtree(cell)
            finally:
                os.close(lock)


@dataclass(frozen=True)
class _Pipes:
    """What leads to a starting bubblewrap and back: `--info-fd`, `--block-fd`, and its standard error."""

    info: BinaryIO
    gate: BinaryIO
    said: BinaryIO
    their_said: int


def _pipes(launch: Launch, closing: AsyncExitStack) -> _Pipes:
    """Make the pipes. Theirs close with the launch, ours with the sandbox."""
    (info, their_info), (their_gate, gate), (said, their_said) = (
        os.pipe(),
        os.pipe(),
        os.pipe(),
    )
    launch.add(
        "--info-fd", launch.keep(their_info), "--block-fd", launch.keep(their_gate)
    )
    launch.closing.callback(os.close, their_said)
    os.set_blocking(said, False)
    return _Pipes(
        closing.enter_context(os.fdopen(info, "rb")),
        closing.enter_context(os.fdopen(gate, "wb")),
        closing.enter_context(os.fdopen(said, "rb")),
        their_said,
    )


async def _execute(
    program: list[str], launch: Launch, pipes: _Pipes, stage: Path
) -> Child:
    try:
        child = await start_child(
            program,
            cwd=stage,
            env={},
            # Not a stream of asyncio: nobody need read it while all goes well, and a
            # full pipe only stops its writer.
            streams=(DEVNULL, DEVNULL, pipes.their_said),
            pass_fds=launch.descriptors,
        )
    except OSError as error:
        raise SandboxUnavailable(
            f"{program[0]} cannot be started: {error}", hint="install util-linux"
        ) from error
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, child.pid, _NICE)
    return child


@asynccontextmanager
async def _life(
    process: Child, pipes: _Pipes, group: Cgroup, link: Link
) -> AsyncIterator[None]:
    """Let the shim run, and in the end kill all that it started.

    Raises:
        SandboxUnavailable: if it does not come up, with what bubblewrap said.
    """
    async with AsyncExitStack() as closing:
        closing.push_async_callback(process.wait)
        # With its group: bubblewrap's own child waits for it while it starts, and has
        # not yet asked to die with it.
        closing.callback(process.kill_group)
        link.run(_mourn(process, link, group))
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                first = await _first_pid(pipes.info)
                closing.push_async_callback(_end, os.pidfd_open(first))
                group.add(first)
                pipes.gate.write(b"\n")
                pipes.gate.close()
                await link.ready()
        except (
            TimeoutError,
            asyncio.IncompleteReadError,
            OSError,
            SandboxLost,
        ) as error:
            await closing.aclose()
            said = (
                (pipes.said.read(_SAID_BYTES) or b"").decode(errors="replace").strip()
            )
            raise SandboxUnavailable(
                f"no sandbox could be opened: {said or error}", hint=explain(said)
            ) from error
        yield


async def _first_pid(info: BinaryIO) -> int:
    """The first process of the sandbox, as the host numbers it, from what bubblewrap writes to `--info-fd`."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), info
    )
    try:
        return int(json.loads(await reader.readuntil(b"}"))["child-pid"])
    finally:
        pipe.close()


async def _end(pidfd: int) -> None:
    """Kill the first process of a sandbox, and so all others, and wait until the kernel has done it."""
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


async def _settle_down(group: Cgroup, limits: Limits) -> None:
    await asyncio.sleep(limits.start_seconds)
    group.limit_cpus(limits.cpus)


async def _mourn(process: Child, link: Link, group: Cgroup) -> None:
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
        limit: group.enforced.get(limit, weaker)
        for limit, weaker in {
            "memory": "advisory (rlimit of each process)",
            "cpu": "nobody",
            "pids": "rlimit",
        }.items()
    }
    limits |= {"disk": "watchdog", "output": "host"}
    network = "none" if gateway is None else "gateway only"
    return Isolation(backend="bubblewrap", network=network, limits=limits)
