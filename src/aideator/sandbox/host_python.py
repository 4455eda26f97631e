"""The interpreter that runs this server, as a sandbox sees it: the shim and the built-in agent run on it."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from aideator.sandbox.base import Bind

_ALREADY_INSIDE = Path("/usr")


@dataclass(frozen=True)
class HostPython:
    """A Python that can be started inside."""

    executable: str
    """Its path, the same inside and outside."""
    binds: tuple[Bind, ...]
    """What must be visible for it to start; empty for a system Python."""


def host_python() -> HostPython:
    """The base interpreter of this process: without its virtual environment, which need not be readable inside."""
    prefix = Path(os.path.realpath(sys.base_prefix))
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    executable = next(
        (
            path
            for path in (prefix / "bin" / name, prefix / "bin" / "python3")
            if path.exists()
        ),
        None,
    )
    if executable is None:
        executable = Path(os.path.realpath(sys.executable))
    binds = (
        () if prefix.is_relative_to(_ALREADY_INSIDE) else (Bind(prefix, str(prefix)),)
    )
    return HostPython(str(executable), binds)
