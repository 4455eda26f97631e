"""The server of this user and state directory: found, started, compared, stopped.

Commands speak to it over a Unix socket, which the kernel opens for its own user only.
Where none runs, a command starts one. With a terminal it goes on without the command,
and ends by itself when idle; without one it ends with the command, so that a script or
a CI job leaves nothing behind.

Nothing here imports pydantic or an HTTP library: a command that only lists runs costs
little more than Python's own start.
"""

import contextlib
import fcntl
import http
import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aideator import __version__
from aideator.client.problems import error_of
from aideator.domain.errors import AideatorError, Conflict, Unavailable
from aideator.environment import SettingsError, fingerprint, home_of
from aideator.store.home import Owner, make_private_file, owner

_ANSWER_SECONDS = 30.0
_START_SECONDS = 120.0
_END_SECONDS = 60.0
"""How long a server may take to put its runs back and to end."""
_LEAVE_SECONDS = 10.0
"""How long a command waits for the end of its server, which may still answer others."""
_PAUSE_SECONDS = 0.05
_TRIES = 5
_LOG_BYTES_MAX = 10 * 2**20


class _Gone(Unavailable):
    """The server does not answer: it may just have ended."""


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass
class LocalServer:
    """A server of this user that answers, and the command's hold on it.

    Attributes:
        present: Where it answers.
        process: The server, if this command started it and it ends with the command.
        lifeline: Write end of the pipe whose end tells the server of the command's.
        differences: Settings in which the server differs from this command.
        interrupted: Runs that wait for `resume` or `cancel`.
        was_started: Whether this command started it.
    """

    present: Owner
    process: subprocess.Popen[bytes] | None = None
    lifeline: int | None = None
    differences: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()
    was_started: bool = False
    held: http.client.HTTPConnection | None = None

    def hold(self) -> bool:
        """Keep the server from ending until `close`; return whether that worked."""
        assert self.present.socket is not None
        self.held = _UnixConnection(self.present.socket, _ANSWER_SECONDS)
        try:
            self.held.request("GET", f"{self.present.prefix}/server/hold")
            return self.held.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send a request, and return the JSON of its answer.

        Args:
            method: GET, POST or DELETE.
            path: Below the API's prefix, with its query.
            body: Sent as JSON, if it is not None.

        Raises:
            Unavailable: if the server does not answer.
            AideatorError: that the server answered with.
        """
        return request(self.present, method, path, body)

    def close(self) -> None:
        """Let go of the server; wait for the end of one that ends with its command."""
        if self.held is not None:
            self.held.close()
            self.held = None
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_LEAVE_SECONDS)


def request(present: Owner, method: str, path: str, body: object = None) -> Any:
    """Send a request to a local server. See `LocalServer.request`."""
    if present.socket is None:
        raise Unavailable(f"process {present.pid} does not answer commands")
    connection = _UnixConnection(present.socket, _ANSWER_SECONDS)
    data = None if body is None else json.dumps(body)
    headers = {} if data is None else {"Content-Type": "application/json"}
    try:
        connection.request(method, present.prefix + path, data, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise _Gone(
            f"the server (process {present.pid}) does not answer: {error}",
            hint="`aideator server restart`",
        ) from None
    finally:
        connection.close()
    if answer.status >= 400:
        raise error_of(answer.status, content, "the server")
    return json.loads(content) if content else None


def connect(variables: Mapping[str, str], *, stays: bool) -> LocalServer:
    """Return the server of this user's state directory, started if there is none.

    One that a command has started and that differs from this command, in version or
    settings, is replaced when it is idle; else the differences are returned.

    Args:
        variables: The environment with `.env`: `environment.read_variables`.
        stays: Whether a server that is started here goes on after this command.

    Raises:
        Unavailable: if it does not start, or another process works there.
        SettingsError: naming every wrong setting.
    """
    home = home_of(variables)
    for _ in range(_TRIES):
        with contextlib.suppress(_Gone):  # it ended with the command that started it
            server = _find_or_start(home, variables, stays=stays)
            if server.hold():
                return server
            server.close()
    raise Unavailable("the server ended again and again", hint=f"see {log_file(home)}")


def _find_or_start(
    home: Path, variables: Mapping[str, str], *, stays: bool
) -> LocalServer:
    present = find(home)
    if present is not None:
        server, is_current = _compare(present, variables)
        if is_current or not _stop(present, if_idle=True):
            return server
    return _start(home, variables, stays=stays)


def find(home: Path) -> Owner | None:
    """Return the process that answers for a state directory, if there is one.

    One that is starting, or ending, is waited for.

    Raises:
        Unavailable: if a process works there that does not answer commands.
    """
    deadline = time.monotonic() + _END_SECONDS
    while (present := owner(home)) is not None:
        if present.socket is not None and _answers(present.socket):
            return present
        if time.monotonic() > deadline:
            raise Unavailable(
                f"process {present.pid} works in {home} and does not answer",
                hint=f"end it (kill {present.pid}), or set another AIDEATOR_HOME",
            )
        time.sleep(_PAUSE_SECONDS)
    return None


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _compare(present: Owner, variables: Mapping[str, str]) -> tuple[LocalServer, bool]:
    """Return a server with what differs, and whether it may be used as it is."""
    status = request(present, "GET", "/server/status")
    given = {name: variables.get(name, "") for name in status["variables"]}
    differences = [
        name
        for name, known in status["variables"].items()
        if fingerprint(given[name], status["salt"]) != known
        # A service has settings of its own: only what is set here contradicts them.
        and (given[name] or not status["is_service"])
    ]
    if status["version"] != __version__:
        differences.insert(0, f"version {status['version']}, not {__version__}")
    server = LocalServer(
        present,
        differences=tuple(differences),
        interrupted=tuple(status["interrupted"]),
    )
    return server, not differences or status["is_service"]


def stop(present: Owner, *, if_idle: bool) -> bool:
    """Stop a server, and return whether it has ended.

    Args:
        present: The server.
        if_idle: Leave it alone while it works or answers somebody else.

    Raises:
        Unavailable: if it does not end in time.
    """
    return _stop(present, if_idle=if_idle)


def _stop(present: Owner, *, if_idle: bool) -> bool:
    try:
        request(present, "POST", "/server/stop", {"if_idle": if_idle})
    except Conflict:
        return False
    deadline = time.monotonic() + _END_SECONDS
    while _is_alive(present.pid):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the server (process {present.pid}) does not end",
                hint=f"kill {present.pid}",
            )
        time.sleep(_PAUSE_SECONDS)
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A child of this process that has ended, and was not waited for, still has its id.
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _start(home: Path, variables: Mapping[str, str], *, stays: bool) -> LocalServer:
    with _start_lock(home):
        present = find(home)
        if present is not None:  # another command was faster
            return _compare(present, variables)[0]
        server = _spawn(home, variables, stays=stays)
    status = server.request("GET", "/server/status")
    server.interrupted = tuple(status["interrupted"])
    return server


@contextlib.contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    """Hold the lock of those who start a server, so that one of them does."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_private_file(home / "start.lock")
        with (home / "start.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise Unavailable(
            f"the state directory cannot be used: {error}",
            hint="set AIDEATOR_HOME to a directory that you may write",
        ) from None


