"""The Dagger back end: each sandbox is a container of a Dagger engine, here or remote.

One process of the Dagger CLI opens a container, and is the only connection to Dagger.
It forwards one Unix socket into the container, and the shim there connects to the host
over it: from then on everything is as in any sandbox. The tree is copied: its lowest
layer as a directory that the engine caches by content, the others as changes
(`inside/change.py`). What was written comes back as a change, too.

A container runs until its sandbox closes. Then the change is fetched, the shim is told
to end, and the CLI prints the supervisor's final record. After an error the CLI is
interrupted instead.
"""

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from aideator.domain.errors import AideatorError, SandboxLost, SandboxUnavailable
from aideator.domain.isolation import Isolation
from aideator.sandbox.base import Bind, Finding, Limits, Sandbox, Tree
from aideator.sandbox.dagger import cli
from aideator.sandbox.dagger.container import RUN, RUNTIME, Container, module_root
from aideator.sandbox.dagger.doctor import examine
from aideator.sandbox.dagger.explain import why_closed, why_lost
from aideator.sandbox.dagger.inside.outside import NEIGHBOURS
from aideator.sandbox.dagger.options import DaggerOptions
from aideator.sandbox.dagger.session import DaggerSession, begin, run_cli
from aideator.sandbox.dagger.transfer import close_container
from aideator.sandbox.link import Link
from aideator.sandbox.system_files import COMMON_ENV

FIRST_UID, UIDS = 64_700, 256
"""Uids of containers' processes. The containers of an engine share its kernel's count
of processes for each uid."""
VERSION_SECONDS, FACTS_SECONDS, POST_MORTEM_SECONDS = 30.0, 30.0, 5.0
_SOCKET_PATH_LIMIT = 107
_LIMITS = {
    "memory": "advisory (supervisor, and rlimit of each process)",
    "cpu": "advisory (supervisor)",
    "pids": "rlimit",
    "disk": "supervisor",
    "output": "host",
}

log = structlog.get_logger(__name__)


def create(runtime_dir: Path, **options: Any) -> "Dagger":
    """Create the back end.

    Args:
        runtime_dir: Directory for sockets and changes.
        options: Fields of `DaggerOptions`.
    """
    return Dagger(runtime_dir, DaggerOptions(**options))


