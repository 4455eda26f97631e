"""Where a repository comes from: what a submission may name.

Only the spelling is judged here; `remote.py` judges the address behind a name, at each
use.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from aideator.domain.errors import FieldError, InvalidInput

_SCP_LIKE = re.compile(r"^(?:[\w.-]+@)?([\w.-]+\.[\w-]+):(?!//)([\w./~-]+)$")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\\"'`<>^{|}]")


@dataclass(frozen=True)
class SourcePolicy:
    """Which repositories may be named."""

    allowed_hosts: frozenset[str]
    """Host names that submissions may clone from; `*` allows every public one."""
    private_hosts: frozenset[str] = frozenset()
    """`host` or `host:port` entries that may have private addresses and plain http:
    internal git servers."""
    allow_local: bool = False
    """Whether a path on this machine is a source. For the command line and servers
    bound to loopback only."""

    def is_private(self, host: str, port: int) -> bool:
        """Whether the operator has vouched for this server, whatever its address."""
        return host in self.private_hosts or f"{host}:{port}" in self.private_hosts

    def allows(self, host: str, port: int) -> bool:
        """Whether submissions may clone from this server at all."""
        return (
            host in self.allowed_hosts
            or "*" in self.allowed_hosts
            or self.is_private(host, port)
        )


@dataclass(frozen=True)
class Source:
    """A repository that the policy allows."""

    url: str
    """An https URL (http only for private hosts), or an absolute path."""
    local: bool = False

    @property
    def key(self) -> str:
        """A name for files and folders: readable, then unique.

        Spellings of one repository share it.
        """
        plain = self.url.removesuffix(".git")
        slug = (
            re.sub(r"[^a-z0-9]+", "-", plain.rpartition("://")[2].lower())
            .strip("-")[-40:]
            .strip("-")
        )
        return f"{slug}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"


def parse_source(text: str, policy: SourcePolicy) -> Source:
    """Read what a submission calls its repository.

    Raises:
        InvalidInput: naming `repo_url`, if it is no repository that `policy` allows.
    """
    if text.startswith("-"):
        raise _refused("a repository cannot begin with '-'")
    if text.startswith(("/", "./", "../", "~")) or text in {".", ".."}:
        return _local(text, policy)
    if found := _SCP_LIKE.match(text):
        raise _refused(
            f"ssh is not supported; use https://{found[1]}/{found[2].lstrip('/')}"
        )
    if _UNSAFE.search(text):
        raise _refused("the URL holds a character that no URL may hold")
    try:
        parts = urlsplit(text)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        raise _refused("this is not a URL") from None
    return _remote(parts, port, policy)


def _local(text: str, policy: SourcePolicy) -> Source:
    if not policy.allow_local:
        raise _refused(
            "paths are for the command line and for servers on loopback; give an https URL"
        )
    if not text.startswith("/"):
        raise _refused(
            f"the path must be absolute: {Path(text).expanduser().absolute()}?"
        )
    if "\0" in text:
        raise _refused("the path holds a NUL")
    path = Path(text).resolve()
    if not path.is_dir():
        raise _refused(f"there is no directory {path}")
    return Source(str(path), local=True)


def _remote(parts: SplitResult, port: int, policy: SourcePolicy) -> Source:
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in {"https", "http"} or not parts.netloc:
        raise _refused(
            f"{_scheme(parts)}; give an https URL such as https://github.com/user/repo"
        )
    if "@" in parts.netloc:
        raise _refused(
            "credentials do not belong in a URL; the operator sets a token for the host instead"
        )
    if not host or not re.fullmatch(r"[a-z0-9._:-]+", host):
        raise _refused("the URL names no host")
    if not policy.allows(host, port):
        raise _refused(
            f"{host} is not on the list of allowed hosts (ALLOWED_GIT_HOSTS)"
        )
    if parts.scheme == "http" and not policy.is_private(host, port):
        raise _refused("plain http is not safe; use https")
    if parts.query or parts.fragment:
        raise _refused("a repository's URL has no ? and no #; a branch goes into `ref`")
    path = parts.path.rstrip("/")
    if not path or ".." in path.split("/"):
        raise _refused("the URL names a host, but no repository")
    netloc = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}[parts.scheme]
    return Source(
        f"{parts.scheme}://{netloc}{'' if port == default else f':{port}'}{path}"
    )


def _scheme(parts: SplitResult) -> str:
    match parts.scheme:
        case "":
            return "this is neither a URL nor an absolute path"
        case "ssh" | "git+ssh":
            return "ssh is not supported"
        case scheme:
            return f"{scheme}: is not a way to a repository here"


def _refused(message: str) -> InvalidInput:
    return InvalidInput(fields=[FieldError("repo_url", message)])
