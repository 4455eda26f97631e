"""Take the files of nested repositories along that the attempt itself began.

Generators of projects run `git init`; a plain `git add` would store a reference to a
commit that nobody has. A clone is somebody else's code, and stays outside.
"""

import os

from aideator.changes.scratch_git import SCRATCH, WORKSPACE, Paths, text, try_git
from aideator.changes.staging import NESTED, add_all, left_out_note
from aideator.changes.unmerged import Entry
from aideator.sandbox.base import Sandbox

_MAX_NESTED = 20
GITLINK = b"160000"
"""Mode of a reference to a commit of another repository."""


async def take_nested(
    sandbox: Sandbox, left_out: Paths, nested: list[bytes]
) -> tuple[str, ...]:
    """Stage the files of nested repositories; return a note for each repository.

    Args:
        sandbox: The disposable sandbox, in which everything else is staged.
        left_out: Paths that are no part of the change.
        nested: The nested repositories.
    """
    notes = list[str]()
    for number, path in enumerate(nested):
        holds_made = any(os.fsencode(made).startswith(path + b"/") for made in left_out)
        if number < _MAX_NESTED and not holds_made:
            taken = await _take(sandbox, path)
        else:
            taken = None
        if taken is None:
            notes.append(left_out_note(os.fsdecode(path), NESTED))
            continue
        notes.append(
            f"{text(path)} {NESTED}; its files are in the patch, its history is not"
        )
        notes += (
            left_out_note(f"{os.fsdecode(path)}/{inner}", reason)
            for inner, reason in taken.items()
        )
    return tuple(notes)


async def _take(sandbox: Sandbox, path: bytes) -> dict[str, str] | None:
    """Stage the files of a nested repository in place of a reference to its commit.

    Returns:
        Path in it → why git did not take the file; None if nothing was staged.
    """
    root = f"{WORKSPACE}/{os.fsdecode(path)}"
    begun = """\
test -d .git && test ! -L .git && test -f .git/config || exit 1
! grep -qi '^[[:space:]]*\\[remote' .git/config
"""
    if (await try_git(sandbox, ["sh", "-c", begun], cwd=root)).exit_code != 0:
        return None
    index = f"{SCRATCH}/nested"
    await try_git(sandbox, ["rm", "-f", index])
    env = {"GIT_WORK_TREE": root, "GIT_INDEX_FILE": index}
    reasons = await add_all(sandbox, [b"."], cwd=root, env=env)
    put = f"""\
tree=$(GIT_INDEX_FILE={index} git write-tree) || exit 1
test "$(git ls-tree "$tree" | head -c 1)" || exit 1
git update-index --force-remove -- "$1" && git read-tree --prefix="$1/" "$tree"
"""
    done = await try_git(sandbox, ["sh", "-c", put, "sh", os.fsdecode(path)])
    return reasons if done.exit_code == 0 else None


def nested_repositories(
    staged: dict[bytes, Entry], reasons: dict[str, str]
) -> list[bytes]:
    """Return the nested repositories, with a commit or without.

    Args:
        staged: Path → what the staged change has there.
        reasons: Path → why git did not take it.
    """
    linked = [path for path, (mode, _) in staged.items() if mode == GITLINK]
    unborn = [os.fsencode(path) for path, why in reasons.items() if why == NESTED]
    return sorted({*linked, *unborn})
