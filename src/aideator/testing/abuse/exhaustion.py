"""Probes of limits, and of what a good sandbox allows. Runs inside."""

# A probe makes the system call that it names; pathlib would hide which.
# ruff: noqa: PTH102, PTH108, PTH116, PTH118, PTH123, PTH208, PTH211

import ctypes
import errno
import mmap
import os
import resource
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

from aideator.testing.abuse.inside import (
    call,
    each,
    facts,
    libc,
    open_for_writing,
    probe,
    workspace,
)

# --- resources


def _limit(which: int, value: int) -> str:
    """Set a hard limit by C's function: Python's module raises a ValueError."""
    ctypes.set_errno(0)
    return call(libc.setrlimit(which, struct.pack("qq", value, value)))


@probe("resources")
def _raise_open_files() -> str:
    return _limit(
        resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1] + 1
    )


@probe("resources", weak=True)
def _core_dumps() -> str:
    return _limit(resource.RLIMIT_CORE, -1)


@probe("resources")
def _nice() -> str:
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    return "first in the queue"


@probe("resources")
def _realtime() -> str:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    return "before everybody"


@probe("resources")
def _lock_memory() -> str:
    block = mmap.mmap(-1, 64 << 20)
    ctypes.set_errno(0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(block))
    return call(
        libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(64 << 20)), errno.ENOMEM
    )


@probe("resources", weak=True)
def _huge_sparse_file() -> str:
    with open(workspace("sparse"), "wb") as file:
        file.truncate(1 << 40)
    return "1 TB"


def _fill(directory: str) -> str:
    """Write a quarter more than should fit."""
    name, size = f"{directory}/filler", facts["tmpfs_bytes"][directory] * 5 // 4
    try:
        with open(name, "wb", buffering=0) as file:
            for _ in range(0, size, 1 << 20):
                if file.write(bytes(1 << 20)) < 1 << 20:
                    raise OSError(errno.ENOSPC, "short write")
    finally:
        os.unlink(name)
    return f"{size} bytes"


each("resources", "fill", ["/tmp", "/home/agent", "/dev/shm"], _fill, mild=False)


@probe("resources", mild=False)
def _fork_bomb() -> str:
    children: list[int] = []
    try:
        while len(children) < 2000:
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
    return f"{len(children)} processes"


def _hog(take: str) -> str:
    """Use twice the allowed memory, in a process that the kernel will kill first."""
    size = facts["memory_bytes"] * 2
    program = (
        "import mmap; open('/proc/self/oom_score_adj', 'w').write('1000'); "
        f"size = {size}; {take}"
    )
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True
    )
    return f"{size} bytes"


@probe("resources", mild=False)
def _too_much_memory() -> str:
    return _hog("held = bytearray(b'1') * size")


@probe("resources", mild=False)
def _too_much_shared_memory() -> str:
    return _hog(
        "held = mmap.mmap(-1, size); "
        "[held.write(bytes(1 << 20)) for _ in range(size >> 20)]"
    )


# --- what a good sandbox allows: the host has to handle the consequences


@probe("allowed", allowed=True)
def _set_uid_by_open() -> str:
    path = workspace("born-set-uid")
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o4755))
    return "made" if os.stat(path).st_mode & stat.S_ISUID else ""


@probe("allowed", allowed=True)
def _host_paths_in_the_mount_table() -> str:
    return (
        "seen" if facts["host_path"] in Path("/proc/self/mountinfo").read_text() else ""
    )


@probe("allowed", allowed=True)
def _descriptors_of_pid_1() -> list[str]:
    return os.listdir("/proc/1/fd")


@probe("allowed", allowed=True)
def _memory_of_pid_1() -> str:
    """Rewrite pid 1, which has no rights that the agent lacks.

    That hangs a sandbox, which the host then ends at its time limit.
    """
    return open_for_writing("/proc/1/mem")


@probe("allowed", allowed=True)
def _many_files() -> str:
    os.mkdir(workspace("many"))
    for number in range(20_000):
        os.mknod(workspace(f"many/{number}"))
    return "20000"


@probe("allowed", allowed=True)
def _pipe_in_the_tree() -> str:
    os.mkfifo(workspace("pipe"))
    return "made"


@probe("allowed", allowed=True)
def _link_to_a_host_file() -> str:
    os.symlink("/etc/shadow", workspace("link"))
    return "made"


@probe("allowed", allowed=True)
def _odd_names() -> str:
    for name in (b"line\nbreak", b"\x1b[2Jescape", b"\xff\xfe", b"-rf", b"a" * 255):
        os.close(
            os.open(
                os.path.join(facts["workspace"].encode(), name),
                os.O_CREAT | os.O_WRONLY,
            )
        )
    return "made"


@probe("allowed", allowed=True)
def _deep_directories() -> str:
    os.chdir(facts["workspace"])
    for _ in range(1500):
        os.mkdir("d")
        os.chdir("d")
    return "1500"
