"""Make a commit of a patch, beside every work tree: with an index of its own, and whose author git says the user is."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aideator.domain.errors import PatchRejected
from aideator.repositories.git import GitError, git

_STRANGER = ("AIdeator", "aideator@localhost")


async def commit_patch(
    repository: Path,
    *,
    base: str,
    patch: bytes,
    message: str,
    env: Mapping[str, str] | None = None,
) -> str:
    """Commit a patch on top of `base`; no branch, index or file is touched.

    Args:
        repository: Whose objects these are.
        base: The commit that the patch was made against.
        patch: As `patch.extract` made it.
        message: The commit's message.
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
    """What makes git read the user's own configuration."""
    home = Path.home()
    xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config", "git", "config")
    named = os.environ.get("GIT_CONFIG_GLOBAL")
    config = (
        Path(named)
        if named
        else next(
            (p for p in (home / ".gitconfig", xdg) if p.exists()), Path(os.devnull)
        )
    )
    return {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(config)}


async def _identity(repository: Path, user: Mapping[str, str]) -> dict[str, str]:
    name, email = [
        await _setting(repository, f"user.{key}", user) or stranger
        for key, stranger in zip(("name", "email"), _STRANGER, strict=True)
    ]
    return {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", name), ("EMAIL", email))
    }


async def _setting(repository: Path, key: str, user: Mapping[str, str]) -> str:
    try:
        return (
            (await git("config", "--get", key, cwd=repository, env=user))
            .decode()
            .strip()
        )
    except GitError:
        return ""
