"""How the user's own git reaches servers: proxies, certificates, rewritten URLs, ssh.

Read from the configuration of the user who runs this, and of the system; never from
that of a repository. Where a URL leads after it was rewritten, the rules for hosts
decide as for every other (`remote.py`).
"""

import os
import shlex
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from aideator.domain.errors import RepositoryError
from aideator.repositories.git import git, user_environment

_SSH_OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20")
"""Nobody can answer a question, so none is asked; a host that is not known is refused.
What the user's own command sets comes first, and the first holds: ssh_config(5)."""
_SSH_VARIABLES = ("SSH_AUTH_SOCK", "USER", "LOGNAME", "GIT_SSH_VARIANT")


@dataclass(frozen=True)
class UserGit:
    """The settings of the user's and the system's configuration of git."""

    settings: Sequence[tuple[str, str]] = ()
    """Keys and values, in the order in which git reads them."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def rewrite(self, url: str, *, push: bool = False) -> str:
        """Return the URL that git uses instead of one (git-config(1), url.insteadOf).

        Args:
            url: The repository's URL.
            push: Whether it is pushed to (url.pushInsteadOf).
        """
        names = ("pushinsteadof", "insteadof") if push else ("insteadof",)
        for name in names:
            found = [
                (prefix, key.removeprefix("url.").removesuffix(f".{name}"))
                for key, prefix in self.settings
                if key.startswith("url.")
                and key.endswith(f".{name}")
                and url.startswith(prefix)
            ]
            if found:
                prefix, base = max(found, key=lambda pair: len(pair[0]))
                return base + url.removeprefix(prefix)
        return url

    def http(self, name: str, url: str) -> str | None:
        """Return a setting `http.NAME` for a URL; that of the longest prefix wins.

        See git-config(1), http.<url>.*.

        Args:
            name: In lower case.
            url: The repository's URL.
        """
        found: tuple[int, str] | None = None
        for key, value in self.settings:
            length = _match(key, name, url)
            if length is not None and (found is None or length >= found[0]):
                found = length, value
        return found[1] if found else None

    def proxy(self, url: str) -> str:
        """Return the proxy for a URL; empty for none.

        As libcurl has it: git's own setting, else the variables of the environment, and
        NO_PROXY over both.
        """
        parts = urlsplit(url)
        if _is_listed(parts.netloc.lower(), self._variable("no_proxy")):
            return ""
        if (configured := self.http("proxy", url)) is not None:
            return configured
        return self._variable(f"{parts.scheme}_proxy") or self._variable("all_proxy")

    def _variable(self, name: str) -> str:
        # HTTP_PROXY in capitals may be a request's header: https://httpoxy.org
        capitals = "" if name == "http_proxy" else self.environment.get(name.upper())
        return self.environment.get(name) or capitals or ""

    def certificates(self, url: str) -> tuple[str, str]:
        """Return the file and the directory of trusted authorities; empty for none."""
        get = self.environment.get
        file = get("GIT_SSL_CAINFO") or self.http("sslcainfo", url)
        folder = get("GIT_SSL_CAPATH") or self.http("sslcapath", url)
        if file or folder:
            return _expand(file), _expand(folder)
        return get("SSL_CERT_FILE") or "", get("SSL_CERT_DIR") or ""

    def tls(self, url: str) -> ssl.SSLContext | None:
        """Return how to verify a server; None where the user's git has no own rules.

        Raises:
            RepositoryError: if the named certificates cannot be read.
        """
        file, folder = self.certificates(url)
        if not file and not folder:
            return None
        try:
            return ssl.create_default_context(
                cafile=file or None, capath=folder or None
            )
        except OSError as error:
            raise RepositoryError(
                f"the certificates in {file or folder} cannot be read: {error}",
                hint="correct http.sslCAInfo of your git, or SSL_CERT_FILE",
            ) from None

    def git_config(self, url: str) -> dict[str, str]:
        """Return what git needs besides to reach a URL in the same way."""
        file, folder = self.certificates(url)
        wanted = {
            "http.proxy": self.proxy(url),
            "http.sslCAInfo": file,
            "http.sslCAPath": folder,
        }
        return {key: value for key, value in wanted.items() if value}

    @cached_property
    def ssh_environment(self) -> dict[str, str]:
        """The variables by which git runs the user's ssh, without a question."""
        kept = {
            name: self.environment[name]
            for name in _SSH_VARIABLES
            if name in self.environment
        }
        options = " ".join(f"-o {option}" for option in _SSH_OPTIONS)
        return {
            **kept,
            "HOME": user_environment()["HOME"],
            "GIT_SSH_COMMAND": f"{self._ssh_command()} {options}",
        }

    def _ssh_command(self) -> str:
        """Return the user's command for ssh: git(1), GIT_SSH_COMMAND."""
        if command := self.environment.get("GIT_SSH_COMMAND"):
            return command
        for key, value in reversed(self.settings):
            if key == "core.sshcommand":
                return value
        return shlex.quote(self.environment.get("GIT_SSH") or "ssh")


def _expand(path: str | None) -> str:
    return str(Path(path).expanduser()) if path else ""


def _is_listed(netloc: str, no_proxy: str) -> bool:
    """Return whether NO_PROXY has a host, with or without port, or a domain of it."""
    host = netloc.rpartition(":")[0] or netloc
    for entry in no_proxy.lower().replace(",", " ").split():
        name = entry.removeprefix("*").lstrip(".")
        if name in {"", host, netloc} or host.endswith(f".{name}"):
            return True
    return False


def _match(key: str, name: str, url: str) -> int | None:
    """Return how long the URL in a key is that fits; None if the key does not fit."""
    if key == f"http.{name}":
        return 0
    if not (key.startswith("http.") and key.endswith(f".{name}")):
        return None
    prefix = key.removeprefix("http.").removesuffix(f".{name}").rstrip("/")
    fits = url == prefix or url.startswith(f"{prefix}/")
    return len(prefix) if fits else None


async def read_user_git() -> UserGit:
    """Read the configuration of the user who runs this, and of the system.

    Raises:
        GitError: if it cannot be parsed.
    """
    listed = await git("config", "--list", "--show-scope", "-z", env=user_environment())
    fields = os.fsdecode(listed).split("\0")[:-1]
    settings = []
    for scope, setting in zip(fields[::2], fields[1::2], strict=True):
        key, _, value = setting.partition("\n")
        if scope in {"system", "global"}:
            settings.append((key, value))
    return UserGit(settings)
