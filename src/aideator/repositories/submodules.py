"""Fill a checkout's submodules with the files of their commits.

`.gitmodules` is the repository's own word, so its URLs go by the rules for hosts: no
path of this machine is followed, and ssh only to the host that the repository itself
was reached at over ssh. What the user's clone has already (`.git/modules`) is taken
from there. The files come without a `.git`: git sees an empty submodule, and no patch
has them.
"""

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from aideator.domain.errors import AideatorError, RepositoryError
from aideator.repositories.git import GitError, git
from aideator.repositories.source import Source, SourcePolicy, origin_url, parse_source
from aideator.repositories.tree_bounds import check_tree

MAX_SUBMODULES = 100
MAX_DEPTH = 5
"""Submodules inside of submodules."""

OpenMirror = Callable[[Source, str], AbstractAsyncContextManager[Path]]
"""Fetches a commit; yields the mirror that has it, which stays locked meanwhile."""


@dataclass
class Extras:
    """What was added to a checkout besides the files of its commit."""

    left: int
    """Bytes that may still be added."""
    notes: list[str] = field(default_factory=list)
    """What could not be had, by name."""
    paths: list[str] = field(default_factory=list)
    """Folders and files whose changes can be in no patch, from the root."""


@dataclass(frozen=True)
class _Module:
    """A commit of a submodule, and where it belongs."""

    path: str
    sha: str
    name: str
    url: str
    depth: int = 0


@dataclass(frozen=True)
class SubmoduleFiller:
    """Fills the submodules of one checkout.

    Attributes:
        top: The repository.
        tree: The checkout's files.
        policy: The rules for hosts.
        open_mirror: Fetches a submodule.
        uid: The owner of the files; None for this process's user.
    """

    top: Source
    tree: Path
    policy: SourcePolicy
    open_mirror: OpenMirror
    uid: int | None

    async def fill(self, mirror: Path, sha: str, extras: Extras) -> None:
        """Fill all submodules of a commit, also those inside of others.

        Args:
            mirror: The mirror that has the commit.
            sha: The commit.
            extras: Gets the paths and the notes.
        """
        base = await self._base_url()
        pending = [
            (module, base, self._modules_folder())
            async for module in _modules(mirror, sha)
        ]
        filled = 0
        while pending:
            place = pending.pop(0)
            extras.paths.append(place[0].path)
            filled += 1
            try:
                if filled > MAX_SUBMODULES or place[0].depth > MAX_DEPTH:
                    raise RepositoryError("there are too many submodules")
                pending += await self._fill_one(*place, extras)
            except AideatorError as error:
                note = f"submodule {place[0].path} is empty: {error}"
                extras.notes.append(note)

    async def _fill_one(
        self, module: _Module, base: str, folder: Path | None, extras: Extras
    ) -> list[tuple[_Module, str, Path | None]]:
        """Fill one submodule; return those inside of it.

        Args:
            module: The submodule.
            base: The URL that relative ones are resolved against.
            folder: Where the user's own clone keeps it, with others.
            extras: What has been added so far.
        """
        source = await self._source(module, base, folder)
        async with self.open_mirror(source, module.sha) as found:
            await self._write(found, module, extras)
            inside = [
                replace(
                    inner,
                    path=f"{module.path}/{inner.path}",
                    depth=module.depth + 1,
                )
                async for inner in _modules(found, module.sha)
            ]
        base = base if source.local else source.url
        below = folder / module.name / "modules" if folder else None
        return [(inner, base, below) for inner in inside]

    def _modules_folder(self) -> Path | None:
        """Return where the user's own clone keeps its submodules."""
        folder = Path(self.top.url, ".git", "modules")
        return folder if self.top.local and folder.is_dir() else None

    async def _base_url(self) -> str:
        """Return the URL that relative ones are resolved against."""
        if not self.top.local:
            return self.top.url
        return await origin_url(Path(self.top.url))

    async def _source(self, module: _Module, base: str, folder: Path | None) -> Source:
        """Return where a submodule is fetched from.

        Raises:
            RepositoryError: if `.gitmodules` does not say.
            InvalidInput: if the rules do not allow it.
        """
        clone = folder / module.name if folder and module.name else None
        if clone is not None and await _has_commit(clone, module.sha):
            return Source(str(clone), local=True)
        url = resolve_url(base, module.url)
        if _leads_to_a_path(url):
            raise RepositoryError(
                "its URL leads to a path, which is not followed",
                hint="`git submodule update --init` in your clone brings it along",
            )
        policy = replace(self.policy, allow_local=False, allow_ssh=True)
        source = parse_source(url, policy)
        if source.is_ssh and not self._is_reached_over_ssh(source):
            return parse_source(source.over_https.url, policy)
        return source

    def _is_reached_over_ssh(self, source: Source) -> bool:
        return self.top.is_ssh and _host(self.top) == _host(source)

    async def _write(self, mirror: Path, module: _Module, extras: Extras) -> None:
        extras.left -= await check_tree(
            mirror, module.sha, max_bytes=max(extras.left, 0)
        )
        place = _folder(self.tree, module.path)
        with tempfile.TemporaryDirectory(prefix="aideator-submodule-") as scratch:
            env = {
                "GIT_DIR": str(mirror),
                "GIT_WORK_TREE": str(place),
                "GIT_INDEX_FILE": f"{scratch}/index",
            }
            await git("read-tree", module.sha, cwd=place, env=env, timeout=None)
            await git("checkout-index", "-a", "-f", cwd=place, env=env, timeout=None)
        if self.uid is not None:
            for path in (place, *place.rglob("*")):
                os.chown(path, self.uid, self.uid, follow_symlinks=False)


