"""The first process of a container: lays the tree out, gives up root, then watches.

    launcher.py ORDER

It starts as the container's root, applies the changes above the source, finds out what
can be reached, and starts the shim as an ordinary user under the limits of each process
and the same system-call filter as bubblewrap has. Then it supervises. At the end it
prints one JSON line, the final record. The order is the JSON object that
`aideator.sandbox.dagger.backend` writes.
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
from aideator.sandbox.dagger.inside.change import BadChange, LayDown, take_manifest
from aideator.sandbox.dagger.inside.supervisor import supervise

FACTS, MANIFEST = "facts.json", "manifest.json"
WORKSPACE = "/workspace"
"""Where everybody inside looks for it, wherever it lies."""
MALFUNCTION = 70
"""This program's exit code when it cannot do its work: EX_SOFTWARE of sysexits.h."""
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_CAPABILITY_VERSION = 0x2008_0522
_OPEN_FILES, _LOCKED_BYTES = 4096, 8 * 2**20


class _Program(ctypes.Structure):
    """`struct sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


class _CapabilityHeader(ctypes.Structure):
    """`struct __user_cap_header_struct` of linux/capability.h."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def lay_out(order: "dict[str, Any]") -> None:
    """Apply the changes, make the places that may be written, and write down what the tree is."""
    workspace, uid = order["workspace"], order["uid"]
    os.makedirs(workspace, exist_ok=True)
    target = (
        LayDown(workspace, owner=uid)
        if order["writable"]
        else LayDown(workspace, mask=0o755)
    )
    for path in order["changes"]:
        with open(path, "rb") as change:
            target.read(change, most=2**63)
    if order["writable"]:
        os.chown(workspace, uid, uid)
        _write(order, MANIFEST, take_manifest(workspace))
    if workspace != WORKSPACE and not os.path.lexists(WORKSPACE):
        os.symlink(workspace, WORKSPACE)
    for path, mode in order["rooms"].items():
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if mode == 0o700:
            os.chown(path, uid, uid)


def _write(order: "dict[str, Any]", name: str, content: object) -> None:
    path = os.path.join(order["run"], name)
    with open(path, "w", encoding="ascii") as file:
        json.dump(content, file)
    os.chmod(path, 0o644)


def become_ordinary(order: "dict[str, Any]") -> None:
    """Give up root, for this process and all that it will start, and put on the limits of each process."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: order["disk_bytes"],
        resource.RLIMIT_DATA: order["memory_bytes"],
        resource.RLIMIT_NPROC: order["pids"],
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_MEMLOCK: _LOCKED_BYTES,
    }
    for limit, value in wanted.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    filter_ = seccomp.program()
    os.setgroups([])
    os.setresgid(order["uid"], order["uid"], order["uid"])
    os.setresuid(order["uid"], order["uid"], order["uid"])
    libc = ctypes.CDLL(None, use_errno=True)
    # What an engine lets its processes inherit is of no use to an ordinary user, and
    # none of its business.
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
    order: "dict[str, Any]",
    argv: "Sequence[str]",
    env: "dict[str, str]",
    streams: "Sequence[int]",
) -> int:
    """Start a program as the ordinary user, in the workspace, with these standard streams; its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for standard, descriptor in enumerate(streams):
            os.dup2(descriptor, standard)
        os.closerange(3, 1024)
        os.chdir(WORKSPACE)
        become_ordinary(order)
        os.execve(argv[0], list(argv), env)
    except (OSError, ValueError) as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode(errors="replace"))
    finally:
        os._exit(MALFUNCTION)


def start_shim(order: "dict[str, Any]") -> int:
    """Start the shim. Its standard error is this process's."""
    null = os.open(os.devnull, os.O_RDWR)
    try:
        argv = [sys.executable, "-I", "-S", "-X", "utf8", order["shim"], order["home"]]
        return start(order, argv, {}, (null, null, 2))
    finally:
        os.close(null)


def prepare(order: "dict[str, Any]") -> "dict[str, Any]":
    """Lay everything out, and return what the host wants to know of this container."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # Nothing that this process has is for its children to be found by: keys least of
    # all.
    with suppress(OSError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
    lay_out(order)
    facts = {
        "outside": outside.look(),
        "path": os.environ.get("PATH", os.defpath),
        "python": sys.executable,
    }
    _write(order, FACTS, facts)
    return facts


def main() -> None:
    """Carry out one order."""
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            order = json.load(file)
        facts = prepare(order)
        record = supervise(order, start_shim(order))
    except (BadChange, OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"the container cannot be prepared: {error}\n")
        sys.exit(MALFUNCTION)
    sys.stdout.write(json.dumps({**record, "outside": facts["outside"]}) + "\n")
