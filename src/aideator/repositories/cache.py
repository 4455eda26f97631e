"""The repository cache: a bare mirror per repository and a checkout per commit.

Environments, which set-up makes of a checkout, lie beside them and are removed by the
same rules.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aideator.domain.errors import Conflict, RepositoryError
from aideator.repositories import checkout as checkouts
from aideator.repositories.checkout import Checkout, Commit
from aideator.repositories.entries import (
    DIRECTORY_MODE,
    PART_SUFFIX,
    hold_lock,
    recorded_size,
    remove_entry,
    try_lock,
)
from aideator.repositories.mirror import Mirror, split_ancestor
from aideator.repositories.remote import resolve_remote
from aideator.repositories.source import Source, SourcePolicy, parse_source
from aideator.repositories.untrusted_tree import remove_tree
from aideator.sandbox.disk import disk_usage


class RepositoryCache:
    """Mirrors, checkouts and environments in one state directory.

    Args:
        home: The state directory.
        policy: Decides which repositories may be fetched.
        clone_timeout: Seconds in which a commit must have been found and fetched, from
            the first request on; a checkout may take as long again.
        max_repo_bytes: Size limit of a repository's mirror, and of a commit's files.
        tokens: Host name → token for private repositories.
        max_cache_bytes: Size that the cache is reduced to after each new checkout.
    """

    def __init__(
        self,
        home: Path,
        *,
        policy: SourcePolicy,
        clone_timeout: float = 300.0,
        max_repo_bytes: int = 100 * 2**20,
        tokens: Mapping[str, str] | None = None,
        max_cache_bytes: int = 20 * 2**30,
    ) -> None:
        self.home = home
        self._policy = policy
        self._clone_timeout = clone_timeout
        self._max_repo_bytes = max_repo_bytes
        self._tokens = dict(tokens or {})
        self._max_cache_bytes = max_cache_bytes

    async def resolve(self, text: str, ref: str | None = None) -> Commit:
        """Find the commit that a submission names, and fetch it into the mirror.

        A full commit hash that the mirror already has needs no network.

        Args:
            text: The repository, as the user wrote it.
            ref: A branch, tag or commit, or the way back from one, such as `main~2`;
                the default branch when absent.

        Raises:
            InvalidInput: naming `repo_url`, if the policy does not allow this
                repository.
            RepositoryError: if it cannot be fetched; the message says why, the hint
                what to do.
        """
        source = parse_source(text, self._policy)
        mirror = self._mirror(source)
        if ref is not None and (known := await mirror.known(ref)):
            return Commit(source, known)
        async with self._deadline(f"fetching {source.url}") as deadline:
            remote = await resolve_remote(source, self._policy, self._tokens)
            refs = await mirror.list_refs(remote)
            base, steps = split_ancestor(ref) if ref is not None else (None, "")
            wanted = refs.pick(base)
            if wanted and (commit := await self._cached(source, wanted, steps)):
                return commit
            async with _paused(deadline, hold_lock(self._lock(source.key))):
                # The previous holder of the lock may have fetched the same commit.
                if wanted is None or await mirror.known(wanted, steps) is None:
                    await mirror.fetch(remote, wanted, max_bytes=self._max_repo_bytes)
            sha = await mirror.commit(f"{wanted or base}{steps}", named=ref)
            return Commit(source, sha)

    async def find(self, text: str, ref: str | None = None) -> None:
        """Look for the commit that a submission names, without fetching anything.

        A commit's hash may be in no list of refs: only a fetch tells.

        Args:
            text: The repository, as the user wrote it.
            ref: A branch, tag or commit; the default branch when absent.

        Raises:
            InvalidInput: naming `repo_url`, if the policy does not allow this
                repository.
            RepositoryError: if the repository cannot be read, or has no such ref.
        """
        source = parse_source(text, self._policy)
        mirror = self._mirror(source)
        if ref is not None and await mirror.known(ref):
            return
        async with self._deadline(f"looking at {source.url}"):
            remote = await resolve_remote(source, self._policy, self._tokens)
            refs = await mirror.list_refs(remote)
            refs.pick(split_ancestor(ref)[0] if ref is not None else None)

    @contextlib.asynccontextmanager
    async def _deadline(self, work: str) -> AsyncIterator[asyncio.Timeout]:
        """Bound everything in the context together by the time for a clone."""
        seconds = self._clone_timeout
        try:
            async with asyncio.timeout(seconds) as deadline:
                yield deadline
        except TimeoutError:
            if not deadline.expired():
                raise
            raise RepositoryError(
                f"{work} took too long: it was not done after {seconds:g} seconds",
                hint="raise CLONE_TIMEOUT, or try again later",
            ) from None

    @contextlib.asynccontextmanager
    async def mirror_of(self, commit: Commit) -> AsyncIterator[Path]:
        """Yield the path of the bare mirror that has the commit.

        The mirror is locked: nothing changes or removes it until the context ends.
        """
        async with hold_lock(self._lock(commit.source.key)):
            yield self._mirror(commit.source).path

    async def _cached(self, source: Source, sha: str, steps: str) -> Commit | None:
        commit = Commit(source, sha)
        # `sha` may be the hash of a tag object; no checkout is named after one.
        if not steps and (self._folder("checkouts") / commit.key).exists():
            return commit
        known = await self._mirror(source).known(sha, steps)
        return Commit(source, known) if known else None

    async def checkout(self, commit: Commit) -> Checkout:
        """Return the commit's read-only checkout, making it on first use.

        Raises:
            RepositoryError: if it cannot be made.
        """
        folder = self._folder("checkouts") / commit.key
        if not folder.exists():
            async with hold_lock(self._lock(commit.key)):
                if not folder.exists():
                    await self._build(commit, folder)
        os.utime(folder)  # `gc` removes the least recently used
        return checkouts.load(folder, commit)

    async def _build(self, commit: Commit, folder: Path) -> None:
        part = folder.with_name(commit.key + PART_SUFFIX)
        try:
            if part.exists():
                remove_tree(part)
            async with self._deadline(f"checking out {commit.sha[:12]}"):
                await checkouts.build(
                    self._mirror(commit.source).path,
                    commit,
                    part,
                    max_bytes=self._max_repo_bytes,
                )
            part.rename(folder)
        finally:
            if part.exists():
                await asyncio.to_thread(remove_tree, part)
        await asyncio.to_thread(self.gc)

    def gc(self, max_bytes: int | None = None, *, idle: float = 600.0) -> int:
        """Remove the least recently used entries until the cache fits.

        Blocks: call it in a thread.

        Args:
            max_bytes: Size to reduce the cache to; the cache's own limit when absent.
            idle: Seconds without use after which an entry may be removed. Entries that
                a fork uses are never removed.

        Returns:
            The number of bytes freed.
        """
        sizes = self._sizes()
        limit = self._max_cache_bytes if max_bytes is None else max_bytes
        surplus = sum(sizes.values()) - limit
        freed = 0
        for path in sorted(sizes, key=lambda path: path.stat().st_mtime):
            if freed >= surplus:
                break
            if time.time() - path.stat().st_mtime >= idle and self._remove(path):
                freed += sizes[path]
        return freed

    def _sizes(self) -> dict[Path, int]:
        """Return the size on disk of every complete entry, in bytes."""
        sizes = {path: disk_usage(path) for path in self._complete("mirrors")}
        for kind in ("checkouts", "environments"):
            sizes |= {path: recorded_size(path) for path in self._complete(kind)}
        return sizes

    def recover(self) -> None:
        """Remove half-made entries and forks that a crash left behind.

        What another process is using stays. Blocks: call it in a thread.
        """
        for kind in ("mirrors", "checkouts", "environments"):
            for part in self._folder(kind).glob(f"*{PART_SUFFIX}"):
                lock = try_lock(self._lock(part.name.removesuffix(PART_SUFFIX)))
                if lock is not None:
                    remove_tree(part)
                    os.close(lock)
        for fork in self._folder("forks").iterdir():
            with contextlib.suppress(Conflict):
                remove_entry(fork)

    def _remove(self, path: Path) -> bool:
        """Remove an entry; return False if it is in use."""
        if (lock := try_lock(self._lock(path.name))) is None:
            return False
        try:
            remove_entry(path)
        except Conflict:
            return False
        finally:
            os.close(lock)
        return True

    def _mirror(self, source: Source) -> Mirror:
        return Mirror(self._folder("mirrors") / source.key)

    def _folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        return folder

    def _complete(self, kind: str) -> list[Path]:
        return [
            path
            for path in self._folder(kind).iterdir()
            if not path.name.endswith(PART_SUFFIX)
        ]

    def _lock(self, key: str) -> Path:
        return self.home / "locks" / key


@contextlib.asynccontextmanager
async def _paused(
    deadline: asyncio.Timeout, lock: contextlib.AbstractAsyncContextManager[None]
) -> AsyncIterator[None]:
    """Take a lock; the time spent waiting for another's work does not count."""
    now = asyncio.get_running_loop().time
    left = (deadline.when() or now()) - now()
    deadline.reschedule(None)
    async with lock:
        deadline.reschedule(now() + left)
        yield
