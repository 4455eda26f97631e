"""Bare mirrors of repositories: their branches, tags and commits requested by hash."""

import asyncio
import os
import re
import shlex
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aideator.domain.errors import RepositoryError
from aideator.repositories.entries import PART_SUFFIX, remove_entry
from aideator.repositories.git import GitError, git
from aideator.repositories.remote import Remote
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.disk import disk_usage

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_HASH = re.compile(r"[0-9a-f]{7,64}")
_ANCESTOR = re.compile(r"(?P<ref>[^~^]+)(?P<steps>([~^][0-9]{0,6}){1,20})")
"""A revision by its way back from a ref, such as `main~2` or `HEAD^`
(https://git-scm.com/docs/gitrevisions)."""
_TOKEN = "set a token for this host (GITHUB_TOKEN, GIT_TOKENS)"
_EXPLANATIONS = (
    (
        r"IDENTIFICATION HAS CHANGED",
        "its ssh host key is not the one that is known",
        "ask the server's operator; if they have changed it: ssh-keygen -R {host},"
        " then ssh-keyscan {host} >> ~/.ssh/known_hosts",
    ),
    (
        r"Host key verification failed",
        "ssh does not know its host key",
        "ssh-keyscan {host} >> ~/.ssh/known_hosts, and compare `ssh-keygen -lf"
        " ~/.ssh/known_hosts` with the fingerprint that the operator publishes",
    ),
    (
        r"Permission denied \(|agent refused|Too many authentication failures",
        "it accepts no ssh key of yours",
        "load the key with ssh-add (the server needs SSH_AUTH_SOCK, so start it from"
        " that session), and register its public half with {host}",
    ),
    (
        r"not appear to be a git repository|not a git repository|is this a git repo",
        "it is not a git repository",
        "name a repository, or any folder inside one; `git init` and a commit make one",
    ),
    (
        r"not our ref|remote ref|unadvertised object",
        "it has no such commit",
        "name a branch or a tag, or push the commit first",
    ),
    (
        r"Repository not found|not found$",
        "there is no such repository",
        f"check the URL's spelling, or {_TOKEN}",
    ),
    (
        r"Authentication failed|could not read (Username|Password)|error: 40[13]",
        "there is no access to it",
        _TOKEN,
    ),
    (r"No space left", "the disk is full", "make room, for example with `aideator gc`"),
    (
        r"fsck|index-pack|bad object|corrupt|invalid|unpack",
        "its objects are damaged or malicious",
        "`git fsck` there names what is damaged; a fresh clone may help",
    ),
    (
        r"certificate|SSL",
        "its certificate is not trusted",
        "name your authority's certificate: git config --global http.sslCAInfo FILE",
    ),
    (
        r"resolve host|connect to|Connection|early EOF|hung up|RPC failed|HTTP|proxy",
        "the server does not answer as expected",
        "try again later, or check the network and the proxy (http.proxy, HTTPS_PROXY)",
    ),
)
"""Pattern of git's words → what it means, and what to do next."""


def split_ancestor(ref: str) -> tuple[str, str]:
    """Return a ref, and the steps back from it: `main~2` is `main` and `~2`."""
    found = _ANCESTOR.fullmatch(ref)
    return (found["ref"], found["steps"]) if found else (ref, "")


@dataclass(frozen=True)
class Refs:
    """The refs of a remote repository."""

    url: str
    names: dict[str, str]
    """Full name → hash. `TAG^{}` is the commit of an annotated tag."""

    def pick(self, ref: str | None) -> str | None:
        """Return the hash that a ref stands for.

        Args:
            ref: A branch, tag or hash; the default branch when None.

        Returns:
            The hash; None for an abbreviated one, which only the objects can resolve.

        Raises:
            RepositoryError: if the repository is empty or has no such ref.
        """
        if not self.names:
            raise RepositoryError(
                f"{self.url} is empty: it has no commit to start from",
                hint="push a commit first",
            )
        if ref is None:
            if "HEAD" in self.names:
                return self.names["HEAD"]
            raise RepositoryError(
                f"{self.url} has no default branch",
                hint=f"name one: {self._branches()}",
            )
        for name in (
            f"refs/heads/{ref}",
            f"refs/tags/{ref}^{{}}",
            f"refs/tags/{ref}",
            f"refs/{ref}",
            ref,
        ):
            if name in self.names:
                return self.names[name]
        if FULL_HASH.fullmatch(ref):
            return ref
        if _SHORT_HASH.fullmatch(ref):
            return None
        raise RepositoryError(
            f"{self.url} has no branch or tag {ref[:100]!r}",
            hint=f"it has {self._branches()}",
        )

    def _branches(self) -> str:
        names = [
            name.removeprefix("refs/heads/")
            for name in self.names
            if name.startswith("refs/heads/")
        ]
        return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")


