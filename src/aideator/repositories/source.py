"""Sources of repositories: which URLs and paths a submission may name.

This module validates the text only; `remote.py` validates the address that a name
resolves to, at each use.
"""

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aideator.domain.errors import FieldError, InvalidInput
from aideator.repositories.git import GitError, git

DEFAULT_PORTS = {"https": 443, "http": 80}
"""Scheme → port. Other schemes are not supported."""
_SSH = re.compile(
    r"ssh://(?:(?P<user>\w[\w.-]*)@)?(?P<host>\w[\w.-]*)(?::(?P<port>[0-9]{1,5}))?"
    r"/(?P<path>[\w./~+-]+)"
    r"|(?:(?P<scp_user>\w[\w.-]*)@)?(?P<scp_host>\w[\w.-]*\.[\w-]+|localhost)"
    r":(?!//)(?P<scp_path>[\w./~+-]+)",
    re.ASCII,
)
"""The two ways to name a repository over ssh: git-clone(1), GIT URLS."""
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\\"'`<>^{|}]")


@dataclass(frozen=True)
class SourcePolicy:
    """Rules for the repositories that submissions may name."""

    allowed_hosts: frozenset[str]
    """Host names that submissions may clone from; `*` allows every public host."""
    private_hosts: frozenset[str] = frozenset()
    """Internal git servers, as `host` or `host:port`: they may have private addresses
    and use plain http."""
    allow_local: bool = False
    """Whether a path on this machine is allowed. For the command line and servers bound
    to loopback only."""
    allow_ssh: bool = False
    """Whether ssh may show the identity of the user who runs this. For that user
    only."""

    def is_private(self, host: str, port: int) -> bool:
        """Return whether the operator allows this server whatever its address is."""
        return host in self.private_hosts or f"{host}:{port}" in self.private_hosts

    def lists(self, host: str, port: int) -> bool:
        """Return whether this very server is named, not only `*`."""
        return host in self.allowed_hosts or self.is_private(host, port)

    def allows(self, host: str, port: int) -> bool:
        """Return whether submissions may clone from this server."""
        return "*" in self.allowed_hosts or self.lists(host, port)


@dataclass(frozen=True)
class Source:
    """A repository that the policy allows."""

    url: str
    """An https URL (http only for private hosts), an absolute path, or what git takes
    for ssh."""
    local: bool = False

    @property
    def is_ssh(self) -> bool:
        """Return whether it is reached over ssh."""
        return not self.local and _SSH.fullmatch(self.url) is not None

    @property
    def over_https(self) -> "Source":
        """The same repository's https URL, as forges have it."""
        found = _SSH.fullmatch(self.url)
        if self.local or found is None:
            return self
        host, path = _ssh_host(found), found["path"] or found["scp_path"]
        return Source(f"https://{host}/{path.strip('/')}")

    @property
    def key(self) -> str:
        """Name for files and folders: a readable part, then a unique one.

        URLs with and without `.git` have the same key.
        """
        url = self.url.removesuffix(".git")
        readable = re.sub(r"[^a-z0-9]+", "-", url.rpartition("://")[2].lower())
        readable = readable.strip("-")[-40:].strip("-")
        return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def parse_source(text: str, policy: SourcePolicy) -> Source:
    """Parse the repository of a submission.

    Args:
        text: A URL, or a path if the policy allows local ones.
        policy: The rules.

    Raises:
        InvalidInput: naming `repo_url`, if the policy does not allow it.
    """
    if text.startswith("-"):
        raise _refused("a repository cannot begin with '-'")
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        return _from_path(text, policy)
    if found := _SSH.fullmatch(text):
        return _from_ssh(found, policy)
    if _UNSAFE.search(text):
        raise _refused("the URL contains a character that is not allowed in URLs")
    try:
        parts = urlsplit(text)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise _refused("this is not a URL") from None
    return _from_url(parts, port, policy)


def _ssh_host(found: re.Match[str]) -> str:
    host: str = found["host"] or found["scp_host"]
    return host.lower().rstrip(".")


def _from_ssh(found: re.Match[str], policy: SourcePolicy) -> Source:
    host, path = _ssh_host(found), found["path"] or found["scp_path"]
    if not policy.allow_ssh:
        raise _refused(
            "ssh shows the identity of the user who runs the server, so only that user"
            f" may name it; use https://{host}/{path.lstrip('/')}"
        )
    if not policy.allows(host, int(found["port"] or 22)):
        raise _refused(
            f"{host} is not on the list of allowed hosts (ALLOWED_GIT_HOSTS)"
        )
    if ".." in path.split("/"):
        raise _refused("the URL names a host, but no repository")
    return Source(found[0].rstrip("/"))


