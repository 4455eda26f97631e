"""Registry and runner of the abuse probes. Runs inside the sandbox.

Standard library only, Python 3.9 or later: `aideator.testing.abuse` pipes this file and
the probes' files to the sandbox's Python.

A probe returns what it reached. It counts as *blocked* only if it raised OSError, if a
command that it ran failed, or if it returned something empty; as *reached* if it
returned anything else; and as *broken* otherwise, for example after a TypeError or a
hang: a probe that fails for the wrong reason proves nothing.

For the same reason a system call must be *refused* (EPERM, EACCES, ENOSYS and similar).
EFAULT and EINVAL mean that the kernel accepted the call and rejected only its
arguments, which are harmless on purpose: that counts as reached.
"""

# A probe makes the system call that it names; pathlib would hide which.
# ruff: noqa: PTH208

import ctypes
import errno
import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

REFUSALS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EAFNOSUPPORT, errno.EROFS}
SECONDS = 120
"""Time after which a probe counts as hung, and so as broken. On a busy machine 20,000
files take half a minute."""


class Probe(NamedTuple):
    """One attempt, and its expected result."""

    group: str
    attempt: Callable[[], Any]
    weak: bool = False
    """Whether a sandbox that only hides the network does not block it: then it is our
    configuration that does."""
    mild: bool = True
    """Whether it may be run where nothing blocks it."""
    allowed: bool = False
    """Whether a good sandbox allows it, so that the host has to handle the
    consequences."""


PROBES: dict[str, Probe] = {}
facts: dict[str, Any] = {}
"""Where the host's canaries are, but never their content, which has to be found."""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def probe(
    group: str, **marks: bool
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a function as a probe under its name; marks are fields of `Probe`."""

    def register(attempt: Callable[[], Any]) -> Callable[[], Any]:
        PROBES[attempt.__name__.strip("_")] = Probe(group, attempt, **marks)
        return attempt

    return register


def each(
    group: str,
    prefix: str,
    names: list[str],
    attempt: Callable[[str], Any],
    **marks: bool,
) -> None:
    """Register the same attempt for several names."""
    for name in names:
        label = f"{prefix}_{name.strip('/').replace('/', '_') or 'root'}"
        PROBES[label] = Probe(group, functools.partial(attempt, name), **marks)


def call(result: int, *also: int) -> str:
    """Evaluate a C function's result.

    Returns:
        What it returned, or that the kernel rejected only the arguments.

    Raises:
        OSError: if it failed with a refusal, or an error in `also`.
    """
    code = ctypes.get_errno()
    if result != -1:
        return f"returned {result}"
    if code in REFUSALS or code in also:
        raise OSError(code, os.strerror(code))
    return f"the kernel looked at it: {errno.errorcode.get(code, code)}"


def workspace(name: str) -> str:
    """Return a path in the workspace, which may be written to."""
    return f"{facts['workspace']}/{name}"


def open_for_writing(path: str) -> str:
    """Open an existing file for writing, and write nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    return path


def status(pid: str) -> dict[str, str]:
    """Return the fields of /proc/PID/status."""
    lines = Path("/proc", pid, "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def report(name: str, result: str, detail: str) -> None:
    """Write one line in one call, so that it survives what the next probe does."""
    line = json.dumps({"name": name, "result": result, "detail": detail[:300]})
    os.write(1, line.encode() + b"\n")


def judge(name: str) -> None:
    """Make one attempt and report it. Failures of the wrong kind are raised."""
    try:
        answer = PROBES[name].attempt()
    except (OSError, subprocess.CalledProcessError) as error:
        report(name, "blocked", repr(error))
    else:
        report(name, "reached" if answer else "blocked", repr(answer))


def main(names: list[str], known: dict[str, Any]) -> None:
    """Make each attempt in a process of its own, so that none affects the next."""
    # The list has the descriptor that listed them, which is closed by now.
    listed = [number for number in os.listdir("/proc/self/fd") if int(number) > 2]
    inherited = [n for n in listed if os.path.lexists(f"/proc/self/fd/{n}")]
    facts.update(known, inherited=inherited)
    for name in names:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writer, 2)
            signal.alarm(SECONDS)
            judge(name)
            os._exit(0)
        os.close(writer)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.set_blocking(reader, False)  # its own children may still hold the other end
        if code != 0:
            stderr = b""
            with suppress(BlockingIOError):
                stderr = os.read(reader, 65536)
            last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
            report(name, "broken", f"ended with {code}: {last}")
        os.close(reader)
