"""This server's own Python as agents in a sandbox see it.

Interpreter, packages and our source are shown read-only, in folders of their own. The
interpreter is started with `-I -S`, so that the project's Python in the workspace sees
none of it.
"""

import compileall
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from aideator.sandbox.base import Bind, PythonRuntime
from aideator.sandbox.host_python import host_python

SOURCE = "/opt/aideator/src"
PACKAGES = "/opt/aideator/packages"
_IMPORTED = ("httpx2", "httpcore2", "anyio", "h11", "idna")
"""Packages that the built-in agent imports. They need not lie in one folder."""


@cache
def python_runtime() -> PythonRuntime:
    """Return where things are on this host, and where a sandbox has to show them."""
    python = host_python()
    directories = dict.fromkeys(_package(name).parent for name in _IMPORTED)
    packages = tuple(
        Bind(directory, f"{PACKAGES}/{number}")
        for number, directory in enumerate(directories)
    )
    source = Bind(_package("aideator"), f"{SOURCE}/aideator")
    return PythonRuntime(
        executable=python.executable,
        packages=tuple(bind.target for bind in packages),
        source=SOURCE,
        binds=(*python.binds, *packages, source),
    )


def compile_packages(packages: Sequence[Path] | None = None) -> bool:
    """Write the bytecode of the built-in agent's packages, once.

    For installers that did not, as far as this user may write there.

    Without it every start compiles these modules anew, because a sandbox cannot write
    there: several times the start-up time. Takes a second when there is something to
    do; call it in a thread.

    Args:
        packages: Directories of packages; those that the agent imports when absent.

    Returns:
        Whether all bytecode exists now.
    """
    if sys.pycache_prefix is not None:
        return False  # it would be written where no sandbox looks for it
    marker = f"__pycache__/__init__.{sys.implementation.cache_tag}.pyc"
    lacking = [
        path
        for path in packages or map(_package, _IMPORTED)
        if not (path / marker).exists()
    ]
    return all([compileall.compile_dir(path, quiet=2) for path in lacking])


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed", name=name)
    return Path(spec.origin).resolve().parent
