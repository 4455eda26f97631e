"""How hostile code is tried out INSIDE a sandbox: the register of probes, and their judge.

Standard library only, Python >= 3.9: `aideator.testing.abuse` pipes this file and the
probes' files to whatever Python the sandbox has.

The answer of a probe is what it got hold of. It counts as *blocked* only if it raised
OSError, if a command that it ran failed, or if the answer is empty; as *reached* if
there is an answer; and as *broken* after anything else, such as a TypeError or a hang:
a probe that cannot fail for the right reason proves nothing.

For the same reason a system call must be *refused* (EPERM, EACCES, ENOSYS and their
like). EFAULT and EINVAL mean that the kernel let us in and only disliked our arguments,
which are harmless on purpose: that is reached.
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
SECONDS = 30
"""After which a probe counts as hung, and so as broken."""


class Probe(NamedTuple):
    """One attempt, and what is expected of it."""

    group: str
    attempt: Callable[[], Any]
    weak: bool = False
    """Whether a sandbox that only hides the network lets it through: then our
    configuration is what blocks it."""
    mild: bool = True
    """Whether it may be tried where nothing holds it back."""
    allowed: bool = False
    """Whether a good sandbox lets it through, so that the host has to be ready for what
    comes of it."""


PROBES: dict[str, Probe] = {}
facts: dict[str, Any] = {}
"""Where the host's canaries are. Never what they hold: it must be found, not told."""

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def probe(
    group: str, **marks: bool
) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a function as a probe under its own name. The marks are `Probe`'s."""

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
    """Register the same attempt on several things."""
    for name in names:
        label = f"{prefix}_{name.strip('/').replace('/', '_') or 'root'}"
        PROBES[label] = Probe(group, functools.partial(attempt, name), **marks)


def call(result: int, *also: int) -> str:
    """Judge what a C function returned: a refusal, or an error in `also`, is raised; all else is an answer."""
    code = ctypes.get_errno()
    if result != -1:
        return f"returned {result}"
    if code in REFUSALS or code in also:
        raise OSError(code, os.strerror(code))
    return f"the kernel looked at it: {errno.errorcode.get(code, code)}"


def workspace(name: str) -> str:
    """A path in the one place where we may write."""
    return f"{facts['workspace']}/{name}"


def open_for_writing(path: str) -> str:
    """Open what exists, and write nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    return path


def status(pid: str) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    lines = Path("/proc", pid, "status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def report(name: str, result: str, detail: str) -> None:
    """Write one line in one call, so that what is known survives whatever the next probe does."""
    os.write(
        1,
        json.dumps({"name": name, "result": result, "detail": detail[:300]}).encode()
        + b"\n",
    )


def judge(name: str) -> None:
    """Make one attempt.

    What is neither an answer nor a failure of the right kind goes up as it is.
    """
    try:
        answer = PROBES[name].attempt()
    except (OSError, subprocess.CalledProcessError) as error:
        report(name, "blocked", repr(error))
    else:
        report(name, "reached" if answer else "blocked", repr(answer))


def main(names: list[str], known: dict[str, Any]) -> None:
    """Make each attempt in a process of its own, so that none can spoil the next."""
    listed = os.listdir(
        "/proc/self/fd"
    )  # the descriptor that lists them is among them, and closed by now
    inherited = [
        number
        for number in listed
        if int(number) > 2 and os.path.lexists(f"/proc/self/fd/{number}")
    ]
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
            last = ""
            with suppress(BlockingIOError):
                last = (
                    os.read(reader, 65536)
                    .decode(errors="replace")
                    .strip()
                    .rpartition("\n")[2]
                )
            report(name, "broken", f"ended with {code}: {last}")
        os.close(reader)