class Dagger:
    """The back end. `runtime_dir` holds a temporary directory for each open sandbox."""

    name = "dagger"
    runtime = RUNTIME

    def __init__(self, runtime_dir: Path, options: DaggerOptions) -> None:
        self._runtime_dir = runtime_dir.absolute()
        self._options = options
        self._uids = set[int]()
        self._version: str | None = None

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

        `tree.upper` has to be empty, and is written to when the sandbox closes.
        """
        program = await self.checked_program()
        async with AsyncExitStack() as closing:
            uid = closing.enter_context(self._reserve_uid())
            directory = closing.enter_context(_directory(self._runtime_dir, tree))
            container = Container(directory, tree, limits, binds, uid)
            argv = await asyncio.to_thread(container.command, program, self._options)
            link, session = await closing.enter_async_context(
                self._running_container(argv, container, gateway)
            )
            link.env |= {**tree.env, "PATH": ":".join([*tree.path, link.env["PATH"]])}
            yield link
            await close_container(link, session, container)

    async def check(self) -> list[Finding]:
        """Examine the CLI, the engine and the module, then open a sandbox."""
        return await examine(
            self, module_root(), self._options.engine_timeout, self._runtime_dir
        )

    @contextmanager
    def _reserve_uid(self) -> Iterator[int]:
        """Reserve a uid that no other open sandbox of this back end has."""
        free = set(range(FIRST_UID, FIRST_UID + UIDS)) - self._uids
        if not free:
            raise SandboxUnavailable(f"more than {UIDS} sandboxes are open")
        uid = min(free)
        self._uids.add(uid)
        try:
            yield uid
        finally:
            self._uids.discard(uid)

    async def checked_program(self) -> Path:
        """Return the CLI's program. Its version is checked once.

        Raises:
            SandboxUnavailable: if it is missing, or of an unknown version.
        """
        program = cli.find(self._options.program, self._options.server.get("PATH"))
        if self._version is None:
            _, stdout, _ = await self.ask(cli.version(program), seconds=VERSION_SECONDS)
            self._version = cli.check_version(stdout)
        return program

    async def ask(
        self, argv: Sequence[str], *, seconds: float
    ) -> tuple[int | None, str, str]:
        """Run the CLI to its end, see `run_cli`."""
        self._runtime_dir.mkdir(parents=True, exist_ok=True)
        return await run_cli(
            argv, cwd=self._runtime_dir, env=self._environment, seconds=seconds
        )

    async def is_reachable(self, seconds: float) -> bool:
        """Return whether an engine answers in that time.

        Raises:
            SandboxUnavailable: if the CLI is missing, or of an unknown version.
        """
        argv = cli.engine_version(await self.checked_program())
        try:
            code, _, _ = await self.ask(argv, seconds=seconds)
        except SandboxUnavailable:
            return False
        return code == 0

    @property
    def _environment(self) -> dict[str, str]:
        return cli.environment(self._options.server, self._options.runner_host)

    def _log_line(self, line: str) -> None:
        log.info("dagger", line=line)

    @asynccontextmanager
    async def _running_cli(
        self, argv: Sequence[str], cwd: Path
    ) -> AsyncIterator[DaggerSession]:
        """Run the CLI, and end it with all that it started."""
        on_line = self._log_line if self._options.log_output else None
        session = await begin(argv, cwd=cwd, env=self._environment, on_line=on_line)
        group = asyncio.TaskGroup()
        await group.__aenter__()
        group.create_task(session.listen())
        try:
            yield session
        finally:
            try:
                await session.end()
            finally:
                # The caller's exception must not be wrapped in a group, so the group
                # does not get it.
                await group.__aexit__(None, None, None)

    @asynccontextmanager
    async def _running_container(
        self, argv: Sequence[str], container: Container, gateway: Path | None
    ) -> AsyncIterator[tuple[Link, DaggerSession]]:
        """Open the container, and find out how it is isolated.

        Raises:
            SandboxUnavailable: if it does not come up.
        """

        async def post_mortem() -> AideatorError:
            await session.wait(POST_MORTEM_SECONDS)
            return why_lost(session)

        link = Link(
            container.socket,
            isolation=Isolation(backend=self.name, network="unknown", limits={}),
            env=COMMON_ENV,
            output_bytes=container.limits.output_bytes,
            gateway=gateway,
            post_mortem=post_mortem,
        )
        async with link, self._running_cli(argv, container.directory) as session:
            link.run(_report_exit(session, link))
            try:
                async with asyncio.timeout(self._options.engine_timeout):
                    await link.ready()
                    facts = await _read_facts(link)
            except TimeoutError:
                raise _not_opened(
                    f"no container within {self._options.engine_timeout:g} s: ", session
                ) from None
            except SandboxLost as error:
                raise _not_opened("", session) from error
            link.env["PATH"] = str(facts["path"])
            link.isolation = _isolation(facts["outside"], gateway)
            yield link, session


@contextmanager
def _directory(runtime_dir: Path, tree: Tree) -> Iterator[Path]:
    """Make the directory of one sandbox on the host, and remove it.

    Raises:
        SandboxUnavailable: if it cannot be made, or the tree's upper is not empty.
    """
    path = runtime_dir / secrets.token_hex(4)
    if len(os.fsencode(path / "home")) > _SOCKET_PATH_LIMIT:
        raise SandboxUnavailable(
            f"{path} is too long a path for a socket",
            hint="choose a shorter runtime directory",
        )
    try:
        if tree.upper is not None and any(tree.upper.iterdir()):
            raise SandboxUnavailable("a container begins with an empty upper directory")
        path.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SandboxUnavailable(
            str(error), hint="the runtime directory must be this user's own"
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _not_opened(prefix: str, session: DaggerSession) -> SandboxUnavailable:
    reason, fix = why_closed(session.stderr)
    return SandboxUnavailable(prefix + reason, hint=fix)


async def _report_exit(session: DaggerSession, link: Link) -> None:
    await session.wait()
    link.fail(why_lost(session))


async def _read_facts(link: Link) -> dict[str, Any]:
    """Return what the launcher found out. No hostile process has run yet."""
    result = await link.exec(
        ["cat", f"{RUN}/facts.json"], env={"PATH": os.defpath}, timeout=FACTS_SECONDS
    )
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        raise SandboxLost("the container does not say what it is") from None


def _isolation(outside: Sequence[str], gateway: Path | None) -> Isolation:
    network = "none" if gateway is None else "gateway only"
    reachable = [what for what in outside if what != NEIGHBOURS]
    if reachable:
        network = f"open ({', '.join(reachable)})"
    elif outside:
        network = f"{network}, and the engine's own network"
    return Isolation(backend=Dagger.name, network=network, limits=_LIMITS)
