"""Replace Git LFS pointers in a checkout by their content.

The content is taken from the user's own clone, or asked for over the batch API
(https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md) of the host that the
repository came from. Where that host sends us to fetch an object, the address has to be
public, as for every other. `.lfsconfig` and locks are not looked at.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aideator.domain.errors import AideatorError, RepositoryError
from aideator.repositories.git import git
from aideator.repositories.http_client import call_api, download
from aideator.repositories.remote import authorization
from aideator.repositories.source import Source, SourcePolicy
from aideator.repositories.submodules import Extras
from aideator.repositories.untrusted_tree import read_head

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n"
)
"""https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""
_POINTER_BYTES = 1024
_BATCH = 100
_MEDIA_TYPE = "application/vnd.git-lfs+json"


@dataclass(frozen=True)
class _Pointer:
    """A file that stands for content elsewhere."""

    path: str
    oid: str
    size: int


@dataclass(frozen=True)
class LfsFiller:
    """Brings the content of a checkout's pointers.

    Attributes:
        source: The repository.
        tree: The checkout's files.
        policy: The rules for hosts.
        tokens: Host name → token.
        uid: The owner of the files; None for this process's user.
    """

    source: Source
    tree: Path
    policy: SourcePolicy
    tokens: Mapping[str, str]
    uid: int | None

    async def fill(self, extras: Extras) -> None:
        """Replace every pointer whose content can be had, and note the others.

        Args:
            extras: Gets the paths and the notes.
        """
        listed = await git("ls-files", "-z", "--", ":(attr:filter=lfs)", cwd=self.tree)
        names = map(os.fsdecode, listed.split(b"\0")[:-1])
        pointers = list(_pointers(self.tree, names))
        written: list[str] = []
        missing: dict[str, str] = {}
        remote: list[_Pointer] = []
        for pointer in pointers:
            if pointer.size > extras.left:
                missing[pointer.path] = "they are too large (MAX_REPO_SIZE_MB)"
                continue
            extras.left -= pointer.size
            if self._take_from_clone(pointer):
                written.append(pointer.path)
            else:
                remote.append(pointer)
        for start in range(0, len(remote), _BATCH):
            await self._ask(remote[start : start + _BATCH], written, missing)
        extras.paths += written
        extras.notes += _notes(missing)
        await self._hide(written)

    async def _hide(self, written: Sequence[str]) -> None:
        """Keep git from taking content for a change of its pointer."""
        if written:
            await git(
                *("update-index", "-z", "--skip-worktree", "--stdin"),
                cwd=self.tree,
                stdin=b"".join(os.fsencode(path) + b"\0" for path in written),
            )

    def _take_from_clone(self, pointer: _Pointer) -> bool:
        if not self.source.local:
            return False
        oid = pointer.oid
        store = Path("lfs", "objects", oid[:2], oid[2:4], oid)
        root = Path(self.source.url)
        for file in (root / ".git" / store, root / store):
            data = _read(file, pointer.size)
            if data is not None and hashlib.sha256(data).hexdigest() == oid:
                self._put(pointer, data)
                return True
        return False

    def _put(self, pointer: _Pointer, data: bytes) -> None:
        # In place: mode and owner stay.
        (self.tree / pointer.path).write_bytes(data)

    async def _ask(
        self, some: Sequence[_Pointer], written: list[str], missing: dict[str, str]
    ) -> None:
        """Fetch some objects from the host."""
        try:
            actions = await self._batch(some)
        except AideatorError as error:
            missing |= dict.fromkeys((each.path for each in some), str(error))
            return
        for pointer in some:
            try:
                data = await self._download(pointer, actions.get(pointer.oid))
            except AideatorError as error:
                missing[pointer.path] = str(error)
            else:
                self._put(pointer, data)
                written.append(pointer.path)

    async def _batch(self, some: Sequence[_Pointer]) -> dict[str, Any]:
        """Return object → what the host says about its download."""
        if self.source.local:
            raise RepositoryError("your clone does not have them (`git lfs pull`)")
        https = self.source.over_https
        url = https.url.removesuffix(".git") + ".git/info/lfs/objects/batch"
        body = {
            "operation": "download",
            "transfers": ["basic"],
            "objects": [{"oid": each.oid, "size": each.size} for each in some],
        }
        headers = {"accept": _MEDIA_TYPE, "content-type": _MEDIA_TYPE}
        response, answer = await call_api(
            "POST",
            url,
            self.policy,
            headers=headers | authorization(https, self.tokens),
            content=json.dumps(body).encode(),
        )
        if response.status_code != 200:
            raise RepositoryError(
                f"the host answers for Git LFS with status {response.status_code}"
            )
        return {
            each["oid"]: each
            for each in _list(answer)
            if isinstance(each, dict) and isinstance(each.get("oid"), str)
        }

    async def _download(self, pointer: _Pointer, told: Any) -> bytes:
        """Return an object's content.

        Raises:
            RepositoryError: if the host does not have it, or sends something else.
        """
        match told:
            case {"actions": {"download": {"href": str(href), **more}}}:
                headers = more.get("header", {})
            case _:
                raise RepositoryError("the host does not have them")
        sent = {
            str(name): str(value)
            for name, value in (headers if isinstance(headers, dict) else {}).items()
        }
        data = await download(href, self.policy, headers=sent, max_bytes=pointer.size)
        if hashlib.sha256(data).hexdigest() != pointer.oid:
            raise RepositoryError("the host sends other content than the commit names")
        return data


def _list(answer: bytes) -> list[Any]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return []
    objects = found.get("objects") if isinstance(found, dict) else None
    return objects if isinstance(objects, list) else []


def _read(file: Path, size: int) -> bytes | None:
    try:
        return read_head(file, size + 1)
    except OSError:
        return None


def _pointers(tree: Path, names: Iterator[str]) -> Iterator[_Pointer]:
    for name in names:
        head = _read(tree / name, _POINTER_BYTES)
        found = _POINTER.fullmatch(head) if head else None
        if found:
            yield _Pointer(name, found[1].decode(), int(found[2]))


def _notes(missing: Mapping[str, str]) -> list[str]:
    """Return a note for each reason, with the files that it holds for."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in missing.items():
        by_reason.setdefault(reason, []).append(path)
    return [
        f"Git LFS pointers without their content, {len(paths)}"
        f" ({', '.join(paths[:5])}{', …' if len(paths) > 5 else ''}): {reason}"
        for reason, paths in by_reason.items()
    ]
