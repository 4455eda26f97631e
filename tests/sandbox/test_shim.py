"""The shim as a plain process, driven by its own protocol, without any back end."""

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
from tests.conftest import PATIENCE

SOURCE = Path(shim.__file__)


def read_line(connection: socket.socket) -> dict[str, object]:
    """Read one JSON line and nothing beyond it; fail if the connection ends first."""
    line = b""
    while not line.endswith(b"\n"):
        received = connection.recv(1)
        assert received, f"the shim hung up after {line!r}"
        line += received
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


class Home:
    """The host's side, as plain blocking sockets."""

    def __init__(self, path: Path, python: str) -> None:
        self._closing = ExitStack()
        self._server = self._closing.enter_context(
            socket.create_server(str(path), family=socket.AF_UNIX)
        )
        self._server.settimeout(PATIENCE)
        self.process = subprocess.Popen(
            [python, "-I", "-S", str(SOURCE), str(path)], stderr=subprocess.PIPE
        )
        self.hello, self.control = self.accept()

    def accept(self) -> tuple[dict[str, object], socket.socket]:
        connection, _ = self._server.accept()
        self._closing.enter_context(connection)
        connection.settimeout(PATIENCE)
        return read_line(connection), connection

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
        return read_line(self.control)

    def close(self) -> None:
        self._closing.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def host(home: Path) -> Iterator[Home]:
    host = Home(home / "home", sys.executable)
    yield host
    host.close()


def exactly(count: int, connection: socket.socket) -> bytes:
    # Not MSG_WAITALL: to the kernel a socket with a timeout is a non-blocking one, of
    # which it returns what is there.
    data = b""
    while len(data) < count and (chunk := connection.recv(count - len(data))):
        data += chunk
    return data


def everything(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    return data


def test_it_needs_nothing_but_the_standard_library() -> None:
    imported = set[str]()
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
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
        assert exactly(10, streams["stdout"]) == b"some input"
        host.ask(id="a", eof=10)
    assert everything(streams["stdout"]) == (b"" if told == "after" else b"some input")
    assert host.answer() == {"id": "a", "code": 0}


def test_it_ends_when_it_is_told_to(host: Home) -> None:
    host.start("a", "sleep", "1000")
    host.ask(end=True)
    assert host.process.wait(PATIENCE) == 0


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


@pytest.mark.parametrize("size", [{}, {"rows": 24, "cols": 80}])
def test_a_process_is_killed_as_it_starts_and_nothing_else_is(
    host: Home, size: dict[str, int]
) -> None:
    streams = 2 if size else 3
    for number in range(30):
        name = f"process {number}"
        start = {
            "id": name,
            "argv": ["sleep", "1000"],
            "env": {"PATH": os.environ["PATH"]},
            "cwd": "/",
            **size,
        }
        # Start and kill in one write: the kill finds a child that has not become the
        # leader of its group yet.
        host.control.sendall(
            b"".join(
                json.dumps(line).encode() + b"\n" for line in (start, {"id": name})
            )
        )
        assert [host.accept()[0]["id"] for _ in range(streams)] == [name] * streams
        assert host.answer() == {"id": name, "code": 128 + signal.SIGKILL}
    assert everything(host.start("a", "echo", "alive")["stdout"]) == b"alive\n"


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


def ignored(status: str) -> set[int]:
    """Return the signals that /proc/PID/status says are ignored."""
    line = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    mask = int(line.split()[1], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_its_processes_have_the_usual_signals_and_their_own_session(host: Home) -> None:
    # Not looked at by a Python, which ignores SIGPIPE and SIGXFSZ by itself. What this
    # test has inherited, such as the C library's own signal 32 (nptl(7)), may stay
    # ignored.
    reset = {
        signal.SIGPIPE,
        signal.SIGXFSZ,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
    }
    inherited = ignored(Path("/proc/self/status").read_text())
    status = everything(host.start("a", "cat", "/proc/self/status")["stdout"]).decode()
    assert ignored(status) <= inherited - reset
    script = "import os; print(os.getsid(0) == os.getpid())"
    session = everything(host.start("b", sys.executable, "-c", script)["stdout"])
    assert session == b"True\n"


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
    assert exactly(4, flood["stdout"]) == b"y\ny\n"
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
    assert host.process.wait(PATIENCE) == 0


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
        assert exactly(8, gateway) == b"question"
        gateway.sendall(b"answer")
        host.ask(id=header["id"], eof=6)
        assert everything(client) == b"answer"
        # The other direction is open still.
        client.sendall(b"more")
        assert exactly(4, gateway) == b"more"
