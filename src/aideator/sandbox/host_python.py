"""The server's Python interpreter as sandboxes see it, for the shim and our agent."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import Bind

_ALREADY_INSIDE = Path("/usr")


@dataclass(frozen=True)
class HostPython:
    """A Python that can be started in a sandbox."""

    executable: str
    """Path of the program, the same inside and outside."""
    binds: tuple[Bind, ...]
    """Directories that it needs to start; none for a system Python."""


def host_python() -> HostPython:
    """Return the base interpreter of this process.

    Not that of a virtual environment, which need not be readable inside.
    """
    prefix = Path(os.path.realpath(sys.base_prefix))
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (prefix / "bin" / name, prefix / "bin" / "python3")
    executable = next((path for path in candidates if path.exists()), None)
    if executable is None:
        executable = Path(os.path.realpath(sys.executable))
    binds = (
        () if prefix.is_relative_to(_ALREADY_INSIDE) else (Bind(prefix, str(prefix)),)
    )
    return HostPython(str(executable), binds)
