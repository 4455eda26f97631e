"""This machine's own HTTP proxy, as the environment or a package manager names it."""

import asyncio
import base64
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

_MAX_HEAD = 16 * 2**10
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class UpstreamRefused(OSError):
    """The proxy opens no tunnel to the server."""


@dataclass(frozen=True)
class UpstreamProxy:
    """An HTTP proxy that connects by `CONNECT` (RFC 9110, 9.3.6)."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)
    no_proxy: str = ""
    """Hosts that are connected to directly, as in `NO_PROXY`."""

    def serves(self, host: str, port: int) -> bool:
        """Return whether connections to a server go through the proxy.

        A host that is named by an address is connected to directly, so that the address
        is judged here.
        """
        try:
            ipaddress.ip_address(host)
        except ValueError:
            pass
        else:
            return False
        return not _is_excluded(host, port, self.no_proxy)

    async def connect(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a tunnel to a server.

        Raises:
            UpstreamRefused: if the proxy opens none, with its status.
            OSError: if the proxy does not answer.
        """
        reader, writer = await asyncio.open_connection(
            self.host, self.port, limit=_MAX_HEAD
        )
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if self.authorization:
            lines.append(f"Proxy-Authorization: {self.authorization}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = b""
        status = _STATUS.match(head)
        if status is None or status[1] != b"200":
            writer.close()
            answer = status[1].decode() if status else "nothing"
            raise UpstreamRefused(
                f"cannot be reached: this machine's proxy answers {answer}"
            )
        return reader, writer


def upstream_proxy(environ: Mapping[str, str], *further: str) -> UpstreamProxy | None:
    """Return this machine's proxy, if it has one.

    Args:
        environ: The environment, as curl reads it: `https_proxy`, `all_proxy`,
            `no_proxy`, each also in capital letters.
        further: URLs that package managers name, the first of which counts if the
            environment names none.
    """
    variables = {name.lower(): value for name, value in environ.items() if value}
    urls = [variables.get("https_proxy", ""), variables.get("all_proxy", ""), *further]
    for url in filter(None, urls):
        if found := _parse(url, variables.get("no_proxy", "")):
            return found
    return None


def _parse(url: str, no_proxy: str) -> UpstreamProxy | None:
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        return None
    user_info = urllib.parse.unquote(parts.netloc.rpartition("@")[0])
    login = base64.b64encode(user_info.encode()).decode()
    authorization = f"Basic {login}" if user_info else ""
    return UpstreamProxy(parts.hostname, parts.port or 80, authorization, no_proxy)


def _is_excluded(host: str, port: int, no_proxy: str) -> bool:
    """Return whether a list such as `NO_PROXY` names the host, or a domain above it."""
    for entry in filter(None, map(str.strip, no_proxy.lower().split(","))):
        name = entry.removesuffix(f":{port}").lstrip("*").lstrip(".")
        if not name or host == name or host.endswith(f".{name}"):
            return True
    return False
