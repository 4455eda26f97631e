"""Push a change as a branch: from the mirror, to exactly one ref below `aideator/`, never over somebody else's work.

New objects lie in a scratch directory beside the mirror's own, so that nothing of a
change stays behind. A commit is a function of what is published and when it was
decided: publishing again makes the same one, and pushes nothing.
"""

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aideator.changes.commit import commit_patch
from aideator.domain.errors import Conflict, FieldError, InvalidInput, RepositoryError
from aideator.repositories.git import GitError, GitTimeout, git
from aideator.repositories.remote import Remote

PREFIX = "aideator/"
"""Below this are all branches that AIdeator pushes."""
_TIMEOUT = 300.0
_MAX_WORDS = 500
"""Characters of a server's own words that are shown."""
_WORKFLOWS = re.compile(
    r"\.(github|gitea|forgejo)/workflows/.*|\.gitlab-ci\.ya?ml|\.circleci/.*|\.woodpecker.*"
)


@dataclass(frozen=True)
class Push:
    """What is to be pushed, and where."""

    base: str
    patch: bytes
    message: str
    at: datetime
    """The commit's date."""
    branch: str
    """Its full name, below `PREFIX`."""
    ours: str | None = None
    """The commit that we pushed there before, if any: the only one that may be
    replaced."""


@dataclass(frozen=True)
class Pushed:
    """What is there now."""

    commit: str
    default_branch: str
    """The branch that the repository's HEAD names; empty when it does not say."""
    named: bool
    """Whether the run's own ref is a branch there."""


def branch_name(wanted: str) -> str:
    """The full name of a branch of ours.

    Raises:
        InvalidInput: if no branch can be called so.
    """
    name = wanted if wanted.startswith(PREFIX) else PREFIX + wanted
    # Stricter than git-check-ref-format(1): what stays needs no quoting anywhere.
    if (
        len(name) > 200
        or not re.fullmatch(r"(/?[A-Za-z0-9_][A-Za-z0-9_.+-]*)+", name)
        or _odd(name)
    ):
        raise InvalidInput(
            fields=[
                FieldError(
                    "branch", "letters, digits and - _ . + in parts between slashes"
                )
            ]
        )
    return name


def _odd(name: str) -> bool:
    return ".." in name or any(
        part.endswith((".lock", ".")) for part in name.split("/")
    )


def slug(text: str) -> str:
    """A few words of a text, for the name of a branch."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-") or "change"


def workflows(paths: Iterable[str]) -> list[str]:
    """Those files that a forge would run by itself, with its own secrets, once they are pushed."""
    return [path for path in paths if _WORKFLOWS.fullmatch(path)]


async def push(mirror: Path, remote: Remote, asked: Push, *, ref: str | None) -> Pushed:
    """Commit the change on its base and push it.

    What is there already is not pushed again.

    Args:
        mirror: The bare repository that has the base.
        remote: Where to; reached just now.
        asked: What.
        ref: The run's own ref, which may be a branch.

    Raises:
        PatchRejected: if the patch does not apply.
        Conflict: if the branch holds something that we have not pushed.
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
    """What the remote has of some refs, and the branch that its HEAD names."""
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
    pairs = [
        line.rsplit("\t", 1) for line in listed.decode(errors="replace").splitlines()
    ]
    found = {name: value for value, name in pairs if name in names}
    heads = [
        value
        for value, name in pairs
        if name == "HEAD" and value.startswith("ref: refs/heads/")
    ]
    return found, heads[0].removeprefix("ref: refs/heads/") if heads else ""


async def _send(
    mirror: Path, remote: Remote, refspec: str, *, lease: str, env: dict[str, str]
) -> None:
    # The serving side of a local push does not inherit our settings; the repository's
    # hooks are its owner's, and would run as us.
    local = (
        "--receive-pack=git -c safe.directory=* -c core.hooksPath=/dev/null -c gc.auto=0 receive-pack",
    )
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
            *(f"--force-with-lease={lease}", *(local if remote.source.local else ())),
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
            f"{where} does not let us push",
            hint="set a token that may write to it (GITHUB_TOKEN, GIT_TOKENS), then publish again",
        )
    words = " ".join(
        line.removeprefix("remote: ")
        for line in error.stderr.split("\n")
        if line.strip()
    )
    return RepositoryError(
        f"{where} refused the branch: {_plain(words)}",
        hint="mend that, then publish again",
    )


def _plain(words: str) -> str:
    return "".join(c if c.isprintable() else " " for c in words)[:_MAX_WORDS]
