"""The filter: interpreted for both architectures, and loaded into real processes."""

import ctypes
import errno
import json
import platform
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aideator.sandbox import seccomp

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
MACHINES = ["x86_64", "aarch64"]

REFUSED = """
acct add_key bpf chroot clock_adjtime clock_settime delete_module fanotify_init
finit_module fsconfig fsmount fsopen fspick init_module io_uring_enter
io_uring_register io_uring_setup ioperm iopl kcmp kexec_load kexec_file_load keyctl
lookup_dcookie mbind memfd_secret migrate_pages modify_ldt mount mount_setattr
move_mount move_pages name_to_handle_at open_by_handle_at open_tree open_tree_attr
perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv
process_vm_writev quotactl quotactl_fd reboot request_key set_mempolicy setns
settimeofday statmount listmount swapon swapoff sysfs syslog umount2 unshare uselib
userfaultfd ustat vhangup
""".split()  # noqa: SIM905
X86_ONLY = {"ioperm", "iopl", "modify_ldt", "sysfs", "uselib", "ustat"}


def answer(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel would do: interpret the program over a `struct seccomp_data`."""
    padded = (arguments + (0,) * 6)[:6]
    data = struct.pack(
        "<IIQ6Q", number, AUDIT_ARCH[machine] if arch is None else arch, 0, *padded
    )
    code = list(struct.iter_unpack("<HBBI", seccomp.program(machine)))
    at = word = 0
    while True:
        operation, when_true, when_false, constant = code[at]
        at += 1
        match operation:
            case 0x20:
                (word,) = struct.unpack_from("<I", data, constant)
            case 0x15:
                at += when_true if word == constant else when_false
            case 0x35:
                at += when_true if word >= constant else when_false
            case 0x45:
                at += when_true if word & constant else when_false
            case 0x06:
                return int(constant)
            case _:
                raise AssertionError(
                    f"an operation that the filter should not need: {operation:#x}"
                )


def numbers(machine: str) -> dict[str, int]:
    """Return every call's number in the filter's tables; headers check them below."""
    column = MACHINES.index(machine)
    tables = seccomp._REFUSED + seccomp._EXAMINED  # noqa: SLF001
    return seccomp._numbers(tables, column)  # noqa: SLF001


def headers(machine: str) -> dict[str, int]:
    """Numbers from the kernel's headers, the only authority that a test can have."""
    file = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }[machine]
    if not file.exists():
        pytest.skip(f"no kernel headers here ({file.name} comes with linux-libc-dev)")
    return {
        name: int(number)
        for name, number in re.findall(
            r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read_text()
        )
    }


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_is_the_kernel_headers_own(machine: str) -> None:
    known = headers(machine)
    ours = numbers(machine)
    compared = {name: number for name, number in ours.items() if name in known}
    assert compared == {name: known[name] for name in compared}
    newer_than_the_headers = {
        name: number for name, number in ours.items() if name not in known
    }
    assert all(number > 434 for number in newer_than_the_headers.values()), (
        newer_than_the_headers
    )


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", REFUSED)
def test_a_dangerous_call_is_refused(machine: str, name: str) -> None:
    if machine == "aarch64" and name in X86_ONLY:
        assert name not in numbers(machine)
        return
    assert answer(machine, numbers(machine)[name]) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@given(
    number=st.integers(0, 0x3FFF_FFFF),
    arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
)
def test_every_other_call_is_allowed_whatever_its_arguments(
    machine: str, number: int, arguments: tuple[int, ...]
) -> None:
    if number not in numbers(machine).values():
        assert answer(machine, number, *arguments) == ALLOW


NEW_FLAGS = [
    0x2_0000,
    0x200_0000,
    0x400_0000,
    0x800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
]
PTHREAD_FLAGS = 0x3D_0F00
EPERM, UNKNOWN_FAMILY, ENOSYS = (
    ERRNO | errno.EPERM,
    ERRNO | errno.EAFNOSUPPORT,
    ERRNO | errno.ENOSYS,
)

EXAMINED: list[tuple[str, tuple[int, ...], int]] = [
    *(("clone", (flag | 17,), EPERM) for flag in NEW_FLAGS),
    ("clone", (PTHREAD_FLAGS,), ALLOW),
    ("clone", (0x1200011,), ALLOW),  # fork, as glibc does it
    ("clone3", (0, 88), ENOSYS),
    ("chmod", (0, 0o4755), EPERM),
    ("chmod", (0, 0o755), ALLOW),
    ("chmod", (0, 0o1777), ALLOW),
    ("fchmod", (3, 0o2755), EPERM),
    ("fchmod", (3, 0o644), ALLOW),
    ("fchmodat", (3, 0, 0o6755), EPERM),
    ("fchmodat", (0o6000, 0o6000, 0o755), ALLOW),
    ("fchmodat2", (3, 0, 0o4000, 0), EPERM),
    ("fchmodat2", (3, 0, 0o600, 0), ALLOW),
    ("ioctl", (0, 0x5412), EPERM),
    ("ioctl", (0, 0x5412 | 1 << 32), EPERM),
    ("ioctl", (0, 0x541C | 0xFFFF << 48), EPERM),
    ("ioctl", (0, 0x5413), ALLOW),  # TIOCGWINSZ
    ("ptrace", (16, 1), EPERM),
    ("ptrace", (16, 1 | 1 << 32), EPERM),
    ("ptrace", (0, 0), ALLOW),
    ("ptrace", (16, 11), ALLOW),
    ("personality", (0,), ALLOW),
    ("personality", (0xFFFF_FFFF,), ALLOW),
    ("personality", (0x4_0000,), ALLOW),
    ("personality", (0x40_0000,), EPERM),  # READ_IMPLIES_EXEC
    ("personality", (0x8,), EPERM),  # PER_LINUX32
    *(("socket", (family, 1), ALLOW) for family in (1, 2, 10, 16)),
    *(("socketpair", (family, 1), ALLOW) for family in (1, 2, 10, 16)),
    *(("socket", (family, 1), UNKNOWN_FAMILY) for family in (0, 3, 17, 38, 40, 44)),
    *(("socketpair", (family, 1), UNKNOWN_FAMILY) for family in (0, 3, 17, 38, 40, 44)),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "expected"), EXAMINED)
