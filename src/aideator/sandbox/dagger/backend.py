"""The Dagger back end: each sandbox is a container of a Dagger engine, here or elsewhere, and one process of its CLI.

Nothing is connected to Dagger but that process. It forwards one Unix socket into the
container, and the shim there dials home over it: from then on everything is as in any
sandbox. The tree travels: its lowest layer as a directory that the engine caches by
content, the others as changes (`inside/change.py`), and what was written comes back as
one.

A container runs as long as its host wants. When the sandbox closes in peace, the change
is fetched, the shim is told to end, and the CLI prints the supervisor's final record;
when it does not, the CLI is interrupted.
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
from uuid import uuid4

import structlog

import aideator
from aideator.domain.errors import (
    AideatorError,
    DiskLimitExceeded,
    SandboxLost,
    SandboxUnavailable,
)
from aideator.domain.run import Isolation
from aideator.sandbox.base import (
    Bind,
    Finding,
    Limits,
    PythonRuntime,
    Sandbox,
    Tree,
    sandbox_uid,
)
from aideator.sandbox.dagger import cli
from aideator.sandbox.dagger.doctor import examine
from aideator.sandbox.dagger.explain import why_closed, why_lost
from aideator.sandbox.dagger.inside.change import BadChange, LayDown, write_upper
from aideator.sandbox.dagger.inside.outside import NEIGHBOURS
from aideator.sandbox.dagger.options import DaggerOptions
from aideator.sandbox.link import Link

RUN, PLATFORM = "/run/aideator", "/opt/aideator/platform"
"""Where the module puts what is ours: of one run, and of the platform."""
RUNTIME = PythonRuntime("python3", ("/opt/aideator/packages",), PLATFORM, ())
"""Our own agent's Python in a container: the image's, with packages that the module
installs."""
FIRST_UID, UIDS = 64_700, 256
"""The uids of containers' processes. An engine's containers share its kernel's count of
processes for each uid."""
MODULE_DIRECTORY = "dagger_module"
"""Where a wheel has the module; a checkout has it at its root."""
VERSION_SECONDS, FACTS_SECONDS, PACK_SECONDS, CLOSE_SECONDS, POST_MORTEM_SECONDS = (
    30.0,
    30.0,
    120.0,
    20.0,
    5.0,
)
_FRAME_BYTES = 64 * 2**20
"""What the entries of a change may take beside the content of their files."""
_SOCKET_PATH_LIMIT = 107
_IMPORT = f"import sys; sys.path.insert(0, '{PLATFORM}'); from aideator.sandbox.dagger.inside.pack import main; main()"

log = structlog.get_logger(__name__)


class Dagger:
    """The back end.

    `runtime_dir` holds one short-lived directory for each open sandbox.
    """

    name = "dagger"
    runtime = RUNTIME

    def __init__(
        self, runtime_dir: Path, *, options: DaggerOptions | None = None
    ) -> None:
        self._runtime_dir = runtime_dir.absolute()
        self._options = options or DaggerOptions()
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
        """Open a sandbox, as the port says.

        `tree.upper` has to be empty, and is written to when the sandbox closes.
        """
        program = await self.checked_program()
        async with AsyncExitStack() as closing:
            uid = closing.enter_context(self._uid())
            cell = closing.enter_context(_cell(self._runtime_dir, tree))
            argv = await asyncio.to_thread(
                self._call, program, cell, tree, limits, binds, uid
            )
            link, session = await closing.enter_async_context(
                self._contained(argv, cell, limits, gateway)
            )
            link.env |= {**tree.env, "PATH": ":".join([*tree.path, link.env["PATH"]])}
            yield link
            await _close_in_peace(link, session, tree, limits, cell)

    async def check(self) -> list[Finding]:
        """Look at the CLI, the engine and the module, open a sandbox for real, and say how that went."""
        return await examine(
            self, module_root(), self._options.engine_timeout, self._runtime_dir
        )

    @contextmanager
    def _uid(self) -> Iterator[int]:
        """A uid that no other open sandbox of this back end has."""
        uid = next(
            (
                uid
                for uid in range(FIRST_UID, FIRST_UID + UIDS)
                if uid not in self._uids
            ),
            None,
        )
        if uid is None:
            raise SandboxUnavailable(f"more than {UIDS} sandboxes are open")
        self._uids.add(uid)
        try:
            yield uid
        finally:
            self._uids.discard(uid)

    async def checked_program(self) -> Path:
        """The CLI, of a version that is known. It is asked once.

        Raises:
            SandboxUnavailable: if it is not there, or of another version.
        """
        program = cli.find(self._options.program, self._options.server.get("PATH"))
        if self._version is None:
            _, said, _ = await self.ask(cli.version(program), seconds=VERSION_SECONDS)
            self._version = cli.check_version(said)
        return program

    async def ask(
        self, argv: Sequence[str], *, seconds: float
    ) -> tuple[int | None, str, str]:
        """Run the CLI to its end: see `cli.ask`."""
        self._runtime_dir.mkdir(parents=True, exist_ok=True)
        return await cli.ask(
            argv, cwd=self._runtime_dir, env=self.environment, seconds=seconds
        )

    async def is_reachable(self, seconds: float) -> bool:
        """Whether an engine answers in that time."""
        try:
            code, _, _ = await self.ask(
                cli.engine_version(await self.checked_program()), seconds=seconds
            )
        except SandboxUnavailable:
            return False
        return code == 0

    @property
    def environment(self) -> dict[str, str]:
        """The CLI's whole environment."""
        return cli.environment(self._options.server, self._options.runner_host)

    def _call(
        self,
        program: Path,
        cell: Path,
        tree: Tree,
        limits: Limits,
        binds: Sequence[Bind],
        uid: int,
    ) -> list[str]:
        """Write the changes that travel, and return the command line that opens the container."""
        lowest, *others = tree.layers
        changes = [
            _write_change(layer, cell / f"change{number}")
            for number, layer in enumerate(others)
        ]
        missing = [str(bind.source) for bind in binds if not bind.source.exists()]
        if missing:
            raise SandboxUnavailable(
                f"{missing[0]} should be visible in the sandbox, but it does not exist"
            )
        directories = [bind for bind in binds if bind.source.is_dir()]
        files = [bind for bind in binds if not bind.source.is_dir()]
        order = {
            **_order(limits, uid, self._options.workdir),
            "writable": tree.upper is not None,
            "changes": [f"{RUN}/change{number}" for number in range(len(changes))],
            "directories": [bind.target for bind in directories],
            "files": [bind.target for bind in files],
        }
        arguments: dict[str, str | Path | Sequence[Path]] = {
            "source": lowest.resolve(strict=True),
            "host": f"unix://{cell / 'home'}",
            "order": json.dumps(order),
            "run_id": str(uuid4()),
            "platform": Path(aideator.__file__).parent,
            "image": self._options.image,
            "cache_volume": self._options.cache_volume,
            "changes": changes,
            "directories": [bind.source.resolve() for bind in directories],
            "files": [bind.source.resolve() for bind in files],
        }
        return cli.call(program, module_root(), "sandbox", arguments, then="stdout")

    @asynccontextmanager
    async def _running(
        self, argv: Sequence[str], cell: Path
    ) -> AsyncIterator[cli.Session]:
        """The CLI, listened to, and ended with all that it started."""
        hear = (
            (lambda line: log.info("dagger", line=line))
            if self._options.log_output
            else None
        )
        session = await cli.begin(argv, cwd=cell, env=self.environment, hear=hear)
        group = asyncio.TaskGroup()
        await group.__aenter__()
        group.create_task(session.listen())
        try:
            yield session
        finally:
            try:
                await session.end()
            finally:
                # The caller's own exception is not ours to wrap in a group, so the
                # group does not hear of it.
                await group.__aexit__(None, None, None)

    @asynccontextmanager
    async def _contained(
        self, argv: Sequence[str], cell: Path, limits: Limits, gateway: Path | None
    ) -> AsyncIterator[tuple[Link, cli.Session]]:
        """The link to the container, once it is there, with what is known of its isolation.

        Raises:
            SandboxUnavailable: if it does not come up.
        """

        async def post_mortem() -> AideatorError:
            await session.wait(POST_MORTEM_SECONDS)
            return why_lost(session)

        link = Link(
            cell / "home",
            isolation=Isolation(backend=self.name, network="unknown", limits={}),
            env={
                "HOME": "/home/agent",
                "LANG": "C.UTF-8",
                "TERM": "dumb",
                "TMPDIR": "/tmp",
            },
            output_bytes=limits.output_bytes,
            gateway=gateway,
            post_mortem=post_mortem,
        )
        async with link, self._running(argv, cell) as session:
            link.run(_mourn(session, link))
            try:
                async with asyncio.timeout(self._options.engine_timeout):
                    await link.ready()
                    facts = await _facts(link)
            except TimeoutError:
                raise _not_opened(
                    f"no container within {self._options.engine_timeout:g} s", session
                ) from None
            except SandboxLost as error:
                raise _not_opened("", session) from error
            link.env["PATH"] = str(facts["path"])
            link.isolation = _isolation(facts["outside"], gateway)
            yield link, session


