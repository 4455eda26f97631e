"""Probes of files, secrets, processes, writes, sockets and pid 1. Runs inside."""

# A probe makes the system call that it names; pathlib would hide which.
# ruff: noqa: PTH101, PTH108, PTH115, PTH116, PTH118, PTH208

import ctypes
import errno
import os
import signal
import socket
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aideator.testing.abuse.inside import (
    PROBES,
    Probe,
    call,
    each,
    facts,
    libc,
    open_for_writing,
    probe,
    status,
    workspace,
)


def processes() -> list[str]:
    """Return the ids of all visible processes."""
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _processes_where(shows: Callable[[str], bool]) -> list[str]:
    """Return the ids of the processes that show something; unreadable ones do not."""
    found = []
    for pid in processes():
        with suppress(OSError):
            if shows(pid):
                found.append(pid)
    return found


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


# --- host files


@probe("host files", weak=True)
def _ssh_key() -> str:
    return Path(facts["ssh_key"]).read_text()


@probe("host files", weak=True)
def _other_repository() -> list[str]:
    return os.listdir(facts["other_repository"])


each("host files", "list", ["/boot", "/srv", "/mnt"], os.listdir)
each("host files", "list", ["/sys"], os.listdir, weak=True)
each("host files", "read", ["/etc/shadow"], _read)


@probe("host files")
def _machine_id() -> bytes:
    """Read the host's id, which a sandbox may replace by one of its own."""
    found = _read("/etc/machine-id")
    if found.decode() != facts["machine_id"]:
        raise FileNotFoundError(errno.ENOENT, "this is another machine's id")
    return found


@probe("host files")
def _home_of_root() -> list[str]:
    """List root's home, except directories that lead to mounts in it."""
    mounted = [
        line.split()[4]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [
        name
        for name in os.listdir("/root")
        if not any(path.startswith(os.path.join("/root", name)) for path in mounted)
    ]


@probe("host files")
def _hardlink_to_a_host_file() -> str:
    os.link("/usr/bin/env", workspace("hardlink"))
    return "linked"


@probe("host files")
def _another_sandbox_through_cwd() -> list[str]:
    return _processes_where(
        lambda pid: facts["cwd_marker"] in os.listdir(f"/proc/{pid}/cwd")
    )


@probe("host files")
def _out_of_the_root_of_pid_1() -> str:
    return Path("/proc/1/root", "..", facts["ssh_key"].lstrip("/")).read_text()


# --- secrets


@probe("secrets", weak=True)
def _own_environment() -> str:
    return facts["secret_name"] if facts["secret_name"] in os.environ else ""


@probe("secrets", weak=True)
def _environments_in_proc() -> list[str]:
    secret = facts["secret_name"].encode()
    return _processes_where(lambda pid: secret in _read(f"/proc/{pid}/environ"))


@probe("secrets", mild=False)
def _environment_of_pid_1() -> list[str]:
    """Return variables other than bubblewrap's, which the mount table shows anyway."""
    names = {
        line.partition(b"=")[0]
        for line in Path("/proc/1/environ").read_bytes().split(b"\0")
    }
    return [
        name.decode()
        for name in names - {b"", b"PWD", b"LD_PRELOAD", b"LD_LIBRARY_PATH"}
    ]


@probe("secrets", mild=False)
def _arguments_of_pid_1() -> str:
    arguments = Path("/proc/1/cmdline").read_bytes()
    return repr(arguments) if b"setenv" in arguments or b"bind" in arguments else ""


@probe("secrets", weak=True)
def _inherited_descriptors() -> list[str]:
    return list(facts["inherited"])


# --- host processes


@probe("host processes", weak=True)
def _visible_in_proc() -> list[str]:
    marker = facts["process_marker"].encode()
    return _processes_where(lambda pid: marker in _read(f"/proc/{pid}/cmdline"))


def _canary() -> int:
    """Return the canary's pid, unless it is another process's in here."""
    pid = int(facts["process"])
    line = Path("/proc", str(pid), "cmdline")
    if line.exists() and facts["process_marker"].encode() not in line.read_bytes():
        raise ProcessLookupError(errno.ESRCH, "the id means another process in here")
    return pid


@probe("host processes", weak=True)
def _signal() -> str:
    os.kill(_canary(), signal.SIGCONT)
    return "sent"


@probe("host processes")
def _ptrace() -> str:
    # PTRACE_SEIZE does not stop it.
    return call(libc.ptrace(0x4206, ctypes.c_long(_canary()), None, None), errno.ESRCH)


@probe("host processes")
def _process_vm_readv() -> str:
    here = ctypes.create_string_buffer(8)
    iov = ctypes.create_string_buffer(struct.pack("PN", ctypes.addressof(here), 8))
    ctypes.set_errno(0)
    return call(libc.process_vm_readv(_canary(), iov, 1, iov, 1, 0), errno.ESRCH)


@probe("host processes", weak=True)
def _shared_memory_segment() -> str:
    ctypes.set_errno(0)
    return call(libc.shmget(ctypes.c_int(facts["segment_key"]), 0, 0), errno.ENOENT)


# --- writes


def _create(directory: str) -> str:
    name = os.path.join(directory, ".abuse-probe")
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    os.unlink(name)
    return name


each(
    "writes",
    "create_in",
    ["/", "/usr", "/usr/bin", "/etc", "/dev", "/lib", "/run", "/proc"],
    _create,
)
each(
    "writes",
    "open",
    [
        "/etc/passwd",
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/sys/vm/overcommit_memory",
    ],
    open_for_writing,
)


# --- network


def _dial(family: int, address: Any) -> str:
    """Connect and read the canary's greeting; another server there does not count."""
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(2)
        line.connect(address)
        greeting = line.recv(64)
    if facts["greeting"].encode() not in greeting:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "someone else answered")
    return greeting.decode()


