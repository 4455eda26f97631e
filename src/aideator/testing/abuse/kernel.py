"""Probes of the kernel: system calls, mounts, namespaces, privileges, devices.

Runs inside.
"""

# A probe makes the system call that it names; pathlib would hide which.
# ruff: noqa: PTH123

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import pty
import signal
import stat
import struct
import subprocess
from pathlib import Path
from typing import Any

from aideator.testing.abuse.inside import (
    call,
    each,
    facts,
    libc,
    open_for_writing,
    probe,
    status,
    workspace,
)


def syscall(number: int, *arguments: Any) -> str:
    """Make a raw system call, so that it is the kernel that refuses, not a library."""
    ctypes.set_errno(0)
    words = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    return call(libc.syscall(ctypes.c_long(number), *words))


# --- system calls that a sandbox must not make

SYSCALLS = {  # name: (x86_64, aarch64)
    "mount": (165, 40),
    "umount2": (166, 39),
    "fsopen": (430, 430),
    "unshare": (272, 97),
    "clone": (56, 220),
    "clone3": (435, 435),
    "setns": (308, 268),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "syslog": (103, 116),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "swapon": (167, 224),
    "quotactl": (179, 60),
    "acct": (163, 89),
    "iopl": (172, None),
    "personality": (135, 92),
    "chroot": (161, 51),
}
NEW_USER, NEW_NAMESPACE = 0x1000_0000, 0x0002_0000
READ_IMPLIES_EXEC = 0x40_0000


def named(name: str, *arguments: Any) -> str:
    """Make the system call of that name. One that does not exist counts as refused."""
    number = SYSCALLS[name][0 if platform.machine() == "x86_64" else 1]
    if number is None:
        raise OSError(errno.ENOSYS, "not on this machine")
    return syscall(number, *arguments)


def _bare(name: str) -> str:
    return named(name, 0, 0, 0, 0, 0, 0)


each(
    "kernel",
    "call",
    [
        "bpf",
        "io_uring_setup",
        "kexec_load",
        "init_module",
        "fanotify_init",
        "reboot",
        "swapon",
    ],
    _bare,
)
each(
    "kernel",
    "call",
    ["quotactl", "open_by_handle_at", "name_to_handle_at", "request_key", "add_key"],
    _bare,
)
each("kernel", "call", ["keyctl"], _bare, weak=True)  # KEYCTL_GET_KEYRING_ID


@probe("kernel", weak=True)
def _add_a_key() -> str:
    return named("add_key", b"user", b"abuse", b"x", 1, -3)  # to the session's keyring


@probe("kernel")
def _perf_event_open() -> str:
    return named("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0)


@probe("kernel")
def _userfaultfd() -> str:
    return named("userfaultfd", 1)  # UFFD_USER_MODE_ONLY


@probe("kernel")
def _kernel_log() -> str:
    return named("syslog", 10, 0, 0)  # SYSLOG_ACTION_SIZE_BUFFER


@probe("kernel")
def _set_the_clock() -> str:
    return named("settimeofday", struct.pack("qq", -1, -1), 0)


@probe("kernel")
def _accounting() -> str:
    return named("acct", b"/nonexistent")


@probe("kernel")
def _io_ports() -> str:
    return named("iopl", 3)


@probe("kernel")
def _personality() -> str:
    return named("personality", READ_IMPLIES_EXEC)


@probe("kernel")
def _x32_call() -> str:
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "not on this machine")
    return syscall(0x4000_0000 | 39)  # getpid


@probe("kernel", weak=True)
def _i386_call() -> str:
    """Call getpid by `int 0x80`, past every filter that only knows x86_64's numbers."""
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "not on this machine")
    page = mmap.mmap(
        -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    )
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    code = ctypes.CFUNCTYPE(ctypes.c_int)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    child = os.fork()
    if child == 0:
        os._exit(0 if code() > 0 else 1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended != 0:
        raise subprocess.CalledProcessError(ended, "int 0x80")
    return "getpid answered"


# --- mounts and namespaces


@probe("mounts", mild=False)
def _remount_usr_writable() -> str:
    return named("mount", b"none", b"/usr", 0, 0x1020, 0)  # MS_REMOUNT | MS_BIND


@probe("mounts", mild=False)
def _mount_a_tmpfs() -> str:
    return named("mount", b"none", facts["workspace"].encode(), b"tmpfs", 0, 0)


@probe("mounts", mild=False)
def _umount_etc_passwd() -> str:
    return named("umount2", b"/etc/passwd", 2)


@probe("mounts", mild=False)
def _chroot() -> str:
    return named("chroot", facts["workspace"].encode())


@probe("mounts")
def _fsopen() -> str:
    return named("fsopen", b"tmpfs", 0)


@probe("namespaces", weak=True)
def _unshare_user() -> str:
    return named("unshare", NEW_USER)


@probe("namespaces", weak=True)
def _clone_user() -> str:
    answer = named("clone", NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)
    if answer == "returned 0":
        os._exit(0)
    return answer


@probe("namespaces", weak=True)
def _clone3_user() -> str:
    arguments = ctypes.create_string_buffer(
        struct.pack("8Q", NEW_USER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    )
    answer = named("clone3", arguments, 64)
    if answer == "returned 0":
        os._exit(0)
    return answer


@probe("namespaces")
def _setns() -> str:
    with open("/proc/self/ns/uts") as namespace:
        return named("setns", namespace.fileno(), 0)


@probe("namespaces", mild=False)
def _namespace_of_pid_1() -> str:
    with open("/proc/1/ns/user") as namespace:
        return named("setns", namespace.fileno(), 0)


# --- privilege


@probe("privilege")
def _set_uid_binary() -> str:
    return subprocess.run(
        ["su", "--command", "id", "root"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
    ).stdout


@probe("privilege", weak=True)
def _chmod_set_uid() -> str:
    path = Path(workspace("set-uid"))
    path.touch()
    path.chmod(0o4755)
    return oct(path.stat().st_mode)


@probe("privilege")
def _file_capability() -> str:
    path = workspace("capable")
    Path(path).touch()
    os.setxattr(
        path,
        "security.capability",
        struct.pack("<IIIII", 0x0200_0001, 1 << 21, 0, 0, 0),
    )
    return "set"


@probe("privilege")
def _capabilities() -> list[str]:
    mine = status("self")
    return [
        f"{name} {mine[name]}"
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")
        if int(mine[name], 16)
    ]


@probe("privilege", mild=False)
def _gain_privileges_by_exec() -> str:
    return "" if status("self")["NoNewPrivs"] == "1" else "no_new_privs is off"


@probe("privilege", weak=True)
def _unfiltered() -> str:
    return "" if status("self")["Seccomp"] == "2" else "no filter"


# --- terminals and devices


@probe("devices")
def _type_into_a_terminal() -> str:
    _, terminal = pty.openpty()
    fcntl.ioctl(terminal, 0x5412, b"x")  # TIOCSTI
    return "typed"


each(
    "devices",
    "open",
    [
        "/dev/tty",
        "/dev/kvm",
        "/dev/mem",
        "/dev/net/tun",
        "/dev/fuse",
        "/dev/vda",
        "/dev/sda",
    ],
    open_for_writing,
)
each(
    "devices",
    "open",
    ["/dev/vsock", "/dev/loop-control", "/dev/dri/card0", "/dev/kmsg", "/dev/uinput"],
    open_for_writing,
)


@probe("devices")
def _make_a_device() -> list[str]:
    made = []
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        os.mknod(workspace(f"device-{kind}"), kind | 0o600, os.makedev(1, 3))
        made.append(str(kind))
    return made