def resolve_url(base: str, url: str) -> str:
    """Return a submodule's URL: a relative one belongs to its repository's.

    See git-submodule(1), add.
    """
    if not url.startswith(("./", "../")):
        return url
    base = base.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            base = base.rpartition("/")[0]
        url = url.partition("/")[2]
    return f"{base}/{url}" if base else ""


def _leads_to_a_path(url: str) -> bool:
    return not url or url.startswith(("/", "file:", "."))


def _host(source: Source) -> str | None:
    return urlsplit(source.over_https.url).hostname


def _folder(tree: Path, path: str) -> Path:
    """Return the folder of a submodule in a tree, made if need be.

    Raises:
        RepositoryError: if a link or a file is in its way.
    """
    place = tree
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            raise RepositoryError(f"{path} leads over a link")
        place.mkdir(exist_ok=True)
    return place


async def _has_commit(repository: Path, sha: str) -> bool:
    if not repository.is_dir():  # noqa: ASYNC240
        return False
    try:
        await git("cat-file", "-e", f"{sha}^{{commit}}", cwd=repository)
    except GitError:
        return False
    return True


async def _modules(mirror: Path, sha: str) -> AsyncIterator[_Module]:
    """Yield the submodules of a commit; a URL that is not given is empty."""
    listed = await git("ls-tree", "-r", "-z", sha, cwd=mirror)
    links = [row for row in listed.split(b"\0") if row.startswith(b"160000 ")]
    if not links:
        return
    settings = await _gitmodules(mirror, sha)
    for row in links:
        facts, _, path = row.partition(b"\t")
        place = os.fsdecode(path)
        name, url = settings.get(place, ("", ""))
        yield _Module(place, facts.split()[2].decode(), name, url)


async def _gitmodules(mirror: Path, sha: str) -> Mapping[str, tuple[str, str]]:
    """Return path → name and URL of the submodules that `.gitmodules` describes."""
    try:
        listed = await git(
            *("config", f"--blob={sha}:.gitmodules", "--list", "-z"), cwd=mirror
        )
    except GitError:
        return {}
    fields: dict[str, dict[str, str]] = {}
    for setting in os.fsdecode(listed).split("\0"):
        key, _, value = setting.partition("\n")
        section, _, rest = key.partition(".")
        name, _, field_ = rest.rpartition(".")
        if section == "submodule" and ".." not in name.split("/"):
            fields.setdefault(name, {})[field_] = value
    return {
        each.get("path", ""): (name.strip("/"), each.get("url", ""))
        for name, each in fields.items()
    }
