"""Guess a project's checks from files of the base commit.

Nothing is executed and no link is followed.
"""

from pathlib import Path

from aideator.domain.check import Check
from aideator.setup.build_files import command_of, kinds_of, recipe
from aideator.setup.guess_node import guess_node, notes_on_node
from aideator.setup.guess_python import guess_python
from aideator.setup.workspaces import packages_of

_MAX_CHECKS = 20
"""Checks that a run may have."""


def guess_checks(checkout: Path) -> tuple[Check, ...]:
    """Return the checks of each language whose tests are visible in a folder.

    Where the folder itself has none, those of its packages (npm and uv workspaces,
    go.work, or folders with a build file of their own). A recipe such as a Makefile's
    `test` is used only if nothing else is found: such targets often install
    dependencies first, and a sandbox has no network.

    Args:
        checkout: The base commit's files, or a folder of them.
    """
    checks = checks_of_folder(checkout)
    if checks:
        return checks[:_MAX_CHECKS]
    if command := recipe(checkout):
        return (Check(command=command),)
    for package in packages_of(checkout):
        for check in checks_of_folder(checkout / package):
            command = f"cd {package} && {check.command}"
            checks += (check.model_copy(update={"command": command}),)
    return checks[:_MAX_CHECKS]


def checks_of_folder(folder: Path) -> tuple[Check, ...]:
    """Return the checks of a folder itself: no recipe, no package below it."""
    python = guess_python(folder)
    checks = [Check(command=python)] if python else []
    checks += guess_node(folder)
    for kind in kinds_of(folder):
        command = command_of(kind, folder)
        if command and not (kind.is_secondary and checks):
            checks.append(Check(command=command))
    return tuple(checks)


def seen_but_unknown(checkout: Path) -> list[str]:
    """Return notes on what is seen in a project and cannot be checked by a guess."""
    unknown = [kind for kind in kinds_of(checkout) if not kind.command]
    notes = [
        f"{kind.name} is seen, but how it is tested is not known: name a command with"
        " --check"
        for kind in unknown
    ]
    return [*notes, *notes_on_node(checkout)]
