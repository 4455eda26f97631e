"""Apply a change to the user's own checkout, as a new branch.

The commit is made with an index of its own; the work tree is changed last, in one step.
Hooks do not run: a hook that lies in the tree (husky and the like) would be the agent's
code.
"""

from pathlib import Path

from aideator.changes.commit import commit_patch, user_environment
from aideator.domain.errors import Conflict
from aideator.repositories.git import GitError, git


async def apply_to_checkout(
    repo: Path, *, base: str, patch: bytes, branch: str, message: str
) -> str:
    """Commit a patch on top of `base` as a new branch, and switch to it.

    The author is the user whom git's configuration names. On failure the user's files,
    index and branches are unchanged.

    Args:
        repo: The user's checkout, or a folder in it.
        base: The commit that the patch applies to.
        patch: A patch that `patch.extract` made.
        branch: The new branch's name.
        message: The commit message.

    Returns:
        The new commit's hash.

    Raises:
        Conflict: if there are uncommitted changes, the branch exists, or the base
            commit is missing.
        PatchRejected: if the patch does not apply.
        GitError: if git fails for another reason, such as an invalid branch name.
    """
    user = user_environment()
    top_level = await git("rev-parse", "--show-toplevel", cwd=repo)
    root = Path(top_level.decode().removesuffix("\n"))
    await git("check-ref-format", "--branch", branch)
    await _check(root, base, branch, user)
    commit = await commit_patch(root, base=base, patch=patch, message=message)
    await git("update-ref", f"refs/heads/{branch}", commit, "", cwd=root)
    try:
        await git("switch", "-q", "--no-guess", branch, cwd=root, env=user)
    except GitError:
        await git("update-ref", "-d", f"refs/heads/{branch}", commit, cwd=root)
        raise
    return commit


async def _check(root: Path, base: str, branch: str, user: dict[str, str]) -> None:
    """Raise `Conflict` if the patch cannot be committed to this checkout."""
    if await git(
        "status", "--porcelain", "-z", "--untracked-files=no", cwd=root, env=user
    ):
        raise Conflict(
            f"{root} has uncommitted changes", hint="commit or stash them first"
        )
    if await _resolves(root, f"refs/heads/{branch}"):
        raise Conflict(
            f"the branch {branch} exists already",
            hint="choose another name with --branch",
        )
    if not await _resolves(root, f"{base}^{{commit}}"):
        raise Conflict(
            f"{root} does not have the commit {base[:12]}",
            hint="run `git fetch` there first",
        )


async def _resolves(root: Path, name: str) -> bool:
    try:
        await git("rev-parse", "--verify", "-q", "--end-of-options", name, cwd=root)
    except GitError:
        return False
    return True
