"""What a user's folder has besides its commit: told, and taken along where asked."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aideator.cli.ui.escape import escape
from aideator.cli.ui.setup_line import left_out_line
from aideator.domain.errors import InvalidInput
from aideator.domain.run import RunSpec
from aideator.repositories.uncommitted import (
    HEAD,
    find_ignored_to_include,
    find_uncommitted,
)

if TYPE_CHECKING:
    from aideator.cli.command import CommandContext

_ANSWERS = "include-ignored.json"
"""In the state directory: repository → the ignored files that sandboxes may see."""


async def consider_working_tree(
    context: "CommandContext", spec: RunSpec, *, include_ignored: bool | None
) -> RunSpec:
    """Say what is not in the run, and add the ignored files that sandboxes may see.

    Args:
        context: The command's context.
        spec: The submission.
        include_ignored: Whether they may; None to ask on a terminal, once for the same
            files of a repository.

    Raises:
        InvalidInput: if ignored files are wanted, but none is named.
    """
    root = Path(spec.repo_url)
    if not root.is_absolute() or spec.ref not in HEAD:
        return spec
    if not spec.include_uncommitted and (found := await find_uncommitted(root)):
        _say(f"note: {left_out_line(found)}")
    if not spec.include_ignored and include_ignored is not False:
        files = await _ignored_files(context, root, wanted=bool(include_ignored))
        return spec.model_copy(update={"include_ignored": files})
    return spec


async def _ignored_files(
    context: "CommandContext", root: Path, *, wanted: bool
) -> tuple[str, ...]:
    """Return the ignored files that sandboxes may see.

    Raises:
        InvalidInput: if such files are wanted, but none is named.
    """
    files = await find_ignored_to_include(root)
    if wanted and not files:
        raise InvalidInput(
            "no ignored file is named by .worktreeinclude",
            hint=f"write their names, one a line, into {root}/.worktreeinclude",
        )
    if files and (wanted or _may_be_seen(context, root, files)):
        return files
    return ()


def _may_be_seen(context: "CommandContext", root: Path, files: tuple[str, ...]) -> bool:
    """Return whether sandboxes may see ignored files: asked before the first time."""
    store = context.settings.aideator_home / _ANSWERS
    answers = _read(store)
    if answers.get(str(root)) == list(files):
        return True
    listed = ", ".join(files)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        _say(
            f"note: sandboxes do not see {listed} (.worktreeinclude);"
            " --include-ignored lets them"
        )
        return False
    question = (
        f"Ignored files that .worktreeinclude names: {listed}\n"
        "Agents can read them, and so can the model's provider. Let sandboxes see them?"
    )
    if not typer.confirm(escape(question), default=False, err=True):
        return False
    store.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(json.dumps(answers | {str(root): list(files)}))
    return True


def _read(store: Path) -> dict[str, list[str]]:
    try:
        answers = json.loads(store.read_text())
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def _say(text: str) -> None:
    sys.stderr.write(escape(text) + "\n")
