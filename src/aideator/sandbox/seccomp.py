"""System-call filter of every sandbox, as the classic BPF that `bwrap --seccomp` loads.

Assembled here because libseccomp is not everywhere, and the filter is small. A refused
call fails with the errno that a kernel without the feature would give, so that programs
fall back instead of failing. Odd on purpose:

- Only the low 32 bits of an argument are compared wherever the kernel itself truncates
  it
  to 32 bits; otherwise setting a high bit would evade the filter (as with TIOCSTI in
  CVE-2019-10063).
- `clone3` answers ENOSYS: its flags are behind a pointer, which BPF cannot follow, and
  every libc falls back to `clone`.
- `open(O_CREAT, 04755)` cannot be told from a plain open, whose mode argument is
  garbage: the state directory must be 0700 or nosuid instead.
"""

import errno
import platform
import struct

_REFUSED = """
    acct              163  89   add_key           248 217   bpf               321 280
    chroot            161  51   clock_adjtime     305 266   clock_settime     227 112
    delete_module     176 106   fanotify_init     300 262   finit_module      313 273
    fsconfig          431 431   fsmount           432 432   fsopen            430 430
    fspick            433 433   init_module       175 105   io_uring_enter    426 426
    io_uring_register 427 427   io_uring_setup    425 425   ioperm            173   -
    iopl              172   -   kcmp              312 272   kexec_file_load   320 294
    kexec_load        246 104   keyctl            250 219   listmount         458 458
    lookup_dcookie    212  18   mbind             237 235   memfd_secret      447 447
    migrate_pages     256 238   modify_ldt        154   -   mount             165  40
    mount_setattr     442 442   move_mount        429 429   move_pages        279 239
    name_to_handle_at 303 264   open_by_handle_at 304 265   open_tree         428 428
    open_tree_attr    467 467   perf_event_open   298 241   pidfd_getfd       438 438
    pivot_root        155  41   process_madvise   440 440   process_vm_readv  310 270
    process_vm_writev 311 271   quotactl          179  60   quotactl_fd       443 443
    reboot            169 142   request_key       249 218   set_mempolicy     238 237
    setns             308 268   settimeofday      164 170   statmount         457 457
    swapoff           168 225   swapon            167 224   sysfs             139   -
    syslog            103 116   umount2           166  39   unshare           272  97
    uselib            134   -   userfaultfd       323 282   ustat             136   -
    vhangup           153  58
    _sysctl           156   -   afs_syscall       183   -   create_module     174   -
    get_kernel_syms   177   -   getpmsg           181   -   nfsservctl        180  42
    putpmsg           182   -   query_module      178   -   security          185   -
    tuxcall           184   -   vserver           236   -
"""
"""Calls that always answer EPERM: name, number on x86_64, number on aarch64. The last
four rows have not existed for long."""

_EXAMINED = """
    chmod              90   -   clone              56 220   clone3            435 435
    fchmod             91  52   fchmodat          268  53   fchmodat2         452 452
    ioctl              16  29   personality       135  92   ptrace            101 117
    socket             41 198   socketpair         53 199
"""
"""Calls whose answer depends on their arguments, and clone3."""

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine → its column in the tables, and its AUDIT_ARCH_* (linux/audit.h)."""

_X32_BIT = 0x4000_0000
# UNIX, INET, INET6, NETLINK (which lists nothing but the loopback device)
_SOCKET_FAMILIES = (1, 2, 10, 16)
# NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET; NEWTIME needs clone3 or unshare
_NEW_NAMESPACE = 0x7E02_0000
_SET_ID_BITS = 0o6000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# The default, the query, ADDR_NO_RANDOMIZE for debuggers.
_PERSONALITIES = (0, 0xFFFF_FFFF, 0x0004_0000)

# Offsets into struct seccomp_data (linux/seccomp.h). Both machines are little-endian:
# an argument's low half is first.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000

_Code = list[tuple[int, int, int, int]]
"""Instructions: operation, jump if true, jump if false, constant. A block either
returns or continues after its end."""


def _load(offset: int) -> _Code:
    return [(_LOAD, 0, 0, offset)]


def _argument(index: int) -> _Code:
    return _load(_ARGUMENTS + 8 * index)


def _answer(action: int) -> _Code:
    return [(_RETURN, 0, 0, action)]


def _refuse(error: int) -> _Code:
    return _answer(_ERRNO | error)


def _when(test: int, constant: int, block: _Code) -> _Code:
    """Run the block if the loaded word passes the test, else skip it."""
    return [(test, 0, len(block), constant), *block]


def _unless_among(values: tuple[int, ...], block: _Code) -> _Code:
    """Run the block if the loaded word is none of the values, else skip it."""
    last = len(values) - 1
    return [
        *((_EQUAL, last - i + len(block), 0, value) for i, value in enumerate(values)),
        *block,
    ]


def _numbers(table: str, column: int) -> dict[str, int]:
    cells = table.split()
    return {
        name: int(number)
        for name, number in zip(cells[::3], cells[1 + column :: 3], strict=True)
        if number != "-"
    }


def _examined() -> dict[str, _Code]:
    """Return the block of each examined call; each ends by allowing the call."""
    eperm, family = _refuse(errno.EPERM), _refuse(errno.EAFNOSUPPORT)
    set_id = _when(_ANY_BIT, _SET_ID_BITS, eperm)
    one_of_ours = _argument(0) + _unless_among(_SOCKET_FAMILIES, family)
    blocks = {
        "chmod": _argument(1) + set_id,
        "fchmod": _argument(1) + set_id,
        "fchmodat": _argument(2) + set_id,
        "fchmodat2": _argument(2) + set_id,
        "clone": _argument(0) + _when(_ANY_BIT, _NEW_NAMESPACE, eperm),
        "clone3": _refuse(errno.ENOSYS),
        "ioctl": _argument(1)
        + _when(_EQUAL, _TIOCSTI, eperm)
        + _when(_EQUAL, _TIOCLINUX, eperm),
        # An agent that stops pid 1 would block its sandbox until the time limit.
        "ptrace": _argument(1) + _when(_EQUAL, 1, eperm),
        "personality": _argument(0) + _unless_among(_PERSONALITIES, eperm),
        "socket": one_of_ours,
        "socketpair": one_of_ours,
    }
    return {name: block + _answer(_ALLOW) for name, block in blocks.items()}


def program(arch: str | None = None) -> bytes:
    """Assemble the filter.

    Args:
        arch: `x86_64` or `aarch64`; this machine's when None. A call made by any other
            architecture's entry (such as i386's `int 0x80`) kills the process.

    Returns:
        An array of `struct sock_filter` (linux/filter.h), little-endian.

    Raises:
        ValueError: if there is no table for the architecture.
    """
    machine = arch or platform.machine()
    if machine not in _MACHINES:
        raise ValueError(
            f"no system-call table for {machine}; there are {', '.join(_MACHINES)}"
        )
    column, audit_arch = _MACHINES[machine]
    code = _load(_ARCH) + _unless_among((audit_arch,), _answer(_KILL)) + _load(_NUMBER)
    if machine == "x86_64":
        code += _when(_AT_LEAST, _X32_BIT, _refuse(errno.ENOSYS))
    blocks = _examined()
    for name, number in _numbers(_EXAMINED, column).items():
        code += _when(_EQUAL, number, blocks[name])
    for number in sorted(_numbers(_REFUSED, column).values()):
        code += _when(_EQUAL, number, _refuse(errno.EPERM))
    code += _answer(_ALLOW)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
