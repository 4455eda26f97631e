"""The state directory: who may look into it, who works in it, and where its sockets are."""

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.errors import Unavailable

_LONGEST_SOCKET_DIR = 60
"""Characters. A Unix socket's path must stay below 108, and sandboxes add a name of
their own."""


@dataclass(frozen=True)
class Owner:
    """The process that works in a state directory."""

    pid: int
    url: str | None
    """Where it serves, if it does."""


def make_home(home: Path) -> Path:
    """Make the state directory.

    Others may pass through (sandboxes run as another uid) but not list it.

    Raises:
        Unavailable: if it cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o711)
        runtime_dir(home).mkdir(parents=True, exist_ok=True, mode=0o711)
    except OSError as error:
        hint = "set AIDEATOR_HOME to a directory that you may write"
        raise Unavailable(
            f"the state directory cannot be used: {error}", hint=hint
        ) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise Unavailable(
            f"{home} is not writable",
            hint="set AIDEATOR_HOME to a directory that you may write",
        )
    return home


def runtime_dir(home: Path) -> Path:
    """Where sockets live: in the state directory, or somewhere shorter when its path is too long for a socket."""
    inside = home.absolute() / "run"
    if len(str(inside)) <= _LONGEST_SOCKET_DIR:
        return inside
    digest = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"aideator-{os.geteuid()}-{digest}"


@contextmanager
def claim_home(home: Path, *, url: str | None = None) -> Iterator[None]:
    """Be the one process that works in this state directory.

    The lock goes with the process, however it ends.

    Raises:
        Unavailable: if another process works here.
    """
    with _lock_file(home).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            present = owner(home)
            who = f"process {present.pid}" if present else "another process"
            hint = "wait for it, stop it, or set another AIDEATOR_HOME; `aideator serve` can carry out many runs at once"
            raise Unavailable(f"{who} works in {home} already", hint=hint) from None
        file.truncate(0)
        file.write(json.dumps({"pid": os.getpid(), "url": url}))
        file.flush()
        yield
        file.truncate(0)


def owner(home: Path) -> Owner | None:
    """Who works in this state directory now."""
    try:
        with _lock_file(home).open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Owner(**json.loads(file.read()))
    except (
        OSError,
        json.JSONDecodeError,
    ):  # whoever works here will be told what is wrong with the directory
        return None
    return None


def _lock_file(home: Path) -> Path:
    return home / "instance.lock"
