"""The key for a model's server that `aideator login` keeps.

It is in the keyring of the user's session where there is one, else in a file that only
the user can read. A note in the state directory says for which server it is, and where:
to look there costs nothing, while a keyring takes a quarter of a second. A key is only
ever given out for the server that it was stored for.

The keyring is used through its own command, in a child: it may ask the user to unlock
it, or hang, and its libraries are large.
"""

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from aideator.domain.errors import Unavailable

_FILE = "model-key.json"
_SERVICE = "aideator"
_UNLOCK_SECONDS = 60.0
"""How long a user may take to unlock the keyring."""
_READ_SECONDS = 20.0


@dataclass(frozen=True)
class StoredKey:
    """A key that is stored, without the key."""

    address: str
    """URL of the server that it is for."""
    place: str
    """Where it is, in words."""
    in_keyring: bool


def find(home: Path) -> StoredKey | None:
    """Return which key is stored, from the note alone.

    Raises:
        Unavailable: if the note cannot be trusted or read.
    """
    note = _read_note(home)
    return _described(home, note) if note else None


def read(home: Path, address: str) -> SecretStr | None:
    """Return the key that was stored for a server, if there is one.

    Raises:
        Unavailable: if it is stored and cannot be read.
    """
    note = _read_note(home)
    if note is None or note["address"] != address:
        return None
    if note["key"]:
        return SecretStr(note["key"])
    found = _keyring("get", address, timeout=_READ_SECONDS)
    if found is None:
        raise Unavailable(
            "the key is in the system's keyring, which does not give it out here",
            hint="unlock the keyring, or store the key again: `aideator login`",
        )
    return SecretStr(found)


def save(home: Path, address: str, key: SecretStr) -> StoredKey:
    """Store a key in place of the one before, and return where it is.

    Args:
        home: The state directory, which exists.
        address: URL of the server that it is for.
        key: The key.

    Raises:
        Unavailable: if the state directory cannot be written.
    """
    forget(home)
    secret = key.get_secret_value()
    stored = _keyring("set", address, timeout=_UNLOCK_SECONDS, stdin=secret)
    # A back end that keeps nothing succeeds as well.
    in_keyring = (
        stored is not None and _keyring("get", address, timeout=_READ_SECONDS) == secret
    )
    note = {"address": address, "key": "" if in_keyring else secret}
    _write_note(home, note)
    return _described(home, note)


def forget(home: Path) -> StoredKey | None:
    """Remove the stored key, and return which one that was.

    Raises:
        Unavailable: if the state directory cannot be written.
    """
    found = find(home)
    if found is None:
        return None
    if found.in_keyring:
        _keyring("del", found.address, timeout=_UNLOCK_SECONDS)
    try:
        (home / _FILE).unlink()
    except OSError as error:
        raise Unavailable(f"the stored key cannot be removed: {error}") from error
    return found


def _described(home: Path, note: dict[str, str]) -> StoredKey:
    in_keyring = not note["key"]
    place = "the system's keyring" if in_keyring else f"the file {home / _FILE}"
    return StoredKey(note["address"], place, in_keyring)


def _read_note(home: Path) -> dict[str, str] | None:
    path = home / _FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise Unavailable(
                f"{path} can be read or was written by others",
                hint="revoke that key, remove the file, and `aideator login` again",
            )
        try:
            note = json.load(file)
            return {"address": str(note["address"]), "key": str(note["key"])}
        except (ValueError, KeyError, TypeError):
            raise Unavailable(
                f"{path} is damaged", hint="remove it, and `aideator login` again"
            ) from None


def _write_note(home: Path, note: dict[str, str]) -> None:
    path, part = home / _FILE, home / f"{_FILE}.part"
    try:
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8") as file:
            json.dump(note, file)
        part.replace(path)
    except OSError as error:
        raise Unavailable(f"the key cannot be stored: {error}") from error


def _keyring(
    action: str, address: str, *, timeout: float, stdin: str = ""
) -> str | None:
    """Call the keyring's command; return what it prints, or None where it fails.

    `-P`: the current folder may be a repository with a module of that name.
    """
    arguments = [sys.executable, "-P", "-m", "keyring", action, _SERVICE, address]
    try:
        done = subprocess.run(
            arguments,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    return done.stdout.strip("\n") if done.returncode == 0 else None
