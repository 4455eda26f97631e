"""Put a change on a new branch of the user's own checkout.

The commit is made beside the work tree, with an index of its own; the tree is touched last, in one step. Hooks do not
run: a hook that lies in the tree (husky and the like) would be the agent's code.
"""

import os
import tempfile
from pathlib import Path

from aideator.domain.errors import Conflict, PatchRejected
from aideator.workspace.git import GitError, git

_STRANGER = ("AIdeator", "aideator@localhost")


async def apply_to_checkout(repo: Path, *, base: str, patch: bytes, branch: str, message: str) -> str:
    """Commit a patch on top of `base` as a new branch, and switch to it.

    Author is who git says the user is. On failure the user's files, index and branches are as they were.

    Args:
        repo: The user's checkout, or a folder in it.
        base: The commit that the patch was made against.
        patch: As `patch.extract` made it.
        branch: A name that no branch has yet.
        message: The commit's message.

    Returns:
        The new commit's hash.

    Raises:
        Conflict: if there are uncommitted changes, the branch exists, or the base commit is not here.
        PatchRejected: if the patch does not apply.
        GitError: if git refuses for another reason, such as a bad branch name.
    """
    user = _user_environment()
    root = Path((await git("rev-parse", "--show-toplevel", cwd=repo)).decode().removesuffix("\n"))
    await git("check-ref-format", "--branch", branch)
    await _check(root, base, branch, user)
    commit = await _commit(root, base, patch, message, user)
    await git("update-ref", f"refs/heads/{branch}", commit, "", cwd=root)
    try:
        await git("switch", "-q", "--no-guess", branch, cwd=root, env=user)
    except GitError:
        await git("update-ref", "-d", f"refs/heads/{branch}", commit, cwd=root)
        raise
    return commit


def _user_environment() -> dict[str, str]:
    home = Path.home()
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "git", "config")
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    config = Path(named) if named else next((p for p in (home / ".gitconfig", xdg) if p.exists()), Path(os.devnull))
    return {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(config)}


async def _check(root: Path, base: str, branch: str, user: dict[str, str]) -> None:
    if await git("status", "--porcelain", "-z", "--untracked-files=no", cwd=root, env=user):
        raise Conflict(f"{root} has uncommitted changes", hint="commit or stash them first")
    if await _resolves(root, f"refs/heads/{branch}"):
        raise Conflict(f"there is a branch {branch} already", hint="choose another name with --branch")
    if not await _resolves(root, f"{base}^{{commit}}"):
        raise Conflict(f"{root} does not have the commit {base[:12]}", hint="run `git fetch` there first")


async def _commit(root: Path, base: str, patch: bytes, message: str, user: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        await git("read-tree", base, cwd=root, env=index)
        if patch:
            try:
                await git("apply", "--cached", "--whitespace=nowarn", "-", cwd=root, env=index, stdin=patch)
            except GitError as error:
                raise PatchRejected(f"the patch does not apply: {error}") from None
        tree = (await git("write-tree", cwd=root, env=index)).decode().strip()
    who = await _identity(root, user)
    made = await git("commit-tree", tree, "-p", base, cwd=root, env=user | who, stdin=message.encode())
    return made.decode().strip()


async def _identity(root: Path, user: dict[str, str]) -> dict[str, str]:
    name, email = [
        await _setting(root, f"user.{key}", user) or stranger
        for key, stranger in zip(("name", "email"), _STRANGER, strict=True)
    ]
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email))
    }


async def _setting(root: Path, key: str, user: dict[str, str]) -> str:
    try:
        return (await git("config", "--get", key, cwd=root, env=user)).decode().strip()
    except GitError:
        return ""


async def _resolves(root: Path, name: str) -> bool:
    try:
        await git("rev-parse", "--verify", "-q", "--end-of-options", name, cwd=root)
    except GitError:
        return False
    return True
