"""The shim as a plain process, spoken to in its own protocol: what it does must not depend on any back end."""

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from aideator.sandbox import shim

SOURCE = Path(shim.__file__)


class Home:
    """The host's side, as plain blocking sockets."""

    def __init__(self, path: Path, python: str) -> None:
        self._closing = ExitStack()
        self._server = self._closing.enter_context(
            socket.create_server(str(path), family=socket.AF_UNIX)
        )
        self._server.settimeout(10)
        self.process = subprocess.Popen(
            [python, "-I", "-S", str(SOURCE), str(path)], stderr=subprocess.PIPE
        )
        self.hello, self.control = self.accept()

    def accept(self) -> tuple[dict[str, object], socket.socket]:
        connection, _ = self._server.accept()
        self._closing.enter_context(connection)
        connection.settimeout(10)
        header = b""
        while not header.endswith(b"\n"):
            header += connection.recv(1)
        return json.loads(header), connection

    def ask(self, **request: object) -> None:
        self.control.sendall(json.dumps(request).encode() + b"\n")

    def start(self, identity: str, *argv: str) -> dict[str, socket.socket]:
        self.ask(id=identity, argv=argv, env={"PATH": os.environ["PATH"]}, cwd="/")
        streams = {}
        for _ in range(3):
            header, connection = self.accept()
            assert header["id"] == identity
            streams[str(header["stream"])] = connection
        return streams

    def answer(self) -> dict[str, object]:
        line = b""
        while not line.endswith(b"\n"):
            line += self.control.recv(1)
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        self._closing.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def host(home: Path) -> Iterator[Home]:
    host = Home(home / "home", sys.executable)
    yield host
    host.close()


def everything(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    return data


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - {"collections.abc", "typing"} <= {
        *(
            "_ctypes",
            "_json",
            "_signal",
            "_socket",
            "errno",
            "fcntl",
            "os",
            "select",
            "sys",
            "termios",
        ),
    }


def candidates(minor: int) -> list[str]:
    beside = sorted(Path(sys.base_prefix).parent.glob(f"3.{minor}.*/bin/python3"))
    return [str(path) for path in (*beside, shutil.which(f"python3.{minor}")) if path]


def starts(python: str) -> bool:
    # pyenv puts a program on PATH even for versions that are not there.
    return (
        subprocess.run(
            [python, "-c", "pass"], capture_output=True, check=False
        ).returncode
        == 0
    )


@pytest.mark.parametrize("minor", [9, 10, 11, 12, 13, 14])
def test_it_runs_on_every_python_that_an_image_may_have(minor: int, home: Path) -> None:
    python = next(filter(starts, candidates(minor)), None)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} here")
    host = Home(home / "home", python)
    try:
        assert everything(host.start("a", "echo", "hello")["stdout"]) == b"hello\n"
        assert host.answer() == {"id": "a", "code": 0}
    finally:
        host.close()


def test_it_dials_home_first_and_says_who_it_is(host: Home) -> None:
    assert host.hello["stream"] == "control"
    assert host.hello["version"] == shim.VERSION


def test_each_stream_is_a_connection_of_its_own(host: Home) -> None:
    streams = host.start("a", "sh", "-c", "cat; echo problem >&2; exit 5")
    streams["stdin"].sendall(b"some input")
    streams["stdin"].shutdown(socket.SHUT_WR)
    assert everything(streams["stdout"]) == b"some input"
    assert everything(streams["stderr"]) == b"problem\n"
    assert host.answer() == {"id": "a", "code": 5}


@pytest.mark.parametrize("told", ["before", "between", "after"])
def test_an_end_that_is_told_ends_the_input_though_the_connection_stays_open(
    host: Home, told: str
) -> None:
    streams = host.start("a", "cat")
    if told == "before":
        host.ask(id="a", eof=10)
    streams["stdin"].sendall(b"some ")
    if told == "between":
        host.ask(id="a", eof=10)
    streams["stdin"].sendall(b"input")
    if told == "after":
        assert streams["stdout"].recv(10, socket.MSG_WAITALL) == b"some input"
        host.ask(id="a", eof=10)
    assert everything(streams["stdout"]) == (b"" if told == "after" else b"some input")
    assert host.answer() == {"id": "a", "code": 0}