def _connects(family: int, kind: int, address: Any) -> str:
    with socket.socket(family, kind) as line:
        line.settimeout(2)
        line.connect(address)
    return f"connected to {address}"


def _stream_to(*address: Any) -> Callable[[], str]:
    return lambda: _connects(
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
        socket.SOCK_STREAM,
        address,
    )


def _opens(family: int, kind: int) -> Callable[[], str]:
    return lambda: f"opened {socket.socket(family, kind)}"


def _greeted_at(fact: str) -> Callable[[], str]:
    return lambda: _dial(socket.AF_UNIX, facts[fact])


for _name, _attempt, _weak in (
    ("tcp_to_the_internet", _stream_to("1.1.1.1", 443), False),
    ("tcp_to_the_internet_v6", _stream_to("2606:4700:4700::1111", 443), False),
    ("cloud_metadata", _stream_to("169.254.169.254", 80), False),
    (
        "local_network",
        lambda: _connects(socket.AF_INET, socket.SOCK_DGRAM, ("10.255.255.254", 53)),
        False,
    ),
    ("name_resolution", lambda: socket.getaddrinfo("example.com", 443), False),
    (
        "host_loopback",
        lambda: _dial(socket.AF_INET, ("127.0.0.1", facts["tcp_port"])),
        False,
    ),
    (
        "abstract_socket",
        lambda: _dial(socket.AF_UNIX, "\0" + facts["abstract_socket"]),
        False,
    ),
    ("host_unix_socket", _greeted_at("unix_socket"), True),
    (
        "docker_socket",
        lambda: _connects(socket.AF_UNIX, socket.SOCK_STREAM, "/var/run/docker.sock"),
        False,
    ),
    (
        "system_bus",
        lambda: _connects(
            socket.AF_UNIX, socket.SOCK_STREAM, "/run/dbus/system_bus_socket"
        ),
        False,
    ),
    ("raw_icmp", lambda: f"{socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)}", False),
    ("packet_socket", _opens(17, socket.SOCK_RAW), False),
    ("vsock", _opens(40, socket.SOCK_STREAM), True),
    ("crypto_socket", _opens(38, socket.SOCK_SEQPACKET), False),
):
    PROBES[_name] = Probe("network", _attempt, weak=_weak)


@probe("network")
def _add_a_network_link() -> str:
    kind = struct.pack("HH5sxxx", 9, 1, b"dummy")  # IFLA_INFO_KIND inside IFLA_LINKINFO
    body = (
        struct.pack("BxHiII", 0, 0, 0, 0, 0)
        + struct.pack("HH", 4 + len(kind), 18)
        + kind
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as line:
        line.send(
            struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body
        )  # RTM_NEWLINK, CREATE|EXCL|ACK
        code = -struct.unpack_from("i", line.recv(4096), 16)[0]
    if code:
        raise OSError(code, os.strerror(code))
    return "added"


# --- pid 1


@probe("pid 1", mild=False)
def _binary_of_pid_1() -> str:
    path = "/proc/1/exe"
    if os.readlink(path).startswith("/memfd:"):
        raise PermissionError(
            errno.EPERM, "a sealed copy: nothing of the host's is there"
        )
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))
    return "its mode can be set"


@probe("pid 1", mild=False)
def _write_to_the_binary_of_pid_1() -> str:
    return open_for_writing("/proc/1/exe")


@probe("pid 1", mild=False)
def _trace_pid_1() -> str:
    return call(libc.ptrace(0x4206, ctypes.c_long(1), None, None))


@probe("pid 1", mild=False)
def _weakness_of_pid_1() -> list[str]:
    fields = status("1")
    held = [name for name in ("CapPrm", "CapEff") if int(fields[name], 16)]
    return held + [
        name
        for name, good in (("Seccomp", "2"), ("NoNewPrivs", "1"))
        if fields[name] != good
    ]
