"""What one package manager uses, and how it is asked."""

import base64
import netrc
import os
import re
import subprocess
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ASK_SECONDS = 20.0
_SERVER = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_-]+")
_PORTS = {"https": 443, "http": 80}
_MAX_FILE = 2**20


@dataclass(frozen=True)
class Registry:
    """The registries that one package manager of this machine is set to use."""

    manager: str
    servers: frozenset[str] = frozenset()
    """As `host:port`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that tell the manager in a sandbox the same. Nothing in
    them is secret."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File below `.aideator`, or below the home when it begins with `~` → its text,
    for what no variable sets."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Origin → value of the `Authorization` header."""
    proxy: str = field(default="", repr=False)
    """URL of the HTTP proxy that the manager is set to use."""
    certificate: str = ""
    """File with the certificates that the manager is set to trust."""
    unknown: str = ""
    """Why nothing is known, if `servers` is empty."""


def ask(*command: str, **env: str) -> tuple[str, str]:
    """Run a package manager's own command; return what it prints and its errors.

    It runs in `/`, so that it reads the configuration of machine and user and none of
    a project. Both texts are empty if there is no such program.
    """
    try:
        done = subprocess.run(
            command,
            cwd="/",
            env={**os.environ, "COREPACK_ENABLE_NETWORK": "0", **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    output = done.stdout.decode(errors="replace") if done.returncode == 0 else ""
    return output.strip(), done.stderr.decode(errors="replace")


def read_config(path: Path | str) -> str:
    """Return the text of a configuration file; empty if it cannot be read."""
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(_MAX_FILE).decode(errors="replace")
    except (OSError, RuntimeError):
        return ""


@dataclass(frozen=True)
class Address:
    """The URL of a registry, its credentials apart."""

    url: str
    """Without user name and password."""
    server: str
    """As `host:port`."""
    authorization: str = field(default="", repr=False)

    @property
    def origin(self) -> str:
        """Scheme and host, with the port unless it is the default."""
        scheme = self.url.partition(":")[0]
        host, _, port = self.server.rpartition(":")
        return (
            f"{scheme}://{host}"
            if int(port) == _PORTS[scheme]
            else (f"{scheme}://{self.server}")
        )

    @property
    def inside(self) -> str:
        """The URL as a sandbox is told it.

        If there are credentials it is plain http: the set-up proxy adds them, and asks
        over TLS.
        """
        if not self.authorization:
            return self.url
        return re.sub(r"^https:", "http:", self.url)


def address(url: str, *, authorization: str = "") -> Address | None:
    """Parse the URL of a registry; None if it is not http or https.

    Args:
        url: May hold a user name and a password.
        authorization: The `Authorization` header, if it is known from elsewhere.
    """
    try:
        parts = urllib.parse.urlsplit(url.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    host = (parts.hostname or "").lower()
    if not _SERVER.fullmatch(host):
        return None
    if "@" in parts.netloc:
        user_info = parts.netloc.rpartition("@")[0]
        authorization = basic(urllib.parse.unquote(user_info))
    netloc = parts.netloc.rpartition("@")[2]
    clean = urllib.parse.urlunsplit(parts._replace(netloc=netloc))
    return Address(clean, f"{host}:{port}", authorization or _from_netrc(host))


def addresses(urls: Iterable[str]) -> list[Address]:
    """Parse URLs; what is not http or https is left out."""
    return [found for url in urls if (found := address(url))]


def servers(found: Iterable[Address]) -> frozenset[str]:
    """Return the servers of addresses.

    One that wants credentials is asked by plain http from inside, which leads to the
    same origin.
    """
    return frozenset(each.server for each in found)


def credentials(found: Iterable[Address]) -> dict[str, str]:
    """Return the credentials of addresses, by origin."""
    return {each.origin: each.authorization for each in found if each.authorization}


def basic(pair: str) -> str:
    """Return `user:password` as HTTP Basic (RFC 7617)."""
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _from_netrc(host: str) -> str:
    """Return the credentials for a host in the user's netrc file, as curl reads it."""
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except (OSError, netrc.NetrcParseError, RuntimeError):
        return ""
    return basic(f"{entry[0]}:{entry[2]}") if entry else ""
