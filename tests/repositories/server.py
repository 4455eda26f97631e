"""A smart-HTTP git server with faults on demand.

It is `git http-backend` behind the standard library's HTTP server.
"""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

Api = Callable[[str, str, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]
"""Method, path, headers and body of a request → status, headers and body of the
answer."""


@dataclass
class GitServer:
    """What the server does, and what it saw."""

    root: Path
    port: int = 0
    token: str = ""
    """Asked for (as the password) when set."""
    redirects: dict[str, str] = field(default_factory=dict)
    """Path prefix → where to."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Packs wait until it is set, and it is at first."""
    drip: float = 0.0
    """Seconds between one 64 KiB of an answer and the next."""
    sent: int = 0
    """Bytes of answers that went out."""
    read_only: bool = False
    """Whether a push is answered with 403."""
    api: "Api | None" = None
    """Answers what is asked below /api/, as a forge would."""
    lfs: dict[str, bytes] = field(default_factory=dict)
    """Objects of Git LFS, by their SHA-256."""
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"

    @property
    def fetches(self) -> int:
        return sum("POST" in request for request in self.requests)


class _Server(ThreadingHTTPServer):
    state: GitServer

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a killed git hangs up; that is what the tests are about


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.state.requests.append(f"GET {self.path}")
        if self.path.startswith("/lfs/"):
            content = self.server.state.lfs[self.path.removeprefix("/lfs/")]
            self._send(200, {}, content)
            return
        self._answer(b"")

    def do_POST(self) -> None:
        body = self._body()
        # Protocol v2 also asks for refs by POST; only the pack itself counts and is
        # slow.
        if self.path.startswith("/api/"):
            self._answer(body)
            return
        if self.path.endswith("/info/lfs/objects/batch"):
            self._send(200, {}, self._lfs_batch(body))
            return
        if b"command=fetch" in body:
            self.server.state.requests.append(f"POST {self.path}")
            self.server.state.gate.wait(30)
        self._answer(body)

    def _lfs_batch(self, body: bytes) -> bytes:
        state = self.server.state
        objects = [
            {
                **asked,
                "actions": {
                    "download": {
                        "href": state.url(f"lfs/{asked['oid']}"),
                        "header": {"Authorization": "Basic lfs"},
                    }
                },
            }
            if asked["oid"] in state.lfs
            else {**asked, "error": {"code": 404, "message": "not here"}}
            for asked in json.loads(body)["objects"]
        ]
        return json.dumps({"transfer": "basic", "objects": objects}).encode()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, body: bytes) -> None:
        state = self.server.state
        for prefix, target in state.redirects.items():
            if self.path.startswith(prefix):
                self._send(
                    302, {"Location": target + self.path.removeprefix(prefix)}, b""
                )
                return
        if self.path.startswith("/api/") and state.api is not None:
            self._send(*state.api(self.command, self.path, dict(self.headers), body))
            return
        given = self.headers.get("Authorization", "")
        state.authorizations.append(given)
        if (
            state.token
            and base64.b64decode(given.removeprefix("Basic ")).partition(b":")[2]
            != state.token.encode()
        ):
            self._send(401, {"WWW-Authenticate": "Basic"}, b"")
            return
        if state.read_only and "git-receive-pack" in self.path:
            self._send(403, {}, b"")
            return
        self._send(*_http_backend(state.root, self, body))

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), 2**16):
            self.wfile.write(body[start : start + 2**16])
            self.server.state.sent += len(body[start : start + 2**16])
            time.sleep(self.server.state.drip)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(root: Path) -> Iterator[GitServer]:
    """Serve the repositories below `root`."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.state = GitServer(root, port=server.server_address[1])
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        server.state.gate.set()
        yield server.state
        server.state.gate.set()
        server.shutdown()
        thread.join()


def _http_backend(
    root: Path, request: BaseHTTPRequestHandler, body: bytes
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(request.path)
    done = subprocess.run(
        ["git", "http-backend"],
        input=body,
        capture_output=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "REQUEST_METHOD": request.command,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": "a user",  # who has a name may push
        },
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
    return int(headers.pop("Status", "200").split(" ")[0]), headers, content