def test_a_call_that_depends_on_its_arguments_is_judged_by_them(
    machine: str, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    if name not in numbers(machine):
        assert (machine, name) == ("aarch64", "chmod")
        return
    assert answer(machine, numbers(machine)[name], *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_through_another_architectures_door_kills_the_process(
    machine: str,
) -> None:
    others = {arch for name, arch in AUDIT_ARCH.items() if name != machine}
    assert {answer(machine, 0, arch=arch) for arch in others} == {KILL_PROCESS}


def test_x32_calls_do_not_exist() -> None:
    mount = numbers("x86_64")["mount"]
    assert answer("x86_64", mount | 0x4000_0000) == ENOSYS
    assert answer("x86_64", 0x4000_0000) == ENOSYS


def test_an_unknown_machine_is_refused_rather_than_left_unfiltered() -> None:
    with pytest.raises(ValueError, match="no system-call table for riscv64"):
        seccomp.program("riscv64")


INSIDE = """
import ctypes, json, struct, sys
program, calls = bytes.fromhex(sys.stdin.readline()), json.loads(sys.stdin.readline())
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
code = ctypes.create_string_buffer(program)
fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
if program:
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, fprog, 0, 0) == 0
def call(number, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments))
    return ctypes.get_errno() if done == -1 else 0
print(json.dumps([call(*c) for c in calls]))
"""


def errnos(program: bytes, calls: list[tuple[int, ...]]) -> list[int]:
    """Make system calls in a child under the program (or none); return their errnos."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", INSIDE],
        input=f"{program.hex()}\n{json.dumps(calls)}\n",
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    return [int(number) for number in json.loads(done.stdout)]


@pytest.fixture
def here() -> str:
    if platform.machine() not in MACHINES or ctypes.sizeof(ctypes.c_void_p) != 8:
        pytest.skip(f"no table for {platform.machine()}")
    return platform.machine()


def test_the_kernel_takes_the_program_and_refuses_the_same_calls(here: str) -> None:
    table = numbers(here)
    names = [name for name in REFUSED if name in table]
    answers = errnos(
        seccomp.program(), [(table[name], 0, 0, 0, 0, 0, 0) for name in names]
    )
    assert dict(zip(names, answers, strict=True)) == dict.fromkeys(names, errno.EPERM)


HARMLESS: list[tuple[str, tuple[int, ...]]] = [
    ("unshare", (0,)),
    ("personality", (0x0020_0000,)),  # ADDR_COMPAT_LAYOUT
    ("personality", (0xFFFF_FFFF,)),
    ("chmod", (0, 0o4755)),
    ("socket", (16, 3, 0)),
    ("socket", (0, 1, 0)),
]


def test_without_the_program_the_harmless_ones_among_them_pass(here: str) -> None:
    calls = [
        (numbers(here)[name], *arguments)
        for name, arguments in HARMLESS
        if name in ("unshare", "personality")
    ]
    assert errnos(b"", calls)[:2] == [0, 0]
    assert errnos(seccomp.program(), calls)[:2] == [errno.EPERM, errno.EPERM]


def test_the_kernel_and_the_little_machine_agree(here: str) -> None:
    calls = [
        (numbers(here)[name], *arguments)
        for name, arguments in HARMLESS
        if name in numbers(here)
    ]
    predicted = [answer(here, number, *arguments) for number, *arguments in calls]
    assert errnos(seccomp.program(), calls) == [
        0 if action == ALLOW else action & 0xFFFF for action in predicted
    ]


def test_ordinary_programs_work_under_the_filter(here: str) -> None:
    work = (
        "import subprocess, sqlite3, tempfile, threading, socket, multiprocessing\n"
        "thread = threading.Thread(target=print, args=('thread',))\n"
        "thread.start(); thread.join()\n"
        "git = ['git', '--version']\n"
        "print(subprocess.run(git, capture_output=True, check=True).stdout[:3])\n"
        "a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n"
        "with multiprocessing.Pool(1) as pool: assert pool.apply(len, ('abc',)) == 3\n"
        "with tempfile.TemporaryDirectory() as place, \\\n"
        "        sqlite3.connect(place + '/db') as db:\n"
        "    assert db.execute('pragma journal_mode=wal').fetchone() == ('wal',)\n"
    )
    load = INSIDE.rpartition("def call")[0] + f"exec({work!r})"
    done = subprocess.run(
        [sys.executable, "-c", load],
        input=f"{seccomp.program().hex()}\n[]\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "thread\nb'git'\n"