def find_root(path: Path) -> tuple[Path, str]:
    """Return the repository that a folder of this machine belongs to.

    The rule is git's own: the nearest folder upwards with a `.git`, or that is a bare
    repository, on the same file system. See git(1), GIT_DISCOVERY_ACROSS_FILESYSTEM.

    Returns:
        The root, and the folder relative to it, empty for the root itself; the path
        unchanged if it belongs to no repository.
    """
    path = path.resolve()
    with suppress(OSError):
        device = path.stat().st_dev
        for folder in (path, *path.parents):
            if folder.stat().st_dev != device:
                break
            if _is_git_dir(folder):  # bare, or inside of `.git`: there are no files
                return folder, ""
            if _has_git_dir(folder):
                below = path.relative_to(folder).as_posix()
                return folder, "" if below == "." else below
    return path, ""


def has_same_owner(one: Path, other: Path) -> bool:
    """Return whether two folders belong to the same user."""
    return one.stat().st_uid == other.stat().st_uid


async def origin_url(repository: Path) -> str:
    """Return where a local repository was cloned from; empty if it does not say."""
    try:
        found = await git("config", "--get", "remote.origin.url", cwd=repository)
    except GitError:
        return ""
    return os.fsdecode(found).strip()


def locate(repository: str, path: str) -> tuple[str, str]:
    """Return the root of a repository of this machine, and the folder that is meant.

    Args:
        repository: An absolute path: of the root, or of a folder inside.
        path: A folder below that, relative.
    """
    root, folder = find_root(Path(repository))
    return str(root), "/".join(filter(None, (folder, path)))


def _has_git_dir(folder: Path) -> bool:
    """Return whether a folder has a `.git`: a folder, or a worktree's file."""
    git_dir = folder / ".git"
    return git_dir.is_file() or _is_git_dir(git_dir)


def _is_git_dir(folder: Path) -> bool:
    """Return whether a folder looks like what gitrepository-layout(5) describes."""
    head = folder / "HEAD"
    return (head.is_file() or head.is_symlink()) and all(
        (folder / name).is_dir() for name in ("objects", "refs")
    )


def _from_path(text: str, policy: SourcePolicy) -> Source:
    if not policy.allow_local:
        raise _refused(
            "paths are for the command line and for servers on loopback;"
            " give an https URL"
        )
    if not text.startswith("/"):
        raise _refused(
            f"the path must be absolute: {Path(text).expanduser().absolute()}?"
        )
    if "\0" in text:
        raise _refused("the path contains a NUL character")
    path = Path(text).resolve()
    if not path.is_dir():
        raise _refused(f"there is no directory {path}")
    return Source(str(path), local=True)


def _from_url(parts: SplitResult, port: int, policy: SourcePolicy) -> Source:
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc:
        raise _refused(
            f"{_scheme(parts)}; give an https URL such as https://github.com/user/repo"
        )
    host = _allowed_host(parts, port, policy)
    if parts.query or parts.fragment:
        raise _refused("a repository's URL has no ? and no #; a branch goes into `ref`")
    path = parts.path.rstrip("/")
    if not path or ".." in path.split("/"):
        raise _refused("the URL names a host, but no repository")
    netloc = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[parts.scheme]:
        netloc += f":{port}"
    return Source(f"{parts.scheme}://{netloc}{path}")


def _allowed_host(parts: SplitResult, port: int, policy: SourcePolicy) -> str:
    """Return the URL's host if the policy allows it with this scheme and port."""
    if "@" in parts.netloc:
        raise _refused(
            "credentials do not belong in a URL;"
            " the operator sets a token for the host instead"
        )
    host = (parts.hostname or "").rstrip(".")
    if not re.fullmatch(r"[a-z0-9._:-]+", host):
        raise _refused("the URL names no host")
    if not policy.allows(host, port):
        raise _refused(
            f"{host} is not on the list of allowed hosts (ALLOWED_GIT_HOSTS)"
        )
    if parts.scheme == "http" and not policy.is_private(host, port):
        raise _refused("plain http is not safe; use https")
    return host


def _scheme(parts: SplitResult) -> str:
    """Say why the scheme is not accepted."""
    match parts.scheme:
        case "":
            return "this is neither a URL nor an absolute path"
        case "ssh" | "git+ssh":
            return "this is not an ssh URL such as ssh://git@host/user/repo"
        case scheme:
            return f"{scheme}: is not supported"


def _refused(message: str) -> InvalidInput:
    return InvalidInput(fields=[FieldError("repo_url", message)])
