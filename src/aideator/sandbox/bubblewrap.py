"""The bubblewrap back end: no daemon, no image, and nothing to clean up after a crash of this server.

The order of acts is the point: start, learn the first pid, put it under its control group, only then let it run
(`--block-fd`); at the end kill the first pid, and wait until the kernel has ended everything that it held.
"""

import asyncio
import json
import os
import resource
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO

from aideator.domain.errors import AideatorError, SandboxLost, SandboxUnavailable
from aideator.domain.run import Isolation
from aideator.sandbox import shim
from aideator.sandbox.base import Bind, Limits, Sandbox, Tree, sandbox_uid
from aideator.sandbox.cell import HOME, Launch, command
from aideator.sandbox.cgroup import Cgroup, rlimits
from aideator.sandbox.link import Link
from aideator.sandbox.python import host_python
from aideator.sandbox.watchdog import watch_disk

_RUN, _SHIM, _SOCKET = "/run/aideator", "/run/shim.py", "home"
_SOCKET_PATH_LIMIT = 107
_OPEN_SECONDS, _CLOSE_SECONDS = 20.0, 5.0
_FILES = (1024, 4096)
"""Soft and hard limit of open files."""
_SAID_BYTES = 65_536
_SHIM_SOURCE = Path(shim.__file__).read_bytes()


class Bubblewrap:
    """The back end. `runtime_dir` holds one short-lived directory for each open sandbox."""

    name = "bubblewrap"

    def __init__(self, runtime_dir: Path, *, toolchains: Sequence[Path] = ()) -> None:
        self._runtime_dir = runtime_dir.absolute()
        python = host_python()
        self._python = python.executable
        self._binds = (*python.binds, *(Bind(tools, str(tools)) for tools in toolchains))
        path = [*(f"{tools}/bin" for tools in toolchains), "/usr/local/bin", "/usr/bin", "/bin"]
        if python.binds:
            path.append(str(Path(python.executable).parent))
        self._env = {"PATH": ":".join(path), "HOME": HOME, "LANG": "C.UTF-8", "TERM": "dumb", "TMPDIR": "/tmp"}

    @asynccontextmanager
    async def open(
        self, tree: Tree, limits: Limits, *, binds: Sequence[Bind] = (), gateway: Path | None = None
    ) -> AsyncIterator[Sandbox]:
        """Open a sandbox, as the port says. As root, `tree.upper` is given to the sandbox's uid."""
        name, owner = secrets.token_hex(4), sandbox_uid()
        cell = self._runtime_dir / name
        async with AsyncExitStack() as closing:
            closing.callback(shutil.rmtree, cell, ignore_errors=True)
            socket = _make_cell(cell, owner, tree)
            group = Cgroup.create(name, limits)
            closing.push_async_callback(asyncio.to_thread, group.remove)
            link = Link(
                socket,
                isolation=_isolation(group, gateway),
                env=self._env,
                output_bytes=limits.output_bytes,
                gateway=gateway,
                post_mortem=lambda: _post_mortem(group),
            )
            await closing.enter_async_context(link)
            with ExitStack() as started:
                launch = Launch(started)
                info = closing.enter_context(os.fdopen(_pipe(launch, theirs=1), "rb"))
                gate = closing.enter_context(os.fdopen(_pipe(launch, theirs=0), "wb", buffering=0))
                launch.add("--info-fd", launch.descriptors[0], "--block-fd", launch.descriptors[1])
                launch.add("--ro-bind-data", launch.file(_SHIM_SOURCE), _SHIM)
                visible = (Bind(socket.parent, _RUN), *self._binds, *binds)
                program = command(launch, tree, visible, limits, cell / "stage")
                process = await _execute(program + self._inside(limits, group), launch, cell / "stage")
            await closing.enter_async_context(_life(process, info, gate, group, link))
            if tree.upper is not None:
                link.run(watch_disk(tree.upper, limits.disk_bytes, link.fail))
            yield link

    def _inside(self, limits: Limits, group: Cgroup) -> list[str]:
        """What to run inside: the shim, under the limits that hold for each process by itself."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft, hard = (files if most == resource.RLIM_INFINITY else min(files, most) for files in _FILES)
        each = {"core": 0, "fsize": limits.disk_bytes, "nofile": f"{soft}:{hard}", **rlimits(limits, group.enforced)}
        return [
            *("--chdir", "/workspace", "--"),
            *("/usr/bin/prlimit", *(f"--{name}={limit}" for name, limit in each.items())),
            *(self._python, "-I", "-S", "-X", "utf8", _SHIM, f"{_RUN}/{_SOCKET}"),
        ]


def _make_cell(cell: Path, owner: int | None, tree: Tree) -> Path:
    """Make the directory of one sandbox and return where its socket belongs.

    Raises:
        SandboxUnavailable: if the path is too long for a socket.
    """
    socket = cell / "link" / _SOCKET
    if len(os.fsencode(socket)) > _SOCKET_PATH_LIMIT:
        raise SandboxUnavailable(f"{socket} is too long a path for a socket", hint="choose a shorter runtime directory")
    socket.parent.mkdir(parents=True, mode=0o700)
    (cell / "stage").mkdir()
    if owner is not None:
        for path in (socket.parent, *([tree.upper] if tree.upper else [])):
            os.chown(path, owner, owner)
    return socket


def _pipe(launch: Launch, *, theirs: int) -> int:
    """A pipe: end 0 (read) or 1 (write) goes to the command, the other is returned."""
    ends = os.pipe()
    launch.keep(ends[theirs])
    return ends[1 - theirs]


async def _execute(program: list[str], launch: Launch, stage: Path) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *program,
            env={},
            cwd=stage,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=launch.descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxUnavailable(f"{program[0]} cannot be started: {error}", hint="install util-linux") from error


@asynccontextmanager
async def _life(
    process: asyncio.subprocess.Process, info: BinaryIO, gate: RawIOBase, group: Cgroup, link: Link
) -> AsyncIterator[None]:
    """Let the shim run, and in the end kill all that it started.

    Raises:
        SandboxUnavailable: if it does not come up, with what bubblewrap said.
    """
    async with AsyncExitStack() as closing:
        closing.push_async_callback(_stop, process)
        link.run(_mourn(process, link, group))
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                first = await _first_pid(info)
                closing.push_async_callback(_end, os.pidfd_open(first))
                group.add(first)
                gate.write(b"\n")
                await link.ready()
        except (TimeoutError, asyncio.IncompleteReadError, OSError, SandboxLost) as error:
            raise await _unavailable(process) from error
        yield


async def _first_pid(info: BinaryIO) -> int:
    """The first process of the sandbox, as the host numbers it, from what bubblewrap writes to `--info-fd`."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), info)
    try:
        return int(json.loads(await reader.readuntil(b"}"))["child-pid"])
    finally:
        pipe.close()