def test_it_ends_when_it_is_told_to(host: Home) -> None:
    host.start("a", "sleep", "1000")
    host.ask(end=True)
    assert host.process.wait(10) == 0


def test_requests_may_arrive_in_pieces_and_together(host: Home) -> None:
    lines = b"".join(
        json.dumps(
            {
                "id": name,
                "argv": ["true"],
                "env": {"PATH": os.environ["PATH"]},
                "cwd": "/",
            }
        ).encode()
        + b"\n"
        for name in ("a", "b")
    )
    host.control.sendall(lines[:20])
    host.control.sendall(lines[20:])
    named = [host.accept()[0]["id"] for _ in range(6)]
    assert sorted(map(str, named)) == ["a"] * 3 + ["b"] * 3
    assert sorted(str(host.answer()["id"]) for _ in range(2)) == ["a", "b"]


def test_killing_what_nobody_knows_does_no_harm(host: Home) -> None:
    host.ask(id="unknown")
    assert everything(host.start("a", "echo", "alive")["stdout"]) == b"alive\n"


def test_its_processes_inherit_nothing(host: Home) -> None:
    script = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"
    # The listing's own descriptor is the one beyond the three.
    assert (
        everything(host.start("a", sys.executable, "-c", script)["stdout"])
        == b"[0, 1, 2, 3]\n"
    )


def test_its_processes_have_the_usual_signals_and_their_own_session(host: Home) -> None:
    script = (
        "import os, pathlib; print(os.getsid(0) == os.getpid(),"
        " [l for l in pathlib.Path('/proc/self/status').read_text().split('\\n') if l.startswith('SigIgn')])"
    )
    # Python itself ignores SIGPIPE (bit 13) and SIGXFSZ (bit 25), so a shell has to
    # look.
    printed = everything(
        host.start("a", "sh", "-c", "grep SigIgn /proc/$$/status")["stdout"]
    )
    assert int(printed.split()[1], 16) == 0
    assert everything(
        host.start("b", sys.executable, "-c", script)["stdout"]
    ).startswith(b"True")


def test_its_memory_cannot_be_read_by_what_it_starts(host: Home) -> None:
    if os.geteuid() == 0:
        pytest.skip(
            "root may read everything: the abuse probes try it inside a sandbox"
        )
    streams = host.start("a", "cat", f"/proc/{host.process.pid}/mem")
    assert b"Permission denied" in everything(streams["stderr"])


def test_a_reader_that_does_not_read_holds_the_writer_up_and_not_the_others(
    host: Home,
) -> None:
    flood = host.start("a", "yes")
    assert flood["stdout"].recv(4, socket.MSG_WAITALL) == b"y\ny\n"
    assert everything(host.start("b", "echo", "quick")["stdout"]) == b"quick\n"
    assert host.answer() == {"id": "b", "code": 0}
    resident = next(
        line
        for line in Path(f"/proc/{host.process.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    assert int(resident.split()[1]) < 40_000
    host.ask(id="a")
    assert host.answer() == {"id": "a", "code": 128 + signal.SIGKILL}
    assert everything(flood["stdout"]).count(b"y\n") > 1000


def test_it_ends_with_its_control_connection(host: Home) -> None:
    host.control.close()
    assert host.process.wait(10) == 0


def test_a_connection_to_its_port_leads_home(host: Home) -> None:
    with socket.create_connection(
        ("127.0.0.1", int(str(host.hello["port"]))), 10
    ) as client:
        header, gateway = host.accept()
        assert header == {"stream": "gateway", "id": "call 1"}
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert everything(gateway) == b"question"
        gateway.sendall(b"answer")
        gateway.close()
        assert everything(client) == b"answer"


def test_an_answer_whose_end_is_told_is_over_for_who_asked(host: Home) -> None:
    with socket.create_connection(
        ("127.0.0.1", int(str(host.hello["port"]))), 10
    ) as client:
        header, gateway = host.accept()
        client.sendall(b"question")
        assert gateway.recv(100) == b"question"
        gateway.sendall(b"answer")
        host.ask(id=header["id"], eof=6)
        assert everything(client) == b"answer"
        # The other direction is open still.
        client.sendall(b"more")
        assert gateway.recv(100) == b"more"
