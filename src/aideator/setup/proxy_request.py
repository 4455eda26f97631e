"""Requests to the set-up proxy, parsed once into a type."""

import re
from dataclasses import dataclass

_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<target>[\x21-\x7e]+) HTTP/1\.[01]")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_AUTHORITY = re.compile(
    rf"(?P<host>(?:{_LABEL}\.)*{_LABEL})(?::(?P<port>[0-9]{{1,5}}))?"
)
_MAX_NAME = 253
_URL = re.compile(r"http://(?P<authority>[^/?#@\\]+)(?P<path>[/?][^#]*)?")
_HEADER = re.compile(
    rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>[\x20-\x7e\t]*)"
)
_NOT_FORWARDED = frozenset(
    b"host connection keep-alive proxy-authenticate proxy-authorization"
    b" proxy-connection te trailer upgrade content-length".split()
)


class RequestRefused(Exception):
    """A request that is not forwarded; the client receives status and message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ProxyRequest:
    """A client's request, as parsed."""

    host: str
    port: int
    forwarded: bytes | None = None
    """The head of the request to forward; None for a tunnel."""
    tls: bool = False
    """Whether it is forwarded over TLS, although it was received as plain http."""


def parse(head: bytes) -> ProxyRequest:
    """Parse the head of a request.

    Args:
        head: The request up to the empty line, without it.

    Raises:
        RequestRefused: if it is anything but a plain `CONNECT host:port`, or a `GET` or
            `HEAD` of an http URL.
    """
    first, *lines = head.split(b"\r\n")
    line = _REQUEST.fullmatch(first)
    if line is None:
        raise RequestRefused(
            "400 Bad Request", "this is not a valid request to a proxy"
        )
    target = line["target"].decode("ascii")
    if line["method"] == b"CONNECT":
        return ProxyRequest(*_authority(target, None))
    if line["method"] not in {b"GET", b"HEAD"}:
        raise RequestRefused(
            "405 Method Not Allowed", "only GET and HEAD are allowed over plain http"
        )
    url = _URL.fullmatch(target)
    if url is None:
        raise RequestRefused(
            "400 Bad Request", "give an absolute http URL without a user name"
        )
    host, port = _authority(url["authority"], 80)
    path = url["path"] or "/"
    start = b"%s %s%s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n" % (
        line["method"],
        b"" if path.startswith("/") else b"/",
        path.encode(),
        host.encode() if port == 80 else f"{host}:{port}".encode(),
    )
    return ProxyRequest(
        host, port, start + b"".join(_forwarded_headers(lines)) + b"\r\n"
    )


def _authority(text: str, default: int | None) -> tuple[str, int]:
    """Parse `host` or `host:port`; the port is required if there is no default."""
    found = _AUTHORITY.fullmatch(text.lower())
    port = int(found["port"] or default or 0) if found else 0
    if found is None or len(found["host"]) > _MAX_NAME or not 0 < port < 65_536:
        raise RequestRefused("400 Bad Request", "give a plain host name and a port")
    return found["host"], port


def _forwarded_headers(lines: list[bytes]) -> list[bytes]:
    """Return the headers to forward; hop-by-hop headers are dropped."""
    kept = []
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise RequestRefused("400 Bad Request", "a header is not valid")
        name = header["name"].lower()
        if name == b"transfer-encoding" or (
            name == b"content-length" and header["value"].strip() != b"0"
        ):
            raise RequestRefused(
                "400 Bad Request", "requests with a body are not allowed"
            )
        if name not in _NOT_FORWARDED:
            kept.append(b"%s: %s\r\n" % (name, header["value"]))
    return kept
