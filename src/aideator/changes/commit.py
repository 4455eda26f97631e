"""Commit a patch without touching a work tree.

The commit is made with an index of its own; its author is the user whom git's
configuration names.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from aideator.domain.errors import Conflict, PatchRejected
from aideator.repositories.git import GitError, git, user_environment

_DEFAULT_IDENTITY = {"name": "AIdeator", "email": "aideator@localhost"}
"""Author when git's configuration names no user."""
_FOR_SIGNING = (
    "GNUPGHOME",
    "GPG_TTY",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "TERM",
)
"""Variables by which gpg and ssh-keygen find the user's agent and ask for a phrase."""
_SIGNING_TIMEOUT = 300.0
"""Seconds; a person may have to enter a passphrase."""


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
    tree = await write_tree(repository, base=base, patch=patch, env=env)
    return await commit_tree(repository, tree, base=base, message=message, env=env)


async def write_tree(
    repository: Path,
    *,
    base: str,
    patch: bytes,
    env: Mapping[str, str] | None = None,
) -> str:
    """Write the tree of a commit with a patch applied; return its hash.

    Raises:
        PatchRejected: if the patch does not apply.
        GitError: if git fails for another reason.
    """
    with tempfile.TemporaryDirectory() as scratch:
        index = dict(env or {}) | {"GIT_INDEX_FILE": f"{scratch}/index"}
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
        return (await git("write-tree", cwd=repository, env=index)).decode().strip()


async def commit_tree(
    repository: Path,
    tree: str,
    *,
    base: str,
    message: str,
    env: Mapping[str, str] | None = None,
    sign: bool = False,
) -> str:
    """Commit a tree on top of `base` in the user's name; return the commit's hash.

    Args:
        repository: The repository.
        tree: The tree.
        base: The commit's parent.
        message: The commit message.
        env: Environment variables for git.
        sign: Whether to sign, with the key and the program that the user's git uses
            (git-config(1), user.signingKey and gpg.format).

    Raises:
        Conflict: if it cannot be signed.
        GitError: if git fails for another reason.
    """
    user = user_environment()
    environment = user | await _identity(repository, user) | dict(env or {})
    command = ["commit-tree", tree, "-p", base]
    stdin = message.encode()
    if not sign:
        made = await git(*command, cwd=repository, env=environment, stdin=stdin)
        return made.decode().strip()
    environment |= {
        name: os.environ[name] for name in _FOR_SIGNING if name in os.environ
    }
    try:
        made = await git(
            *command,
            "-S",
            cwd=repository,
            env=environment,
            stdin=stdin,
            timeout=_SIGNING_TIMEOUT,
        )
    except GitError as error:
        raise Conflict(
            f"the commit cannot be signed: {' '.join(error.stderr.split())}",
            hint="unlock the key, or set commit.gpgSign to false in that repository",
        ) from None
    return made.decode().strip()


async def wants_signature(repository: Path) -> bool:
    """Return whether git signs each commit that the user makes in a repository.

    See git-config(1), commit.gpgSign.
    """
    value = await _setting(
        repository, "commit.gpgSign", user_environment(), type_="bool"
    )
    return value == "true"


async def _identity(repository: Path, user: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name the user as author and committer."""
    identity = {}
    for key, default in _DEFAULT_IDENTITY.items():
        value = await _setting(repository, f"user.{key}", user) or default
        identity[f"GIT_AUTHOR_{key.upper()}"] = value
        identity[f"GIT_COMMITTER_{key.upper()}"] = value
    return identity


async def _setting(
    repository: Path, key: str, user: Mapping[str, str], *, type_: str = ""
) -> str:
    command = ["config", *([f"--type={type_}"] if type_ else []), "--get", key]
    try:
        value = await git(*command, cwd=repository, env=user)
    except GitError:
        return ""
    return value.decode().strip()
