"""Apply a change to the files of the user's working tree, committing nothing.

For a run that began with uncommitted changes: its base is no commit of the user's, so a
branch could not have the change without theirs.
"""

from pathlib import Path

from aideator.domain.errors import Conflict
from aideator.repositories.git import GitError, git, user_environment


async def has_commit(repo: Path, sha: str) -> bool:
    """Return whether a repository has a commit."""
    try:
        await git("cat-file", "-e", f"{sha}^{{commit}}", cwd=repo)
    except GitError:
        return False
    return True


async def apply_to_files(repo: Path, patch: bytes) -> Path:
    """Apply a patch to the files of a working tree: as a whole, or not at all.

    Index, HEAD and branches stay as they are.

    Args:
        repo: The user's checkout, or a folder in it.
        patch: A patch that `patch.extract` made.

    Returns:
        The root of the working tree.

    Raises:
        Conflict: if the files are not as they were when the run began.
        GitError: if there is no working tree.
    """
    top_level = await git("rev-parse", "--show-toplevel", cwd=repo)
    root = Path(top_level.decode().removesuffix("\n"))
    try:
        await git(
            *("apply", "--whitespace=nowarn", "-"),
            cwd=root,
            env=user_environment(),
            stdin=patch,
        )
    except GitError as error:
        raise Conflict(
            f"the change does not fit the files of {root} as they are now: {error}",
            hint="bring them back to how they were when the run began,"
            " or take the patch: aideator diff",
        ) from None
    return root
