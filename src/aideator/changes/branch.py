"""Apply a change to the user's own checkout, as a new branch.

The commit is made with an index of its own; the work tree is changed last, in one step.
Hooks do not run: a hook that lies in the tree (husky and the like) would be the agent's
code. The commit is signed where the user's git signs.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from aideator.changes.commit import (
    commit_tree,
    wants_signature,
    write_tree,
)
from aideator.domain.errors import Conflict
from aideator.repositories.git import GitError, git, user_environment

_HOOKS = (
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "post-checkout",
    "reference-transaction",
)
"""Hooks that `git commit` and `git switch` would run: githooks(5)."""
_MAX_COMMITS = 1000
"""Commits of an existing branch among which the change is looked for."""


@dataclass(frozen=True)
class Applied:
    """A change on a branch of the user's checkout."""

    commit: str
    """The commit that has the change."""
    is_new: bool = True
    """False if the branch had the change already."""
    signed: bool = False
    left: str | None = None
    """The branch, or else the commit, that HEAD was on before; None where HEAD has not
    moved."""
    was_detached: bool = False
    """Whether `left` is a commit."""
    hooks: tuple[str, ...] = ()
    """Names of the user's hooks that did not run."""


async def apply_to_checkout(
    repo: Path,
    *,
    base: str,
    patch: bytes,
    branch: str,
    message: str,
    switch: bool = True,
) -> Applied:
    """Commit a patch on top of `base` as a new branch, and switch to it.

    The author is the user whom git's configuration names. On failure the user's files,
    index and branches are unchanged. A branch that has this very change already stays
    as it is.

    Args:
        repo: The user's checkout, or a folder in it.
        base: The commit that the patch applies to.
        patch: A patch that `patch.extract` made.
        branch: The new branch's name.
        message: The commit message.
        switch: Whether to switch to the branch; else HEAD, index and files stay as they
            are, and may be dirty.

    Raises:
        Conflict: if there are uncommitted changes, the branch has another change, the
            base commit is missing, or the commit cannot be signed.
        PatchRejected: if the patch does not apply.
        GitError: if git fails for another reason, such as an invalid branch name.
    """
    user = user_environment()
    top_level = await git("rev-parse", "--show-toplevel", cwd=repo)
    root = Path(top_level.decode().removesuffix("\n"))
    await git("check-ref-format", "--branch", branch)
    if not await _resolve(root, f"{base}^{{commit}}"):
        raise Conflict(
            f"{root} does not have the commit {base[:12]}",
            hint="run `git fetch` there first",
        )
    if found := await _find_change(root, base=base, patch=patch, branch=branch):
        left, detached = await _switch(root, branch, user) if switch else (None, False)
        return Applied(found, is_new=False, left=left, was_detached=detached)
    if switch:
        await _need_clean(root, user)
    signed = await wants_signature(root)
    tree = await write_tree(root, base=base, patch=patch)
    commit = await commit_tree(root, tree, base=base, message=message, sign=signed)
    await git("update-ref", f"refs/heads/{branch}", commit, "", cwd=root)
    try:
        left, detached = await _switch(root, branch, user) if switch else (None, False)
    except (GitError, Conflict):
        await git("update-ref", "-d", f"refs/heads/{branch}", commit, cwd=root)
        raise
    return Applied(
        commit,
        signed=signed,
        left=left,
        was_detached=detached,
        hooks=await _hooks(root, user),
    )


async def _find_change(root: Path, *, base: str, patch: bytes, branch: str) -> str:
    """Return the commit of an existing branch that is this very change on its base.

    Returns:
        Its hash; empty if there is no such branch.

    Raises:
        Conflict: if the branch has something else.
    """
    tip = await _resolve(root, f"refs/heads/{branch}")
    if not tip:
        return ""
    tree = await write_tree(root, base=base, patch=patch)
    wanted = (tree, await _resolve(root, f"{base}^{{commit}}"))
    listed = await git(
        *("rev-list", "--no-commit-header", "--format=%H %T %P"),
        *(f"--max-count={_MAX_COMMITS}", tip, "--not", base),
        cwd=root,
    )
    for line in listed.decode().splitlines():
        commit, *rest = line.split(" ")
        if tuple(rest) == wanted:
            return commit
    raise Conflict(
        f"the branch {branch} exists already, with another change",
        hint="choose another name with --branch",
    )


async def _switch(
    root: Path, branch: str, user: dict[str, str]
) -> tuple[str | None, bool]:
    """Switch to a branch.

    Returns:
        The branch that HEAD was on, or else the commit, or None if it is this branch;
        and whether it is a commit.
    """
    detached = False
    try:
        name = await git("symbolic-ref", "-q", "--short", "HEAD", cwd=root)
    except GitError:
        name, detached = await git("rev-parse", "--short=12", "HEAD", cwd=root), True
    left = name.decode().strip()
    if left == branch and not detached:
        return None, False
    await _need_clean(root, user)
    await git("switch", "-q", "--no-guess", branch, cwd=root, env=user)
    return left, detached


async def _need_clean(root: Path, user: dict[str, str]) -> None:
    """Raise `Conflict` if tracked files have uncommitted changes."""
    if await git(
        "status", "--porcelain", "-z", "--untracked-files=no", cwd=root, env=user
    ):
        raise Conflict(
            f"{root} has uncommitted changes",
            hint="commit or stash them first, or leave HEAD with --branch-only",
        )


async def _hooks(root: Path, user: dict[str, str]) -> tuple[str, ...]:
    """Return the names of the hooks that git itself would have run."""
    configured = await git(
        *("config", "--show-scope", "--type=path", "--get-all", "core.hooksPath"),
        cwd=root,
        env=user,
    )
    # The last value has command scope: it is ours, which switches hooks off.
    paths = [
        path
        for scope, _, path in (
            line.partition("\t") for line in os.fsdecode(configured).splitlines()
        )
        if scope != "command"
    ]
    common = await git("rev-parse", "--git-common-dir", cwd=root)
    default = os.fsdecode(common).removesuffix("\n") + "/hooks"
    folder = root / (paths[-1] if paths else default)
    return tuple(name for name in _HOOKS if os.access(folder / name, os.X_OK))


async def _resolve(root: Path, name: str) -> str:
    """Return the hash that a name stands for; empty if there is none."""
    try:
        found = await git(
            "rev-parse", "--verify", "-q", "--end-of-options", name, cwd=root
        )
    except GitError:
        return ""
    return found.decode().strip()
