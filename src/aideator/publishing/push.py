"""Push a change as one branch below `aideator/`, never over commits of others.

New objects are in a scratch directory beside the mirror's own, so that nothing of a
change stays in the mirror. The commit depends only on what is published and when it was
decided: publishing again makes the same commit, and pushes nothing.
"""

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aideator.changes.commit import commit_patch
from aideator.domain.errors import Conflict, FieldError, InvalidInput, RepositoryError
from aideator.domain.visible import visible_line
from aideator.repositories.git import GitError, GitTimeout, git
from aideator.repositories.remote import Remote

_SYMBOLIC = "ref: refs/heads/"
"""What `git ls-remote --symref` prints before the branch that HEAD names."""
PREFIX = "aideator/"
"""The prefix of all branches that AIdeator pushes."""
_TIMEOUT = 300.0
"""Seconds."""
_MAX_WORDS = 500
"""Characters of a server's own message that are shown."""
_WORKFLOWS = re.compile(
    r"\.(github|gitea|forgejo)/workflows/.*|\.gitlab-ci\.ya?ml|\.circleci/.*"
    r"|\.woodpecker.*"
)
"""Files that a forge runs by itself, with its own secrets, once they are pushed."""


@dataclass(frozen=True)
class Push:
    """A change to push, and its branch."""

    base: str
    patch: bytes
    message: str
    at: datetime
    """The commit's date."""
    branch: str
    """Its full name, below `PREFIX`."""
    ours: str | None = None
    """The commit that AIdeator pushed there before, if any: the only one that may be
    replaced."""


@dataclass(frozen=True)
class Pushed:
    """The state of the remote after a push."""

    commit: str
    default_branch: str
    """The branch that the repository's HEAD names; empty when it does not say."""
    named: bool
    """Whether the run's own ref is a branch there."""


def branch_name(wanted: str) -> str:
    """Return the full name of a branch below `PREFIX`.

    Raises:
        InvalidInput: if no branch can have that name.
    """
    name = wanted if wanted.startswith(PREFIX) else PREFIX + wanted
    if not _is_valid_branch(name):
        message = "letters, digits and - _ . + in parts between slashes"
        raise InvalidInput(fields=[FieldError("branch", message)])
    return name


def _is_valid_branch(name: str) -> bool:
    """Apply rules stricter than git-check-ref-format(1): no name needs quoting."""
    if len(name) > 200 or ".." in name:
        return False
    if any(part.endswith((".lock", ".")) for part in name.split("/")):
        return False
    return re.fullmatch(r"(/?[A-Za-z0-9_][A-Za-z0-9_.+-]*)+", name) is not None


def slug(text: str) -> str:
    """Return the first words of a text, for the name of a branch."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-") or "change"


def workflows(paths: Iterable[str]) -> list[str]:
    """Return the paths that a forge would run by itself, with its own secrets."""
    return [path for path in paths if _WORKFLOWS.fullmatch(path)]


async def push(mirror: Path, remote: Remote, asked: Push, *, ref: str | None) -> Pushed:
    """Commit the change on its base and push it, unless the remote has it already.

    Args:
        mirror: The bare repository that has the base.
        remote: The remote, which has just been reached.
        asked: The change and its branch.
        ref: The run's own ref, which may be a branch.

    Raises:
        PatchRejected: if the patch does not apply.
        Conflict: if the branch has commits that AIdeator has not pushed.
        RepositoryError: if the remote refuses.
    """
    with tempfile.TemporaryDirectory(prefix="aideator-push-") as scratch:
        objects = {
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{mirror}/objects",
        }
        date = f"{int(asked.at.timestamp())} +0000"
        dated = objects | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        commit = await commit_patch(
            mirror, base=asked.base, patch=asked.patch, message=asked.message, env=dated
        )
        full = f"refs/heads/{asked.branch}"
        refs, default = await _look(remote, full, f"refs/heads/{ref}")
        present = refs.get(full)
        if present not in {None, commit, asked.ours}:
            raise Conflict(
                f"{remote.source.url} has a branch {asked.branch} with other commits",
                hint="choose another name with `branch`",
            )
        if present != commit:
            await _send(
                mirror,
                remote,
                f"{commit}:{full}",
                lease=f"{full}:{present or ''}",
                env=objects,
            )
    return Pushed(commit, default, named=f"refs/heads/{ref}" in refs)


async def _look(remote: Remote, *names: str) -> tuple[dict[str, str], str]:
    """Return the remote's commits of some refs, and the branch that its HEAD names."""
    try:
        listed = await git(
            *(
                "ls-remote",
                "-q",
                "--symref",
                *remote.options,
                "--",
                remote.url,
                "HEAD",
                *names,
            ),
            config=remote.config,
            env=remote.env,
        )
    except GitError as error:
        raise _refused(error, remote) from None
    refs: dict[str, str] = {}
    default = ""
    for line in listed.decode(errors="replace").splitlines():
        value, name = line.rsplit("\t", 1)
        if name in names:
            refs[name] = value
        elif name == "HEAD" and value.startswith(_SYMBOLIC) and not default:
            default = value.removeprefix(_SYMBOLIC)
    return refs, default


async def _send(
    mirror: Path, remote: Remote, refspec: str, *, lease: str, env: dict[str, str]
) -> None:
    # The receiving side of a local push does not inherit our settings. The repository's
    # hooks belong to its owner, and would run as this user.
    receive_pack = (
        "--receive-pack=git -c safe.directory=* -c core.hooksPath=/dev/null "
        "-c gc.auto=0 receive-pack"
    )
    local = [receive_pack] if remote.is_local else []
    try:
        await git(
            *(
                "push",
                "-q",
                "--no-follow-tags",
                "--no-signed",
                "--no-verify",
                "--recurse-submodules=no",
            ),
            *(f"--force-with-lease={lease}", *local),
            *("--", remote.url, refspec),
            cwd=mirror,
            config=remote.config,
            env=env | remote.env,
            timeout=_TIMEOUT,
        )
    except GitError as error:
        raise _refused(error, remote) from None


def _refused(error: GitError, remote: Remote) -> RepositoryError:
    where = remote.source.url
    if isinstance(error, GitTimeout):
        return RepositoryError(
            f"pushing to {where} took too long",
            hint="try again later; nothing is pushed twice",
        )
    if re.search(
        r"Authentication failed|could not read Username|error: 40[13]", error.stderr
    ):
        return RepositoryError(
            f"{where} does not allow the push",
            hint="set a token that may write to it (GITHUB_TOKEN, GIT_TOKENS), "
            "then publish again",
        )
    words = " ".join(
        line.removeprefix("remote: ")
        for line in error.stderr.split("\n")
        if line.strip()
    )
    return RepositoryError(
        f"{where} refused the branch: {visible_line(words)[:_MAX_WORDS]}",
        hint="correct that, then publish again",
    )
