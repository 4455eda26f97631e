"""Optional packages: each adds routes and commands, and the core does not import them.

They are loaded by name, so that the program starts without those that a distribution
leaves out, and so that `aideator --help` need not import what only a server uses.

Each has some of these modules:

- `routes`: `extension(settings) -> api.extension.Extension`, its part of the HTTP
  application.
- `commands`: `app: typer.Typer`, its commands. The command line loads it for `--help`,
  so it imports only what declares commands; the rest is imported when a command runs.
- `client`: functions that its commands call, which act at a server (`AsyncClient`).

What a package keeps while the application is open is a resource of the facade
(`Aideator.resource`).
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
