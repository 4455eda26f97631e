"""Forward the agent's model calls in a container without an AIdeator server.

A separate process of root holds the key: the agent reaches a port of the loopback
device, and cannot read the memory of that process. Only the Messages API is forwarded,
its bytes untouched.
"""

import http.client
import os
import socket
import ssl
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "direct"
"""Token that the agent sends instead of a key; it is not checked."""
SECONDS = 600
_BODY_MOST = 64 * 2**20
_DROPPED_FROM_RESPONSE = {
    "connection",
    "transfer-encoding",
    "content-length",
    "date",
    "server",
}
_DROPPED_FROM_REQUEST = {
    "host",
    "authorization",
    "x-api-key",
    "connection",
    "content-length",
    "accept-encoding",
    "transfer-encoding",
}


def listen() -> socket.socket:
    """Listen on a free port of the loopback device."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def serve_apart(server: socket.socket, base_url: str, key: str) -> int:
    """Serve in a new process until it is killed; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with ProviderProxy(server, base_url, key) as proxy:
            proxy.serve_forever()
    finally:
        os._exit(0)


class ProviderProxy(ThreadingHTTPServer):
    """HTTP server on a socket that listens already."""

    def __init__(self, server: socket.socket, base_url: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = server
        self.base, self.key = urlsplit(base_url), key


class _Handler(BaseHTTPRequestHandler):
    """Forwards one call.

    It speaks HTTP/1.0: a response ends with its connection, however it was framed.
    """

    server: ProviderProxy

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if (
            not urlsplit(self.path).path.startswith("/v1/messages")
            or not 0 < length <= _BODY_MOST
        ):
            self.send_error(404, "only the Messages API is passed on")
            return
        body, base = self.rfile.read(length), self.server.base
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _DROPPED_FROM_REQUEST
        }
        upstream = _connect(base.scheme, base.netloc)
        try:
            upstream.request(
                "POST",
                base.path.rstrip("/") + self.path,
                body,
                {**headers, "x-api-key": self.server.key},
            )
            self._send_back(upstream.getresponse())
        except OSError as error:
            with suppress(OSError):
                self.send_error(502, f"the model cannot be reached: {error}")
        finally:
            upstream.close()

    def _send_back(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _DROPPED_FROM_RESPONSE:
                self.send_header(name, value)
        self.end_headers()
        while chunk := answer.read1(65_536):
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the agent's messages say more."""


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=SECONDS)
    return http.client.HTTPSConnection(
        netloc, timeout=SECONDS, context=ssl.create_default_context()
    )
