"""The state directory: who may enter it, its lock, and where its sockets are.

Nothing in it is for other users of the machine. Where the platform runs as root,
sandboxes run as a user of their own, whose group may pass through what leads to their
files; without root they run as the same user, and nobody else may enter at all.
"""

import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from aideator.domain.errors import Unavailable

_LONGEST_SOCKET_DIR = 60
"""Characters. A Unix socket's path must stay below 108, and sandboxes add a name of
their own."""
_PRIVATE = ("mirrors", "locks")
"""Directories that no sandbox has to enter."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Owner:
    """The process that works in a state directory."""

    pid: int
    url: str | None = None
    """Its address, if it serves."""
    socket: str | None = None
    """The Unix socket on which it answers its own user's commands."""
    prefix: str = ""
    """The path below which its API is."""


def make_home(home: Path, *, group: int | None) -> Path:
    """Make the state directory, and take from others what they may not do there.

    An earlier version left it open to everybody: permissions of an existing directory
    are corrected too.

    Args:
        home: The directory.
        group: The group of sandboxed processes, which may pass through but not list;
            None if they run as this user.

    Raises:
        Unavailable: if it cannot be made or written, or belongs to another user.
    """
    try:
        _make_directory(home, group)
        for name in _PRIVATE:
            _make_directory(home / name, None)
        _make_runtime_dir(home, group)
    except OSError as error:
        hint = "set AIDEATOR_HOME to a directory that you may write"
        raise Unavailable(
            f"the state directory cannot be used: {error}", hint=hint
        ) from error
    return home


def runtime_dir(home: Path) -> Path:
    """Return where sockets live.

    In the state directory; if that path is too long for a socket, in a directory that
    only this user may write to: of the XDG base directories, or below `/run`
    (https://specifications.freedesktop.org/basedir-spec/latest/). Root always takes the
    latter: no sandbox could pass through its `$XDG_RUNTIME_DIR`.
    """
    inside = home.absolute() / "run"
    if len(str(inside)) <= _LONGEST_SOCKET_DIR:
        return inside
    digest = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:16]
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and os.geteuid() != 0:
        return Path(given, "aideator", digest)
    return Path("/run", f"aideator-{os.geteuid()}", digest)


def _make_runtime_dir(home: Path, group: int | None) -> None:
    directory = runtime_dir(home)
    if directory.parent == home.absolute():
        _make_directory(directory, group)
        return
    try:
        for path in (directory.parent, directory):
            _refuse_writable(path)
            _make_directory(path, group)
    except OSError as error:
        raise Unavailable(
            f"there is no place for sockets: {error}",
            hint="set XDG_RUNTIME_DIR to a directory of yours, or AIDEATOR_HOME to a "
            f"path of at most {_LONGEST_SOCKET_DIR - len('/run')} characters",
        ) from error


def _make_directory(path: Path, group: int | None) -> None:
    """Make a directory that only this user, and a group in passing, may enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise Unavailable(
            f"{path} belongs to another user (uid {status.st_uid})",
            hint=f"work as that user, or set AIDEATOR_HOME to a directory of yours, or "
            f"give this one to the user with uid {os.geteuid()} (chown)",
        )
    if group is not None and status.st_gid != group:
        os.chown(path, -1, group)
    path.chmod(0o700 if group is None else 0o710)


def _refuse_writable(path: Path) -> None:
    """Refuse a directory, outside the state directory, that others may have filled.

    A symbolic link is refused, too: its owner decides where it leads.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & _OTHERS_WRITE:
        raise Unavailable(
            f"{path} is not a directory that only its owner may write to",
            hint="somebody else may have made it: remove it, then try again",
        )


def make_private_file(path: Path) -> None:
    """Make a file that only this user may read, or take an existing one from others.

    A file of another user stays as it is.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


@contextmanager
def claim_home(
    home: Path,
    *,
    url: str | None = None,
    socket: str | None = None,
    prefix: str = "",
) -> Iterator[None]:
    """Hold the lock of the state directory, so that one process works in it.

    The lock goes with the process, however it ends. The arguments tell commands where
    this process answers: see `Owner`.

    Raises:
        Unavailable: if another process works here.
    """
    make_private_file(_lock_file(home))
    with _lock_file(home).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            present = owner(home)
            who = f"process {present.pid}" if present else "another process"
            raise Unavailable(
                f"{who} works in {home} already",
                hint="stop it (`aideator server stop`), or set another AIDEATOR_HOME",
            ) from None
        file.truncate(0)
        file.write(json.dumps(asdict(Owner(os.getpid(), url, socket, prefix))))
        file.flush()
        yield
        file.truncate(0)


def owner(home: Path) -> Owner | None:
    """Return the process that works in this state directory now, if there is one."""
    try:
        with _lock_file(home).open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Owner(**json.loads(file.read()))
    except (OSError, json.JSONDecodeError, TypeError):
        return None  # what is wrong with the directory is reported when it is claimed
    return None


def _lock_file(home: Path) -> Path:
    return home / "instance.lock"
