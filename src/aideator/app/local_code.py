"""The code around a change: files of the base, and the user's checkout that gets it."""

from dataclasses import dataclass
from pathlib import Path

from aideator.app.commit_message import commit_message
from aideator.app.continue_run import refuse_imported
from aideator.app.facade import Aideator
from aideator.app.sources import open_cache
from aideator.changes.branch import apply_to_checkout
from aideator.changes.working_tree import has_commit
from aideator.domain.errors import Conflict, NotFound
from aideator.repositories.git import GitError, git

MAX_LINES = 50_000
"""Lines of a file that are handed out; code that is longer is data."""


@dataclass(frozen=True)
class BaseFile:
    """A file of the commit that a run started from."""

    path: str
    lines: tuple[str, ...]
    """Without their line feeds; bytes that are not UTF-8 as `\\xNN`."""


@dataclass(frozen=True)
class AppliedChange:
    """A variation's change on a branch of the checkout that the run was asked for."""

    checkout: str
    """The checkout's folder."""
    branch: str
    commit: str
    is_new: bool
    """False if the branch had the change already."""
    left: str | None
    """The branch or commit that HEAD was on before; null where HEAD has not moved."""


async def base_file(app: Aideator, run_id: str, path: str) -> BaseFile:
    """Return a file as it was before the run, for the lines around a change.

    Raises:
        NotFound: if there is no such run or file.
        Conflict: if the run has no commit, or the file is too long to read.
        RepositoryError: if the repository cannot be read any more.
    """
    details = await app.get(run_id)
    if details.commit is None:
        raise Conflict("the run has not fetched its repository yet")
    cache = open_cache(app.settings)
    commit = await cache.resolve(details.spec.repo_url, details.commit)
    async with cache.mirror_of(commit) as mirror:
        try:
            blob = await git("cat-file", "blob", f"{commit.sha}:{path}", cwd=mirror)
        except GitError as error:
            raise NotFound(f"the base has no file {path} that can be read") from error
    lines = blob.removesuffix(b"\n").split(b"\n") if blob else []
    if len(lines) > MAX_LINES:
        raise Conflict(f"{path} has {len(lines):,} lines; {MAX_LINES:,} can be shown")
    return BaseFile(path, tuple(_text(line) for line in lines))


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace")


async def apply_locally(
    app: Aideator, run_id: str, number: int, *, branch: str = "", switch: bool = False
) -> AppliedChange:
    """Commit a variation's change on a branch of the checkout that the run names.

    Applying the same change again changes nothing. The hooks of the checkout do not
    run.

    Args:
        app: The application.
        run_id: The run.
        number: The variation.
        branch: The new branch's name; `aideator/RUN-VARIATION` when empty.
        switch: Whether to switch to the branch, which a work tree with uncommitted
            changes refuses.

    Raises:
        NotFound: if there is no such run, variation or patch.
        Conflict: if the repository is not a folder of this machine, has uncommitted
            changes, or has another change on that branch.
        GitError: if git refuses, for example the branch's name.
    """
    details = await app.get(run_id)
    refuse_imported(details)
    folder, base = Path(details.spec.repo_url), details.commit or ""
    if not details.spec.repo_url.startswith("/"):
        raise Conflict(
            "the repository is not on this machine",
            hint="publish the winner, or run `aideator apply` in a checkout",
        )
    if details.spec.include_uncommitted and not await has_commit(folder, base):
        raise Conflict(
            "the run began with uncommitted changes, so no branch of yours can have"
            " its change alone",
            hint=f"in your checkout: aideator apply {run_id[-8:]}",
        )
    name = branch or f"aideator/{run_id[-8:]}-{number}"
    applied = await apply_to_checkout(
        folder,
        base=base,
        patch=await app.patch(run_id, number),
        branch=name,
        message=commit_message(details, number),
        switch=switch,
    )
    return AppliedChange(
        checkout=str(folder),
        branch=name,
        commit=applied.commit,
        is_new=applied.is_new,
        left=applied.left,
    )
