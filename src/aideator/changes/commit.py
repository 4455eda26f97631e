"""Commit a patch without touching a work tree.

The commit is made with an index of its own; its author is the user whom git's
configuration names.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aideator.domain.errors import PatchRejected
from aideator.repositories.git import GitError, git

_DEFAULT_IDENTITY = {"name": "AIdeator", "email": "aideator@localhost"}
"""Author when git's configuration names no user."""


async def commit_patch(
    repository: Path,
    *,
    base: str,
    patch: bytes,
    message: str,
    env: Mapping[str, str] | None = None,
) -> str:
    """Commit a patch on top of `base`, leaving branches, index and files unchanged.

    Args:
        repository: The repository that the objects are written to.
        base: The commit that the patch applies to.
        patch: A patch that `patch.extract` made.
        message: The commit message.
        env: Environment variables for git, such as where new objects go.

    Returns:
        The new commit's hash.

    Raises:
        PatchRejected: if the patch does not apply.
        GitError: if git fails for another reason.
    """
    more = dict(env or {})
    with tempfile.TemporaryDirectory() as scratch:
        index = more | {"GIT_INDEX_FILE": f"{scratch}/index"}
        await git("read-tree", base, cwd=repository, env=index)
        if patch:
            try:
                await git(
                    "apply",
                    "--cached",
                    "--whitespace=nowarn",
                    "-",
                    cwd=repository,
                    env=index,
                    stdin=patch,
                )
            except GitError as error:
                raise PatchRejected(f"the patch does not apply: {error}") from None
        tree = (await git("write-tree", cwd=repository, env=index)).decode().strip()
    user = user_environment()
    who = user | await _identity(repository, user)
    made = await git(
        "commit-tree",
        tree,
        "-p",
        base,
        cwd=repository,
        env=who | more,
        stdin=message.encode(),
    )
    return made.decode().strip()


def user_environment() -> dict[str, str]:
    """Return environment variables that make git read the user's own configuration."""
    home = Path.home()
    return {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(_user_config(home))}


def _user_config(home: Path) -> Path:
    """Find the user's configuration where git does: git-config(1), FILES."""
    if named := os.environ.get("GIT_CONFIG_GLOBAL"):
        return Path(named)
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "git", "config")
    for config in (home / ".gitconfig", xdg):
        if config.exists():
            return config
    return Path(os.devnull)


async def _identity(repository: Path, user: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the user as author and committer."""
    identity = {}
    for key, default in _DEFAULT_IDENTITY.items():
        value = await _setting(repository, f"user.{key}", user) or default
        identity[f"GIT_AUTHOR_{key.upper()}"] = value
        identity[f"GIT_COMMITTER_{key.upper()}"] = value
    return identity


async def _setting(repository: Path, key: str, user: Mapping[str, str]) -> str:
    try:
        value = await git("config", "--get", key, cwd=repository, env=user)
    except GitError:
        return ""
    return value.decode().strip()
