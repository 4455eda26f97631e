"""Who is at the other end of a connection from this machine, and what they may read.

A loopback address says that a client is on this machine, not whose it is. The kernel
knows the user of the socket at the other end, and tells it by `sock_diag(7)`
(https://man7.org/linux/man-pages/man7/sock_diag.7.html), which needs no rights.
"""

import os
import pwd
import socket
import stat
import struct
from contextlib import closing
from pathlib import Path

_Address = tuple[str, int]

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
"""Of a netlink message: length, type, flags, sequence number, port."""
_REQUEST = struct.Struct("=BBBBI")
"""Of `inet_diag_req_v2`, up to the socket's id: family, protocol, extensions, padding,
states."""
_ANY_STATE = 0xFFFFFFFF
_ANY_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
"""Any interface, and `INET_DIAG_NOCOOKIE`."""
_UID_OFFSET = _HEADER.size + 4 + 48 + 12
"""In the answer: behind the header, four small fields, the socket's id and three
counters of `inet_diag_msg`."""


def peer_uid(peer: _Address, own: _Address) -> int | None:
    """Return the uid of the process that holds the other end of a TCP connection.

    Args:
        peer: Address and port of the other end.
        own: Address and port of this end.

    Returns:
        The uid; None where the kernel does not tell, for example because the other end
        is on another machine or in another network namespace.
    """
    try:
        family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        ends = [
            socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (peer, own)
        ]
        ports = struct.pack("!HH", peer[1], own[1])
        request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
        request += ports + b"".join(ends) + _ANY_COOKIE
        return _ask_kernel(request)
    except (AttributeError, OSError):  # no such sockets on this system, or not here
        return None


def _ask_kernel(request: bytes) -> int | None:
    header = _HEADER.pack(
        _HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0
    )
    with closing(
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    ) as netlink:
        netlink.send(header + request)
        answer = netlink.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # an error: there is no such socket
    (uid,) = struct.unpack_from("=I", answer, _UID_OFFSET)
    return int(uid)


def is_own_user(uid: int | None) -> bool:
    """Return whether a user may do what this process may: its own user, or root."""
    return uid in {os.geteuid(), 0}


def can_read_repository(uid: int, path: Path) -> bool:
    """Return whether a user could clone a git repository of this machine.

    It goes by the permissions of the files that lead to its objects. Access control
    lists may say otherwise; where they deny, this is wrong only if the file's group may
    read.

    Args:
        uid: The user.
        path: A working tree or a bare repository.
    """
    reader = _Reader(uid)
    try:
        path = path.resolve(strict=True)
        if not reader.may_enter(path):
            return False
        git_dir = _git_dir(path)
        return all(
            reader.may_enter(folder)
            for folder in (git_dir, git_dir / "objects", git_dir / "refs")
            if folder.exists()
        )
    except (OSError, ValueError, RuntimeError):
        return False


def _git_dir(path: Path) -> Path:
    """Return the folder that holds the objects, as gitrepository-layout(5) says."""
    found = path / ".git"
    if found.is_file():  # a linked working tree, or a submodule
        _, _, named = found.read_text().partition("gitdir: ")
        found = path / named.strip()
        common = found / "commondir"
        if common.is_file():
            found = found / common.read_text().strip()
    return (found if found.is_dir() else path).resolve(strict=True)


class _Reader:
    """A user with their groups."""

    def __init__(self, uid: int) -> None:
        self._uid = uid
        try:
            user = pwd.getpwuid(uid)
        except KeyError:
            self._groups = frozenset[int]()
        else:
            self._groups = frozenset(os.getgrouplist(user.pw_name, user.pw_gid))

    def may_enter(self, folder: Path) -> bool:
        """Return whether the user may list a folder and reach what is in it."""
        return all(
            self._has(stat.S_IXOTH, parent) for parent in (folder, *folder.parents)
        ) and self._has(stat.S_IROTH, folder)

    def _has(self, bit: int, path: Path) -> bool:
        status = path.stat()
        if self._uid == 0:
            return True
        if status.st_uid == self._uid:
            return bool(status.st_mode & bit << 6)
        if status.st_gid in self._groups:
            return bool(status.st_mode & bit << 3)
        return bool(status.st_mode & bit)
