"""The way to the model for a container without an AIdeator server: holds the key, so that the agent need not have it.

A process of its own, run by root: the agent reaches a port of the loopback device, and
cannot look into who answers. Only the Messages API is passed on, its bytes untouched.
"""

import http.client
import os
import socket
import ssl
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "direct"
"""What the agent shows instead of a key; nobody looks at it."""
SECONDS = 600
_BODY_MOST = 64 * 2**20
_NOT_PASSED_BACK = {
    "connection",
    "transfer-encoding",
    "content-length",
    "date",
    "server",
}
_KEPT_BACK = {
    "host",
    "authorization",
    "x-api-key",
    "connection",
    "content-length",
    "accept-encoding",
    "transfer-encoding",
}


def listen() -> socket.socket:
    """A port of the loopback device."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


def serve_apart(server: socket.socket, base_url: str, key: str) -> int:
    """Serve in a process of its own until it is killed; its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        with Front(server, base_url, key) as front:
            front.serve_forever()
    finally:
        os._exit(0)


class Front(ThreadingHTTPServer):
    """Serves on a socket that listens already."""

    def __init__(self, server: socket.socket, base_url: str, key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = server
        self.base, self.key = urlsplit(base_url), key


class _Handler(BaseHTTPRequestHandler):
    """Passes one call on.

    HTTP/1.0: an answer ends with its connection, however it came.
    """

    server: Front

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
            if name.lower() not in _KEPT_BACK
        }
        upstream = _connect(base.scheme, base.netloc)
        try:
            upstream.request(
                "POST",
                base.path.rstrip("/") + self.path,
                body,
                {**headers, "x-api-key": self.server.key},
            )
            self._pass_back(upstream.getresponse())
        except OSError as error:
            with suppress(OSError):
                self.send_error(502, f"the model cannot be reached: {error}")
        finally:
            upstream.close()

    def _pass_back(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_BACK:
                self.send_header(name, value)
        self.end_headers()
        while chunk := answer.read1(65_536):
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the agent's messages tell it better."""


def _connect(scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=SECONDS)
    return http.client.HTTPSConnection(
        netloc, timeout=SECONDS, context=ssl.create_default_context()
    )
