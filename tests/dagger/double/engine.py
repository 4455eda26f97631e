"""The double's engine: an object is its operations, carried out when it is read."""

import asyncio
import base64
import hashlib
import importlib.util
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.bubblewrap.command import system_bwrap, wheel_bwrap
from aideator.sandbox.host_python import host_python
from tests.dagger.double.socket import forwarded

Operation = tuple[str, Mapping[str, Any]]
Chain = tuple[Operation, ...]
DEFAULT_CAPABILITIES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
)
KNOWN_IMAGES = {"python:3.11-slim", "prepared:1"}


class Failed(Exception):
    """What the CLI prints, and its exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def encode(chain: Chain) -> str:
    """The id of the object that a chain makes."""
    return base64.b64encode(json.dumps(chain).encode()).decode()


def decode(identity: str) -> Chain:
    return tuple(
        (name, arguments) for name, arguments in json.loads(base64.b64decode(identity))
    )


@dataclass
class State:
    """What a container is before something is executed in it."""

    root: Path
    env: dict[str, str]
    user: str = "0:0"
    cwd: str = "/"
    image: str = ""
    mounts: list[list[str]] = field(default_factory=list)
    sockets: dict[str, tuple[str, str]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


class Engine:
    """Carries containers out.

    `state` is its persistent directory: what it has executed once it does not again.
    """

    def __init__(
        self, state: Path, options: Mapping[str, str], environ: Mapping[str, str]
    ) -> None:
        self._cache = state / "cache"
        self._cache.mkdir(parents=True, exist_ok=True)
        self._state, self._options, self._environ = state, options, environ

    async def stdout(self, chain: Chain) -> str:
        """The standard output of a container's last execution.

        Raises:
            Failed: if that, or anything before it, fails.
        """
        return str((await self._execute(chain))["stdout"])

    async def contents(self, chain: Chain) -> str:
        return self._path(chain, Path()).read_text()

    async def _execute(self, chain: Chain) -> dict[str, Any]:
        last = max(i for i, (name, _) in enumerate(chain) if name == "withExec")
        scratch = Path(tempfile.mkdtemp(dir=self._state))
        try:
            container = self._base(scratch / "root")
            for index, (name, arguments) in enumerate(chain[: last + 1]):
                if name == "withExec":
                    done = await self._cached(chain[: index + 1], container, arguments)
                else:
                    container = self._apply(container, name, arguments, scratch)
        finally:
            remove_tree(scratch)
        return done

    def _base(self, root: Path) -> State:
        for name in (
            "opt/aideator/packages",
            "run",
            "etc",
            "tmp",
            "proc",
            "dev",
            "usr",
            "home",
            "root",
            "var",
        ):
            (root / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            if Path("/", name).is_symlink():
                (root / name).symlink_to(Path("/", name).readlink())
        (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (root / "etc/os-release").write_text("ID=double\n")  # as every image has one
        (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
        (root / "tmp").chmod(0o1777)
        python = host_python()
        spec = importlib.util.find_spec("httpx2")
        assert spec is not None
        assert spec.origin is not None
        packages = Path(spec.origin).parents[1]
        mounts = [
            ["--ro-bind", "/usr", "/usr"],
            ["--ro-bind", str(packages), "/opt/aideator/packages"],
        ]
        for bind in python.binds:  # bubblewrap would make the way to it for root alone
            (root / bind.target.lstrip("/")).mkdir(parents=True)
            mounts.append(["--ro-bind", str(bind.source), bind.target])
        path = f"{Path(python.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        return State(root, {"PATH": path}, mounts=mounts)

    def _apply(
        self, container: State, name: str, arguments: Mapping[str, Any], scratch: Path
    ) -> State:
        """One operation that executes nothing."""
        match name:
            case "container":
                return container
            case "from":
                return self._from(container, arguments["address"])
            case "withUser":
                return replace(container, user=arguments["name"])
            case "withEnvVariable":
                return replace(
                    container,
                    env=container.env | {arguments["name"]: arguments["value"]},
                )
            case "withSecretVariable":
                secret = self._secret(decode(arguments["secret"]))
                return replace(
                    container, secrets=container.secrets | {arguments["name"]: secret}
                )
            case "withNewFile" | "withDirectory" | "withFile":
                self._write(container.root, name, arguments, scratch)
                return container
            case _:
                return self._mount(container, name, arguments, scratch)

    def _from(self, container: State, image: str) -> State:
        if image not in KNOWN_IMAGES:
            raise Failed(
                "failed to resolve source metadata "
                f"for docker.io/library/{image}: not found"
            )
        return replace(container, image=image)

    def _write(
        self, root: Path, name: str, arguments: Mapping[str, Any], scratch: Path
    ) -> None:
        target = root / arguments["path"].lstrip("/")
        if name != "withNewFile":
            _copy(
                self._path(decode(arguments["source"]), scratch),
                target,
                arguments.get("owner", "0:0"),
            )
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(arguments["contents"])
        target.chmod(arguments.get("permissions", 0o644))

    def _mount(
        self, container: State, name: str, arguments: Mapping[str, Any], scratch: Path
    ) -> State:
        target = arguments["path"]
        match name:
            case "withMountedDirectory" | "withMountedFile":
                copy = scratch / f"mount{len(container.mounts)}"
                _copy(
                    self._path(decode(arguments["source"]), scratch),
                    copy,
                    arguments.get("owner") or "0:0",
                )
                mount = [
                    "--ro-bind" if arguments.get("readOnly") else "--bind",
                    str(copy),
                    target,
                ]
            case "withMountedTemp" | "withMountedCache":
                mount = [
                    *(
                        ["--size", str(arguments["size"])]
                        if "size" in arguments
                        else []
                    ),
                    "--tmpfs",
                    target,
                ]
            case "withoutMount":
                return replace(
                    container,
                    mounts=[mount for mount in container.mounts if mount[-1] != target],
                )
            case "withUnixSocket":
                host = str(
                    dict(decode(arguments["source"])[0][1])["value"]
                ).removeprefix("unix://")
                owner = arguments.get("owner") or "0:0"
                return replace(
                    container, sockets=container.sockets | {target: (host, owner)}
                )
            case _:
                raise Failed(f"the double does not know the operation {name}")
        return replace(container, mounts=[*container.mounts, mount])

    def _secret(self, chain: Chain) -> str:
        scheme, _, name = str(chain[0][1]["value"]).partition(":")
        if scheme == "env":
            return self._environ[name.removeprefix("//")]
        return Path(name.removeprefix("//")).read_text()

    def _path(self, chain: Chain, scratch: Path) -> Path:
        """The directory or file of a chain, on this machine."""
        (first, named), *others = chain
        path = Path(
            str(named["value" if first == "address" else "url"]).removeprefix("file://")
        )
        if not path.exists():
            raise Failed(f"failed to stat path {path}: no such file or directory")
        for name, arguments in others:
            if arguments.get("exclude"):
                copy = (
                    scratch
                    / hashlib.sha256(json.dumps(chain).encode()).hexdigest()[:12]
                )
                if not copy.exists():
                    _copy_filtered(path, copy, arguments["exclude"])
                path = copy
            elif name == "file" and "path" in arguments:
                path /= arguments["path"]
        return path

    async def _cached(
        self, chain: Chain, container: State, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Execute, unless exactly this was executed before."""
        key = self._cache / hashlib.sha256(self._digest(chain).encode()).hexdigest()
        if key.exists():
            return dict(json.loads(key.read_text()))
        done = await self._run(container, arguments)
        if done["code"] != 0 and arguments.get("expect") != "ANY":
            raise Failed(
                f"process {arguments['args'][0]} did not complete successfully: "
                f"exit code: {done['code']}\n"
                f"Stdout:\n{done['stdout']}\nStderr:\n{done['stderr']}",
                done["code"],
            )
        key.write_text(json.dumps(done))
        return done

    def _digest(self, chain: Chain) -> str:
        """The chain by content: directories and files count by what is in them."""
        parts = []
        for name, arguments in chain:
            known = dict(arguments)
            source = known.get("source")
            if (
                name
                in {
                    "withDirectory",
                    "withFile",
                    "withMountedDirectory",
                    "withMountedFile",
                }
                and source
            ):
                known["source"] = _content(self._path(decode(source), self._state))
            parts.append([name, known])
        return json.dumps(parts)

    def _bwrap(self, container: State, mounts: list[str], argv: list[str]) -> list[str]:
        """Return bubblewrap's command line for a process of the container."""
        command = [str(system_bwrap() or wheel_bwrap())]
        command += ["--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        command += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        if self._options.get("network") != "open":
            command.append("--unshare-net")
        for capability in DEFAULT_CAPABILITIES:
            command += ["--cap-add", f"CAP_{capability}"]
        command.append("--clearenv")
        for name, value in (container.env | container.secrets).items():
            command += ["--setenv", name, value]
        command += ["--bind", str(container.root), "/", "--proc", "/proc"]
        command += ["--dev", "/dev", "--size", str(64 * 2**20), "--perms", "1777"]
        command += ["--tmpfs", "/dev/shm", *mounts]
        return [*command, "--chdir", container.cwd, "--", *argv]

    async def _run(
        self, container: State, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        async with AsyncExitStack() as closing:
            mounts = [*itertools.chain.from_iterable(container.mounts)]
            for number, (target, (host, owner)) in enumerate(container.sockets.items()):
                inside = container.root.parent / f"socket{number}"
                await closing.enter_async_context(forwarded(inside, host))
                os.chown(inside, *map(int, owner.split(":")))
                inside.chmod(0o600)
                mounts += ["--bind", str(inside), target]
            command = self._bwrap(container, mounts, arguments["args"])
            process = await closing.enter_async_context(_process(command))
            async with asyncio.TaskGroup() as streams:
                stdout = streams.create_task(_drain(process.stdout, None))
                stderr = streams.create_task(_drain(process.stderr, sys.stderr.buffer))
            code = await process.wait()
        scrubbed = [text.result().decode(errors="replace") for text in (stdout, stderr)]
        for secret in container.secrets.values():
            scrubbed = [text.replace(secret, "***") for text in scrubbed]
        return {
            "stdout": scrubbed[0],
            "stderr": scrubbed[1][-100_000:],
            "code": code if code >= 0 else 128 - code,
        }


@asynccontextmanager
async def _process(command: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        env={},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _drain(stream: asyncio.StreamReader | None, copy: Any) -> bytes:
    kept = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        kept += chunk
        if copy is not None:
            copy.write(chunk)
            copy.flush()
    return kept


def _copy(source: Path, target: Path, owner: str) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    uid, gid = map(int, (owner or "0:0").split(":"))
    for path in [target, *(target.rglob("*") if target.is_dir() else ())]:
        os.chown(path, uid, gid, follow_symlinks=False)


def _copy_filtered(source: Path, target: Path, patterns: list[str]) -> None:
    """Copy what the patterns do not exclude; a later `!pattern` takes back in."""
    target.mkdir(parents=True)
    for path in source.rglob("*"):
        name = str(path.relative_to(source))
        excluded = False
        for pattern in patterns:
            if _matches(name, pattern.removeprefix("!")):
                excluded = not pattern.startswith("!")
        if not excluded and path.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name)


def _matches(name: str, pattern: str) -> bool:
    if pattern == "**":
        return True
    folder, _, last = pattern.rpartition("/")
    here, _, name_here = name.rpartition("/")
    if folder.endswith("/**"):
        return (here == folder[:-3] or here.startswith(folder[:-2])) and fnmatch(
            name_here, last
        )
    return here == folder and fnmatch(name_here, last)


def _content(path: Path) -> str:
    files = (
        [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    )
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file}{status.st_size}{status.st_mtime_ns}".encode())
    return digest.hexdigest()
