"""One bare mirror of a repository: its branches and tags, and what was asked for by hash."""

import asyncio
import os
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from aideator.domain.errors import RepositoryError
from aideator.repositories.git import GitError, GitTimeout, git
from aideator.repositories.remote import Remote
from aideator.repositories.trees import PART, discard, disk_use, remove_tree

FULL_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_HASH = re.compile(r"[0-9a-f]{7,64}")
_EXPLANATIONS = (
    (
        r"not appear to be a git repository|not a git repository|is this a git repo",
        "it is not a git repository",
    ),
    (r"not our ref|remote ref|unadvertised object", "it has no such commit"),
    (r"Repository not found|not found$", "there is no such repository"),
    (
        r"Authentication failed|could not read (Username|Password)|error: 40[13]",
        "there is no access to it",
    ),
    (r"No space left", "the disk is full"),
    (
        r"fsck|index-pack|bad object|corrupt|invalid|unpack",
        "its objects are damaged or malicious",
    ),
    (
        r"resolve host|connect to|Connection|early EOF|hung up|RPC failed|HTTP",
        "the server does not answer as it should",
    ),
)


@dataclass(frozen=True)
class Refs:
    """What a remote calls its commits."""

    url: str
    names: dict[str, str]
    """Full name → hash; a tag's `^{}` is the commit it stands for."""

    def pick(self, ref: str | None) -> str | None:
        """Return the hash that `ref` means, or None if only the objects can tell (an abbreviated hash).

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
    """The bare repository at `path`, which may not be there yet.

    Whoever changes it holds the cache's lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def known(self, ref: str) -> str | None:
        """Return a full hash if its commit is here; anything else is not known for sure without asking."""
        return (
            await self._verify(ref)
            if FULL_HASH.fullmatch(ref) and self.path.exists()
            else None
        )

    async def commit(self, ref: str) -> str:
        """Return the commit that a hash, maybe abbreviated, stands for.

        Raises:
            RepositoryError: if it is none.
        """
        if found := await self._verify(ref):
            return found
        raise RepositoryError(
            f"there is no commit {ref[:100]}",
            hint="give a branch, a tag or a full commit hash",
        )

    async def list_refs(self, remote: Remote) -> Refs:
        """Ask the remote what it has.

        Raises:
            RepositoryError: if it does not tell.
        """
        try:
            listed = await (
                _local_refs(Path(remote.url))
                if remote.source.local
                else _remote_refs(remote)
            )
        except GitError as error:
            raise explain(error, remote) from None
        pairs = (
            line.split(maxsplit=1)
            for line in listed.decode(errors="replace").splitlines()
        )
        return Refs(remote.source.url, {name: sha for sha, name in pairs})

    async def fetch(
        self, remote: Remote, wanted: str | None, *, max_bytes: int, timeout: float
    ) -> None:
        """Bring the mirror up to date, and the commit `wanted` into it.

        Raises:
            RepositoryError: if it cannot be had, is larger than `max_bytes` or takes
                longer than `timeout` seconds. Nothing half-made is left then.
        """
        if self.path.exists():
            try:
                await self._fill(self.path, remote, wanted, max_bytes, timeout)
            except _TooLarge:
                await asyncio.to_thread(discard, self.path)
                raise
            finally:
                for left_over in (self.path / "objects").glob("**/tmp_*"):
                    left_over.unlink()
            return
        part = self.path.with_name(self.path.name + PART)
        try:
            if part.exists():
                remove_tree(part)
            await git("init", "-q", "--bare", "--template=", _format(wanted), str(part))
            await self._fill(part, remote, wanted, max_bytes, timeout)
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
        timeout: float,
    ) -> None:
        try:
            async with asyncio.timeout(timeout):
                await _bounded(
                    _fetch(
                        path,
                        remote,
                        "+refs/heads/*:refs/heads/*",
                        "+refs/tags/*:refs/tags/*",
                    ),
                    path,
                    max_bytes,
                )
                if wanted and await Mirror(path).known(wanted) is None:
                    await _bounded(
                        _fetch(path, remote, f"+{wanted}:refs/kept/{wanted}"),
                        path,
                        max_bytes,
                    )
        except TimeoutError:
            raise explain(GitTimeout("fetch", timeout), remote) from None
        except GitError as error:
            raise explain(error, remote) from None

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


async def _remote_refs(remote: Remote) -> bytes:
    return await git(
        "ls-remote",
        "-q",
        *remote.options,
        "--",
        remote.url,
        config=remote.config,
        env=remote.env,
    )


async def _local_refs(repository: Path) -> bytes:
    """The same, for a third of the time: no second process that answers for the repository."""
    try:
        # The ceiling keeps a folder inside a repository from passing for one.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(repository.parent)}
        return await git(
            "show-ref", "--head", "--dereference", cwd=repository, env=ceiling
        )
    except GitError as error:
        if error.exit_code == 1 and not error.stderr:  # it has no refs yet
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
            *remote.options,
        ),
        *("--", remote.url, *refspecs),
        cwd=path,
        config=remote.config,
        env=remote.env,
        timeout=86_400,
    )


class _TooLarge(RepositoryError):
    """The repository is larger than allowed."""

    hint = "raise MAX_REPO_SIZE_MB to allow it"


async def _bounded(work: Awaitable[bytes], path: Path, max_bytes: int) -> None:
    def measure() -> None:
        if disk_use(path / "objects") > max_bytes:
            raise _TooLarge(f"the repository is larger than {max_bytes // 2**20} MB")

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1)
            measure()

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await work
            watching.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    measure()


def explain(error: GitError, remote: Remote) -> RepositoryError:
    """Say in plain words why git could not get a repository."""
    where = remote.source.url
    if isinstance(error, GitTimeout):
        return RepositoryError(
            f"fetching {where} took too long",
            hint="raise CLONE_TIMEOUT, or try again later",
        )
    for pattern, what in _EXPLANATIONS:
        if re.search(pattern, error.stderr, re.MULTILINE):
            return RepositoryError(
                f"{where} cannot be fetched: {what}", hint=str(error)
            )
    return RepositoryError(f"{where} cannot be fetched", hint=str(error))


def _format(wanted: str | None) -> str:
    return f"--object-format={'sha256' if wanted and len(wanted) == 64 else 'sha1'}"
