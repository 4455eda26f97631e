"""Put a change on a new branch of the user's own checkout.

The commit is made beside the work tree, with an index of its own; the tree is touched
last, in one step. Hooks do not
run: a hook that lies in the tree (husky and the like) would be the agent's code.
"""

from pathlib import Path

from aideator.changes.commit import commit_patch, user_environment
from aideator.domain.errors import Conflict
from aideator.repositories.git import GitError, git


async def apply_to_checkout(
    repo: Path, *, base: str, patch: bytes, branch: str, message: str
) -> str:
    """Commit a patch on top of `base` as a new branch, and switch to it.

    Author is who git says the user is. On failure the user's files, index and branches
    are as they were.

    Args:
        repo: The user's checkout, or a folder in it.
        base: The commit that the patch was made against.
        patch: As `patch.extract` made it.
        branch: A name that no branch has yet.
        message: The commit's message.

    Returns:
        The new commit's hash.

    Raises:
        Conflict: if there are uncommitted changes, the branch exists, or the base
            commit is not here.
        PatchRejected: if the patch does not apply.
        GitError: if git refuses for another reason, such as a bad branch name.
    """
    user = user_environment()
    root = Path(
        (await git("rev-parse", "--show-toplevel", cwd=repo))
        .decode()
        .removesuffix("\n")
    )
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
    if await git(
        "status", "--porcelain", "-z", "--untracked-files=no", cwd=root, env=user
    ):
        raise Conflict(
            f"{root} has uncommitted changes", hint="commit or stash them first"
        )
    if await _resolves(root, f"refs/heads/{branch}"):
        raise Conflict(
            f"there is a branch {branch} already",
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