def module_root() -> Path:
    """The directory of the Dagger module.

    Raises:
        SandboxUnavailable: if it was not installed.
    """
    package = Path(aideator.__file__).parent
    for root in (package / MODULE_DIRECTORY, package.parents[1]):
        if (root / "dagger.json").is_file():
            return root
    raise SandboxUnavailable(
        "AIdeator's Dagger module is not installed",
        hint="install AIdeator from its wheel",
    )


@contextmanager
def _cell(runtime_dir: Path, tree: Tree) -> Iterator[Path]:
    """The directory of one sandbox.

    Raises:
        SandboxUnavailable: if it cannot be made, or something is wrong with the tree.
    """
    cell = runtime_dir / secrets.token_hex(4)
    if len(os.fsencode(cell / "home")) > _SOCKET_PATH_LIMIT:
        raise SandboxUnavailable(
            f"{cell} is too long a path for a socket",
            hint="choose a shorter runtime directory",
        )
    try:
        if tree.upper is not None and any(tree.upper.iterdir()):
            raise SandboxUnavailable("a container begins with an empty upper directory")
        cell.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SandboxUnavailable(
            str(error), hint="the runtime directory must be this user's own"
        ) from error
    try:
        yield cell
    finally:
        shutil.rmtree(cell, ignore_errors=True)