class Mirror:
    """The bare repository at `path`, which need not exist yet.

    Callers must hold the cache's lock for the repository while they change it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def known(self, ref: str, steps: str = "") -> str | None:
        """Return the hash if `ref` is the full hash of a commit in the mirror.

        Any other ref gives None: only the remote knows what it stands for now.

        Args:
            ref: The hash.
            steps: The way back from it to the commit that is meant.
        """
        if not FULL_HASH.fullmatch(ref) or not self.path.exists():
            return None
        return await self._verify(f"{ref}{steps}")

    async def commit(self, ref: str, *, named: str | None = None) -> str:
        """Return the full hash of the commit that `ref` stands for.

        Args:
            ref: A hash, possibly abbreviated, or a ref of the mirror, and steps back.
            named: How the user named it, for the error.

        Raises:
            RepositoryError: if the mirror has no such commit.
        """
        if found := await self._verify(ref):
            return found
        hint = "give a branch, a tag or a full commit hash"
        if (self.path / "shallow").exists():
            hint = f"its clone is shallow (`git fetch --unshallow` there); {hint}"
        raise RepositoryError(f"there is no commit {(named or ref)[:100]}", hint=hint)

    async def list_refs(self, remote: Remote) -> Refs:
        """Return the refs of the remote. The caller has a deadline.

        Raises:
            RepositoryError: if they cannot be read.
        """
        try:
            if remote.is_local:
                listed = await _local_refs(Path(remote.url))
            else:
                listed = await _remote_refs(remote)
        except GitError as error:
            raise _explain(error, remote) from None
        # A server may name a million of them.
        return Refs(remote.source.url, await asyncio.to_thread(_parse_refs, listed))

    async def fetch(
        self, remote: Remote, wanted: str | None, *, max_bytes: int
    ) -> None:
        """Update the mirror's branches and tags, and fetch the commit `wanted`.

        The caller has a deadline.

        Args:
            remote: The repository.
            wanted: The full hash of a commit to fetch as well if no branch or tag
                contains it.
            max_bytes: Size limit for the mirror, objects and refs.

        Raises:
            RepositoryError: if the fetch fails, or exceeds the size. No partial mirror
                remains, also when it is cancelled.
        """
        if self.path.exists():
            try:
                await self._fill(self.path, remote, wanted, max_bytes)
            except _TooLarge:
                await asyncio.to_thread(remove_entry, self.path)
                raise
            finally:
                # git leaves partial packs behind when it is killed.
                for left_over in (self.path / "objects").glob("**/tmp_*"):
                    left_over.unlink()
            return
        part = self.path.with_name(self.path.name + PART_SUFFIX)
        try:
            if part.exists():
                remove_tree(part)
            await git(
                "init", "-q", "--bare", "--template=", _object_format(wanted), str(part)
            )
            await self._fill(part, remote, wanted, max_bytes)
            part.rename(self.path)
        finally:
            if part.exists():
                await asyncio.to_thread(remove_tree, part)

    async def _fill(
        self,
        path: Path,
        remote: Remote,
        wanted: str | None,
        max_bytes: int,
    ) -> None:
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        try:
            await _bounded(_fetch(path, remote, *everything), path, max_bytes)
            if wanted and await Mirror(path).known(wanted) is None:
                kept = _fetch(path, remote, f"+{wanted}:refs/kept/{wanted}")
                await _bounded(kept, path, max_bytes)
        except GitError as error:
            raise _explain(error, remote) from None

    async def _verify(self, ref: str) -> str | None:
        try:
            found = await git(
                "rev-parse",
                "--verify",
                "-q",
                "--end-of-options",
                f"{ref}^{{commit}}",
                cwd=self.path,
            )
        except GitError:
            return None
        os.utime(self.path)
        return found.decode().strip()


def _parse_refs(listed: bytes) -> dict[str, str]:
    """Return name → hash of the lines `HASH NAME`."""
    lines = listed.decode(errors="replace").splitlines()
    pairs = (line.split(maxsplit=1) for line in lines)
    return {name: sha for sha, name in pairs}


async def _remote_refs(remote: Remote) -> bytes:
    return await git(
        "ls-remote",
        "-q",
        *remote.options,
        "--",
        remote.url,
        config=remote.config,
        env=remote.env,
        timeout=None,
    )


async def _local_refs(repository: Path) -> bytes:
    """Read the refs of a local repository.

    `show-ref` takes a third of the time of `ls-remote`, which starts a second process
    to serve the repository.
    """
    try:
        # The ceiling prevents git from accepting a folder inside a repository.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(repository.parent)}
        return await git(
            "show-ref", "--head", "--dereference", cwd=repository, env=ceiling
        )
    except GitError as error:
        if error.exit_code == 1 and not error.stderr:  # the repository has no refs yet
            return b""
        raise


async def _fetch(path: Path, remote: Remote, *refspecs: str) -> bytes:
    return await git(
        *(
            "fetch",
            "-q",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            *_depth(path, remote),
            *remote.options,
        ),
        *("--", remote.url, *refspecs),
        cwd=path,
        config=remote.config,
        env=remote.env,
        timeout=None,
    )


def _depth(mirror: Path, remote: Remote) -> tuple[str, ...]:
    """Return the option by which a mirror gets as much history as a local clone has.

    A user's own clone may be shallow, and get the rest of its history later.
    """
    if not remote.is_local:
        return ()
    places = ("shallow", ".git/shallow")
    is_shallow = any(Path(remote.url, place).exists() for place in places)
    if not is_shallow and (mirror / "shallow").exists():
        return ("--unshallow",)
    return ("--update-shallow",)


class PartialClone(RepositoryError):
    """A local repository lacks objects on purpose."""


class _TooLarge(RepositoryError):
    """The repository is larger than allowed."""

    hint = "raise MAX_REPO_SIZE_MB to allow it"


async def _bounded(work: Awaitable[bytes], path: Path, max_bytes: int) -> None:
    """Await a fetch into `path`, and stop it when the mirror exceeds `max_bytes`.

    Refs count as well: a server may name a million, and each takes a block of the disk.
    """

    def measure() -> None:
        if disk_usage(path) > max_bytes:
            raise _TooLarge(f"the repository is larger than {max_bytes // 2**20} MB")

    async def watch() -> None:
        while True:
            began = time.monotonic()
            measure()
            await asyncio.sleep(max(0.1, 10 * (time.monotonic() - began)))

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await work
            watching.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    measure()


def _explain(error: GitError, remote: Remote) -> RepositoryError:
    """Translate an error of git: say why a repository cannot be fetched."""
    where = remote.source.url
    if remote.is_local and _is_partial_clone(Path(remote.url)):
        return PartialClone(
            f"{where} cannot be fetched: it is a partial clone, which lacks objects",
            hint=f"bring them with `git -C {shlex.quote(where)} fetch --refetch "
            "--no-filter`, or name the repository that it was cloned from",
        )
    host = urlsplit(remote.source.over_https.url).hostname or "the server"
    for pattern, what, step in _EXPLANATIONS:
        if re.search(pattern, error.stderr, re.MULTILINE):
            return RepositoryError(
                f"{where} cannot be fetched: {what} ({error})",
                hint=step.replace("{host}", host),
            )
    return RepositoryError(f"{where} cannot be fetched: {error}", hint="try again")


def _is_partial_clone(repository: Path) -> bool:
    """Return whether a local repository was cloned with a filter.

    Its missing objects are not fetched on the way: where from, only its own
    configuration says, which may be hostile.
    """
    return any(
        next((folder / "objects" / "pack").glob("*.promisor"), None)
        for folder in (repository, repository / ".git")
    )


def _object_format(wanted: str | None) -> str:
    return f"--object-format={'sha256' if wanted and len(wanted) == 64 else 'sha1'}"