def log_file(home: Path) -> Path:
    """Return the log of the servers that commands start for a state directory."""
    return home / "server.log"


def _spawn(home: Path, variables: Mapping[str, str], *, stays: bool) -> LocalServer:
    """Start a server, and return when it answers.

    Raises:
        AideatorError: that kept it from starting.
    """
    ready, told = os.pipe()
    kept, lifeline = (None, None) if stays else os.pipe()
    arguments = ["--started-by-command", str(told)]
    passed = [told]
    if kept is not None:
        arguments += ["--lifeline", str(kept)]
        passed.append(kept)
    process = _open_process(home, _environment(variables), arguments, passed)
    for end in passed:
        os.close(end)
    with contextlib.ExitStack() as undo:
        undo.callback(process.terminate)
        _await_ready(ready, home)
        undo.pop_all()
    present = find(home)
    if present is None:
        raise Unavailable(f"the server ended at once; see {log_file(home)}")
    if stays:
        # It is nobody's child to wait for: init takes it over.
        process.returncode = 0
    return LocalServer(present, None if stays else process, lifeline, was_started=True)


def _open_process(
    home: Path, environment: dict[str, str], arguments: list[str], passed: list[int]
) -> subprocess.Popen[bytes]:
    with _open_log(home) as log:
        return subprocess.Popen(
            [sys.executable, "-m", "aideator", "serve", *arguments],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=passed,
            start_new_session=True,
        )


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment: ours, with the settings of `.env`.

    Nothing else of `.env`: it may come with a cloned repository, and PATH or LD_PRELOAD
    would let it run programs.
    """
    # Imported late: only to start a server.
    from aideator.settings import setting_names

    known = {*setting_names(), "AIDEATOR_HOME", "AIDEATOR_HOST", "AIDEATOR_PORT"}
    settings = {name: variables[name] for name in known & variables.keys()}
    home = {"AIDEATOR_HOME": str(home_of(variables).absolute())}
    return dict(os.environ) | settings | home


def _open_log(home: Path) -> Any:
    path = log_file(home)
    make_private_file(path)
    if path.stat().st_size > _LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
        make_private_file(path)
    return path.open("ab")


def _await_ready(ready: int, home: Path) -> None:
    """Wait until a server says that it answers, or why it does not start."""
    with open(ready, "rb") as told, selectors.DefaultSelector() as selector:
        selector.register(told, selectors.EVENT_READ)
        if not selector.select(_START_SECONDS):
            raise Unavailable(
                f"the server does not start; see {log_file(home)}",
                hint="`aideator serve` starts one in the foreground",
            )
        line = told.readline()
    if not line:
        raise Unavailable(
            f"the server ended while it started: {_last_line(home)}",
            hint=f"see {log_file(home)}",
        )
    answer = json.loads(line)
    if "error" in answer:
        kind = SettingsError if answer["is_setting"] else Unavailable
        raise kind(answer["error"], hint=answer["hint"])


def _last_line(home: Path) -> str:
    lines = log_file(home).read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def tell_ready(told: int, error: AideatorError | None = None) -> None:
    """Tell the command that started this server that it answers, or why it does not."""
    answer: dict[str, object] = {}
    if error is not None:
        answer = {
            "error": str(error),
            "hint": error.hint,
            "is_setting": isinstance(error, SettingsError),
        }
    with contextlib.suppress(OSError), open(told, "w") as pipe:
        pipe.write(json.dumps(answer) + "\n")