def _write_change(layer: Path, to: Path) -> Path:
    try:
        with to.open("wb") as file:
            write_upper(str(layer), file)
    except (OSError, BadChange) as error:
        raise SandboxUnavailable(
            f"a layer of the tree cannot travel: {error}"
        ) from error
    return to


def _order(limits: Limits, uid: int, workdir: str) -> dict[str, Any]:
    """What the launcher is told of places and limits."""
    return {
        "run": RUN,
        "home": f"{RUN}/host",
        "shim": f"{PLATFORM}/aideator/sandbox/shim.py",
        "workspace": workdir,
        "uid": uid,
        "rooms": {"/tmp": 0o1777, "/home/agent": 0o700},
        "room_bytes": limits.tmp_bytes,
        "memory_bytes": limits.memory_bytes,
        "cpus": limits.cpus,
        "start_cpus": limits.start_cpus,
        "start_seconds": limits.start_seconds,
        "pids": limits.pids,
        "disk_bytes": limits.disk_bytes,
        "wall_seconds": 0,
    }


def _not_opened(what: str, session: cli.Session) -> SandboxUnavailable:
    why, fix = why_closed(session.told)
    return SandboxUnavailable(f"{what}: {why}" if what else why, hint=fix)


async def _mourn(session: cli.Session, link: Link) -> None:
    await session.wait()
    link.fail(why_lost(session))


async def _facts(link: Link) -> dict[str, Any]:
    """What the launcher found out. Nothing hostile has run yet."""
    told = await link.exec(
        ["cat", f"{RUN}/facts.json"], env={"PATH": os.defpath}, timeout=FACTS_SECONDS
    )
    try:
        return dict(json.loads(told.stdout))
    except ValueError:
        raise SandboxLost("the container does not say what it is") from None


def _isolation(outside: Sequence[str], gateway: Path | None) -> Isolation:
    allowed = "none" if gateway is None else "gateway only"
    open_to = [what for what in outside if what != NEIGHBOURS]
    network = allowed
    if open_to:
        network = f"open ({', '.join(open_to)})"
    elif outside:
        network = f"{allowed}, and the engine's own network"
    return Isolation(
        backend=Dagger.name,
        network=network,
        limits={
            "memory": "advisory (supervisor, and rlimit of each process)",
            "cpu": "advisory (supervisor)",
            "pids": "rlimit",
            "disk": "supervisor",
            "output": "host",
        },
    )


async def _close_in_peace(
    link: Link, session: cli.Session, tree: Tree, limits: Limits, cell: Path
) -> None:
    """Fetch what was written, then let the container end by itself."""
    if link.is_lost:
        return
    link.abandon()
    if tree.upper is not None and tree.wanted:
        await _fetch(link, tree.upper, limits, cell / "change")
    link.send(end=True)
    if not await session.wait(CLOSE_SECONDS):
        log.warning(
            "a container did not end when it was told to", told=session.told[-1000:]
        )


async def _fetch(link: Link, upper: Path, limits: Limits, spool: Path) -> None:
    """Bring the change home.

    Raises:
        SandboxLost: if it cannot be had.
    """
    argv = [
        "python3",
        "-I",
        "-S",
        "-X",
        "utf8",
        "-c",
        _IMPORT,
        "/workspace",
        f"{RUN}/manifest.json",
    ]
    try:
        async with asyncio.timeout(PACK_SECONDS):
            process = await link.spawn(argv, cwd="/")
            with spool.open("wb") as file:
                left = limits.disk_bytes + _FRAME_BYTES
                while chunk := await process.stdout.read(2**20):
                    left -= len(chunk)
                    if left < 0:
                        raise DiskLimitExceeded(
                            "the change is larger than what may be written"
                        )
                    await asyncio.to_thread(file.write, chunk)
            code = await process.wait()
            told = (await process.stderr.read(1000)).decode(errors="replace")
    except TimeoutError:
        raise SandboxLost(
            f"the change did not come out of the container within {PACK_SECONDS:g} s"
        ) from None
    if code != 0:
        raise SandboxLost(
            f"the change cannot be taken out of the container: {told.strip() or f'exit code {code}'}"
        )
    try:
        await asyncio.to_thread(_lay_down, spool, upper, limits.disk_bytes)
    except BadChange as error:
        raise SandboxLost(
            f"the change that came out of the container is none: {error}"
        ) from error


def _lay_down(spool: Path, upper: Path, most: int) -> None:
    with spool.open("rb") as file:
        LayDown(str(upper), overlay=True, owner=sandbox_uid()).read(file, most=most)