async def _end(first: int) -> None:
    """Kill the first process, and so all others, and wait until the kernel has done it."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(first, gone.set)
    try:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(first, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await gone.wait()
    finally:
        loop.remove_reader(first)
        os.close(first)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _mourn(process: asyncio.subprocess.Process, link: Link, group: Cgroup) -> None:
    await process.wait()
    link.fail(_post_mortem(group))


def _post_mortem(group: Cgroup) -> AideatorError:
    if group.oom_killed():
        return SandboxLost("the sandbox ran out of memory", hint="raise AGENT_MEMORY_LIMIT")
    return SandboxLost()


async def _unavailable(process: asyncio.subprocess.Process) -> SandboxUnavailable:
    """What bubblewrap said, as an error."""
    await _stop(process)
    said = b""
    with suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            said = await process.stderr.read(_SAID_BYTES) if process.stderr else b""
    return SandboxUnavailable(f"no sandbox could be opened: {said.decode(errors='replace').strip() or 'no answer'}")


def _isolation(group: Cgroup, gateway: Path | None) -> Isolation:
    limits = {
        limit: group.enforced.get(limit, weaker)
        for limit, weaker in {"memory": "advisory: each process by itself", "cpu": "none", "pids": "rlimit"}.items()
    }
    limits |= {"disk": "watchdog", "output": "host"}
    network = "none" if gateway is None else "gateway only"
    return Isolation(backend="bubblewrap", network=network, limits=limits)
