"""Optional packages: each adds routes and commands, and the core does not import them.

They are loaded by name, so that the program starts without those that a distribution
leaves out, and so that `aideator --help` need not import what only a server uses.
"""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

PACKAGES = ("workbench", "publishing", "archive", "statistics")
"""Below `aideator`, in the order in which their commands and routes are listed."""


def load(part: str) -> list[ModuleType]:
    """Import one module of every optional package that is installed and has it.

    Args:
        part: The module's name in each package: `routes` or `commands`.

    Returns:
        The modules, in the order of `PACKAGES`.
    """
    names = [f"aideator.{package}" for package in PACKAGES]
    present = [name for name in names if find_spec(name) is not None]
    modules = [f"{name}.{part}" for name in present]
    return [import_module(name) for name in modules if find_spec(name) is not None]
