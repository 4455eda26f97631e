"""Which back ends there are. A back end is imported only when it is asked for."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from aideator.domain.errors import SandboxUnavailable
from aideator.sandbox.base import SandboxBackend

_BACKENDS = {"bubblewrap": ("aideator.sandbox.bubblewrap", "Bubblewrap")}
_AUTO = "bubblewrap"


def open_backend(name: str, *, runtime_dir: Path, toolchains: Sequence[Path] = ()) -> SandboxBackend:
    """The back end of that name.

    Args:
        name: `bubblewrap`, or `auto` for the best that there is.
        runtime_dir: For sockets and staging; a short path, because a Unix socket's may have 107 bytes.
        toolchains: Directories that are visible inside at the same path, read-only; their `bin` comes first on PATH.

    Raises:
        SandboxUnavailable: if there is no such back end.
    """
    found = _BACKENDS.get(_AUTO if name == "auto" else name)
    if found is None:
        known = ", ".join(["auto", *_BACKENDS])
        raise SandboxUnavailable(f"there is no sandbox back end {name!r}", hint=f"choose one of: {known}")
    module, kind = found
    return cast(SandboxBackend, getattr(import_module(module), kind)(runtime_dir, toolchains=tuple(toolchains)))
