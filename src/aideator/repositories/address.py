"""Addresses as copied from a browser: which repository, ref, folder or issue they mean.

Where a branch's name ends and a path begins, an address does not say: the remote's refs
do. The shapes are those of GitHub, GitLab (`/-/`), Gitea and Forgejo, and Bitbucket.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from aideator.repositories.mirror import FULL_HASH

Kind = Literal["folder", "file", "ref", "pull", "issue"]
ForgeName = Literal["github", "gitlab", "gitea", "bitbucket"]
KNOWN_FORGES: Mapping[str, ForgeName] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "bitbucket.org": "bitbucket",
}
_KINDS: Mapping[str, Kind] = {
    "tree": "folder",
    "src": "folder",
    "blob": "file",
    "raw": "file",
    "blame": "file",
    "edit": "file",
    "commit": "ref",
    "commits": "ref",
    "branch": "ref",
    "pull": "pull",
    "pulls": "pull",
    "pull-requests": "pull",
    "merge_requests": "pull",
    "issues": "issue",
    "work_items": "issue",
}
"""Part of an address behind the repository → what the rest of it names."""
_NUMBERED = frozenset({"pull", "issue"})
_GITEA_REFS = frozenset({"branch", "tag", "commit"})
"""Gitea says in `/src/KIND/…` what follows."""


@dataclass(frozen=True)
class Address:
    """What an address says by itself."""

    repo_url: str
    kind: Kind
    rest: tuple[str, ...]
    """Ref and path, in parts; or a number."""

    @property
    def number(self) -> int:
        """The number of a pull request or an issue."""
        return int(self.rest[0])

    def split(self, names: Mapping[str, str]) -> tuple[str, str]:
        """Return the ref, and the folder that is meant.

        Args:
            names: The remote's refs, by full name. The longest branch or tag that the
                address begins with is the ref; else its first part, such as a hash.
        """
        length = next(
            (n for n in range(len(self.rest), 0, -1) if self._is_ref(n, names)), 1
        )
        ref, path = self.rest[:length], self.rest[length:]
        return "/".join(ref), "/".join(path) if self.kind == "folder" else ""

    def _is_ref(self, length: int, names: Mapping[str, str]) -> bool:
        name = "/".join(self.rest[:length])
        return f"refs/heads/{name}" in names or f"refs/tags/{name}" in names

    @property
    def is_plain(self) -> bool:
        """Return whether its ref is known without asking the remote."""
        return len(self.rest) == 1 or FULL_HASH.fullmatch(self.rest[0]) is not None


def read_address(text: str) -> Address | None:
    """Return what an address from a browser means; None for any other text.

    What stands behind `?` or `#`, such as a line's number, is ignored.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    if parts.scheme not in {"https", "http"}:
        return None
    place, found = _cut(_parts(parts.path))
    if not found:
        return None
    kind = _KINDS[found[0]]
    rest = found[1:]
    if found[0] == "src" and len(rest) > 1 and rest[0] in _GITEA_REFS:
        rest = rest[1:]
    if not _fits(kind, rest[0]):
        return None
    root = f"{parts.scheme}://{parts.netloc}"
    return Address("/".join([root, *place]), kind, tuple(rest))


def _fits(kind: Kind, first: str) -> bool:
    return kind not in _NUMBERED or re.fullmatch(r"[0-9]{1,9}", first) is not None


def _parts(path: str) -> list[str]:
    """Return the parts of a path; none if one would lead out of a repository."""
    parts = [unquote(part) for part in path.split("/") if part]
    names = unquote(path).lower().split("/")
    leads_out = "\0" in unquote(path) or not {"..", ".", ".git"}.isdisjoint(names)
    return [] if leads_out else parts


def _cut(path: list[str]) -> tuple[list[str], list[str]]:
    """Cut a path behind the repository; the second half is empty for no address."""
    cut = path.index("-") if "-" in path[2:] else 2  # GitLab's groups may be nested
    place = path[:cut]
    found = path[cut + 1 :] if path[cut : cut + 1] == ["-"] else path[cut:]
    if len(found) < 2 or found[0] not in _KINDS:
        return place, []
    return place, found


def pull_request_ref(forge: ForgeName | None, number: int) -> str:
    """Return the ref of a pull request's head.

    Forges keep one for each, also where it comes from a fork:
    https://docs.github.com/en/pull-requests (Checking out pull requests locally),
    https://docs.gitlab.com/user/project/merge_requests/reviews/ (Check out locally).
    """
    match forge:
        case "gitlab":
            return f"merge-requests/{number}/head"
        case "bitbucket":
            return f"pull-requests/{number}/from"
        case _:
            return f"pull/{number}/head"
