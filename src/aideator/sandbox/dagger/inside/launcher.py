"""The first process of a container: prepare the tree, start the shim, supervise it.

    launcher.py CONFIG

It starts as the container's root, applies the changes to the source, finds out what can
be reached, and starts the shim as an ordinary user, with limits for each process and
the same system-call filter as bubblewrap's. Then it supervises. At the end it prints
one JSON line, the final record. CONFIG is a file with the JSON object of
`aideator.sandbox.dagger.container.launcher_config`.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aideator.sandbox import seccomp
from aideator.sandbox.dagger.inside import outside
from aideator.sandbox.dagger.inside.change import BadChange, ChangeReader, take_manifest
from aideator.sandbox.dagger.inside.supervisor import supervise
from aideator.sandbox.system_files import ETC

FACTS, MANIFEST = "facts.json", "manifest.json"
WORKSPACE = "/workspace"
"""Path under which processes inside find the workspace, wherever it is."""
MALFUNCTION = 70
"""Exit code when this program fails itself: EX_SOFTWARE of sysexits.h."""
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_CAPABILITY_VERSION = 0x2008_0522
_OPEN_FILES, _LOCKED_BYTES = 4096, 8 * 2**20


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


class _CapabilityHeader(ctypes.Structure):
    """`struct __user_cap_header_struct` of linux/capability.h."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def prepare_tree(config: "dict[str, Any]") -> None:
    """Apply the changes, create writable directories, and write the manifest."""
    workspace, uid = config["workspace"], config["uid"]
    os.makedirs(workspace, exist_ok=True)
    target = ChangeReader(workspace, mask=0o755)
    if config["writable"]:
        target = ChangeReader(workspace, owner=uid)
    for path in config["changes"]:
        with open(path, "rb") as change:
            target.apply(change, most=2**63)
    if config["writable"]:
        os.chown(workspace, uid, uid)
        _write(config, MANIFEST, take_manifest(workspace))
    if workspace != WORKSPACE and not os.path.lexists(WORKSPACE):
        os.symlink(workspace, WORKSPACE)
    add_system_files()
    for path, mode in config["tmpfs"].items():
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if mode == 0o700:
            os.chown(path, uid, uid)


def add_system_files() -> None:
    """Write the files below /etc that the container's image lacks."""
    for source in ETC.iterdir():
        target = os.path.join("/etc", source.name)
        with suppress(OSError), open(target, "x", encoding="ascii") as file:
            file.write(source.read_text(encoding="ascii"))
            os.fchmod(file.fileno(), 0o644)


def _write(config: "dict[str, Any]", name: str, content: object) -> None:
    path = os.path.join(config["run"], name)
    with open(path, "w", encoding="ascii") as file:
        json.dump(content, file)
    os.chmod(path, 0o644)


def become_ordinary(config: "dict[str, Any]") -> None:
    """Drop root for this process and its children, and set per-process limits."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: config["disk_bytes"],
        resource.RLIMIT_DATA: config["memory_bytes"],
        resource.RLIMIT_NPROC: config["pids"],
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_MEMLOCK: _LOCKED_BYTES,
    }
    for limit, value in wanted.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    filter_ = seccomp.program()
    os.setgroups([])
    os.setresgid(config["uid"], config["uid"], config["uid"])
    os.setresuid(config["uid"], config["uid"], config["uid"])
    libc = ctypes.CDLL(None, use_errno=True)
    # An ordinary user needs none of the capabilities that an engine lets its processes
    # inherit.
    libc.capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION, 0)), bytes(24))
    prctl = libc.prctl
    program = _Program(len(filter_) // 8, filter_)
    for call in (
        (_SET_NO_NEW_PRIVS, 1, 0),
        (_SET_SECCOMP, _FILTER, ctypes.byref(program)),
    ):
        arguments = [
            ctypes.c_ulong(word) if isinstance(word, int) else word for word in call
        ]
        if prctl(*arguments, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            raise OSError(ctypes.get_errno(), "prctl refused")


def start(
    config: "dict[str, Any]",
    argv: "Sequence[str]",
    env: "dict[str, str]",
    streams: "Sequence[int]",
) -> int:
    """Start a program as the ordinary user, in the workspace; return its process id.

    Args:
        config: The launcher's config.
        argv: The program's path, and its arguments.
        env: Its whole environment.
        streams: Descriptors for its standard streams.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for standard, descriptor in enumerate(streams):
            os.dup2(descriptor, standard)
        os.closerange(3, 1024)
        os.chdir(WORKSPACE)
        become_ordinary(config)
        os.execve(argv[0], list(argv), env)
    except (OSError, ValueError) as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode(errors="replace"))
    finally:
        os._exit(MALFUNCTION)


def start_shim(config: "dict[str, Any]") -> int:
    """Start the shim, with this process's standard error; return its process id."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-X",
            "utf8",
            config["shim"],
            config["home"],
        ]
        return start(config, argv, {}, (null, null, 2))
    finally:
        os.close(null)


def prepare(config: "dict[str, Any]") -> "dict[str, Any]":
    """Prepare the container, and return the facts that the host asks for."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Its children must not read this process's memory, which may hold keys.
    with suppress(OSError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    prepare_tree(config)
    facts = {
        "outside": outside.probe(),
        "path": os.environ.get("PATH", os.defpath),
        "python": sys.executable,
    }
    _write(config, FACTS, facts)
    return facts


def main() -> None:
    """Prepare, start the shim, and supervise."""
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            config = json.load(file)
        facts = prepare(config)
        record = supervise(config, start_shim(config))
    except (BadChange, OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"the container cannot be prepared: {error}\n")
        sys.exit(MALFUNCTION)
    sys.stdout.write(json.dumps({**record, "outside": facts["outside"]}) + "\n")
