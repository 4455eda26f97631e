"""Package registries on loopback: a Python index (PEP 503) and an npm registry."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHEEL = "tinymath-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """A package `tinymath` that can add."""
    files = {
        "tinymath.py": "def plus(a, b):\n    return a + b\n",
        "tinymath-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: tinymath\nVersion: 1.0\n"
        ),
        "tinymath-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    rows = [
        f"{name},sha256={_digest(text)},{len(text)}" for name, text in files.items()
    ]
    files["tinymath-1.0.dist-info/RECORD"] = (
        "\n".join([*rows, "tinymath-1.0.dist-info/RECORD,,"]) + "\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


def _digest(text: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        .rstrip(b"=")
        .decode()
    )


def tarball() -> bytes:
    """A package `tinymath` that can add."""
    files = {
        "package/package.json": json.dumps({"name": "tinymath", "version": "1.0.0"}),
        "package/index.js": "exports.plus = (a, b) => a + b\n",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


@dataclass
class Registry:
    """Where it is, and what it was asked for."""

    host: str = ""
    requests: list[str] = field(default_factory=list)
    authorization: str = ""
    """What every request has to say of itself; nothing when empty."""


class _Server(ThreadingHTTPServer):
    state: Registry


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.state.requests.append(self.path)
        wanted = self.server.state.authorization
        known = not wanted or self.headers.get("Authorization") == wanted
        kind, body = self._find() if known else ("text/plain", b"")
        missing = 404 if known else 401
        self.send_response(200 if body else missing)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _find(self) -> tuple[str, bytes]:
        here = f"http://{self.server.state.host}"
        match self.path.rstrip("/"):
            case "/simple/tinymath":
                return "text/html", f'<a href="{here}/{WHEEL}">{WHEEL}</a>'.encode()
            case "/tinymath":
                made = hashlib.sha1(TARBALL, usedforsecurity=False).hexdigest()
                version = {"name": "tinymath", "version": "1.0.0"}
                version |= {"dist": {"tarball": f"{here}/tinymath.tgz", "shasum": made}}  # type: ignore[dict-item]
                return "application/json", json.dumps(
                    {
                        "name": "tinymath",
                        "dist-tags": {"latest": "1.0.0"},
                        "versions": {"1.0.0": version},
                    }
                ).encode()
            case "/tinymath.tgz":
                return "application/octet-stream", TARBALL
            case path if path == f"/{WHEEL}":
                return "application/zip", wheel()
            case _:
                return "text/plain", b""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def registry(authorization: str = "") -> Iterator[Registry]:
    """Serve both until the context ends, to everybody or to who says this."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.state = Registry(
        f"127.0.0.1:{server.server_address[1]}", authorization=authorization
    )
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}
    )
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


TARBALL = tarball()
