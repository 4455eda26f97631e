"""Runs inside: dials home over one Unix socket, starts processes there, and leads a local port to the gateway.

    python -I -S shim.py SOCKET

One file, standard library, Python 3.9 or later, no knowledge of the back end. What is
odd is odd for start-up time, which every sandbox pays: `_socket` and `_json` are the C
halves of `socket` and `json` (13 ms to start instead of 38), and one thread with epoll
makes a plain fork safe.

The first connection is the control connection. In come JSON lines `{id, argv, env,
cwd}` (start; with `rows, cols` on a pseudo-terminal of that size), `{id, rows, cols}`
(resize it), `{id}` (kill), `{id, connect}` (to this port inside), `{id, eof}` (what is
sent to this stream ends after so many bytes; `whole`: nor is more wanted from it) and
`{end}`; out go `{id, code}` (ended) and `{id, error}` (not started, not connected).
Every stream of a process is a connection of its own, as is every connection to the
gateway or to a port; each opens with one JSON line that says what it carries. Ends are
told because a socket may be forwarded by something that carries bytes but no
half-closed connection (Dagger's does not, towards the inside). Ids are secrets: who
knows one may pose as its streams. So this process hides its memory from the processes
that it starts.
"""

import _ctypes
import _json
import _signal  # type: ignore[import-not-found]
import _socket
import errno
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Request = dict[str, Any]
    Pair = tuple[int, int]  # where bytes come from, and where they go

VERSION = 3
CHUNK = 65_536
LARGEST_PIPE = 2**20
"""What a pipe can hold at most (fs.pipe-max-size), in bytes: all that can be left in
one when its writer has ended."""


class _Plain:
    """What the C scanner asks its context for: JSON as the standard has it."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float = parse_constant = float
    parse_int = int


_scan = _json.make_scanner(_Plain)  # type: ignore[arg-type]


def hide_memory() -> None:
    """Forbid processes of the same uid to read or trace this one: PR_SET_DUMPABLE (4) = 0, see prctl(2)."""
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # type: ignore[arg-type]
    _ctypes.call_cdeclfunction(prctl, (4, 0, 0, 0, 0))


class Watch:
    """Who wants to hear of which descriptor."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, events: int, callback: "Callable[[], None]") -> None:
        """Call back whenever the descriptor is ready."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Call back no more. No error if nobody was waiting."""
        if self._callbacks.pop(descriptor, None):
            self._epoll.unregister(descriptor)

    def run(self) -> None:
        """Serve for ever."""
        while True:
            for descriptor, _ in self._epoll.poll():
                # An earlier callback of this round may have removed this descriptor.
                callback = self._callbacks.get(descriptor)
                if callback:
                    callback()


class Pump:
    """Moves bytes one way and holds at most one chunk of them.

    It owns both descriptors.
    """

    def __init__(self, watch: Watch, source: int, sink: int) -> None:
        self._watch, self._source, self._sink = watch, source, sink
        self._pending = b""
        self._moved = 0
        self._expected: int | None = None
        self._left: int | None = None
        self._open, self._whole = True, False
        self.partner: Pump | None = None
        for descriptor in (source, sink):
            os.set_blocking(descriptor, False)
        watch.add(source, select.EPOLLIN, self._pull)

    def expect(self, total: int, *, whole: bool) -> None:
        """Close once so many bytes have passed in all; the whole connection: with the partner."""
        self._expected, self._whole = total, whole
        if self._open and not self._pending:
            self._close_if_all()
        elif not self._open and whole and self.partner:
            self.partner.close()

    def _close_if_all(self) -> None:
        if self._expected is not None and self._moved >= self._expected:
            self.close()

    def drain(self) -> None:
        """Move what is left in the source, then close, even if somebody keeps the other end of it open."""
        self._left = LARGEST_PIPE
        if self._open and not self._pending:
            self._pull()

    def _pull(self) -> None:
        try:
            self._pending = os.read(self._source, CHUNK)
        except BlockingIOError:
            if self._left is not None:
                self.close()
            return
        except OSError:
            self._pending = b""
        if not self._pending or self._left == 0:
            self.close()
            return
        if self._left is not None:
            self._left = max(0, self._left - len(self._pending))
        self._moved += len(self._pending)
        self._watch.remove(self._source)
        self._watch.add(self._sink, select.EPOLLOUT, self._push)
        self._push()

    def _push(self) -> None:
        try:
            self._pending = self._pending[os.write(self._sink, self._pending) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not self._pending:
            self._watch.remove(self._sink)
            self._watch.add(self._source, select.EPOLLIN, self._pull)
            self._close_if_all()
            if self._left is not None and self._open:
                self._pull()

    def close(self) -> None:
        """Close both ends; towards a socket that another pump still reads from, only this direction ends."""
        if not self._open:
            return
        self._open = False
        if self._whole and self.partner:
            self.partner.close()
        for descriptor in (self._source, self._sink):
            self._watch.remove(descriptor)
        os.close(self._source)
        try:
            end = _socket.socket(fileno=self._sink)
        except OSError:
            os.close(self._sink)
            return
        try:  # noqa: SIM105 - contextlib costs start-up time
            end.shutdown(_socket.SHUT_WR)
        except OSError:
            pass
        end.close()


class Shim:
    """The processes that were asked for, and the way home."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._watch = Watch()
        self._received = b""
        self._running: dict[str, int] = {}
        self._inputs: dict[str, Pump] = {}
        self._terminals: dict[str, int] = {}
        self._calls = 0
        self._gateway = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self._gateway.bind(("127.0.0.1", 0))
        self._gateway.listen(128)
        self._gateway.settimeout(0)
        self._watch.add(self._gateway.fileno(), select.EPOLLIN, self._forward)
        self._answers: dict[str, Callable[[Request], None]] = {
            "end": lambda _: os._exit(0),
            "argv": self._spawn,
            "connect": self._connect,
            "rows": self._resize,
            "eof": self._end_input,
        }
        port = self._gateway.getsockname()[1]
        self._control = self._dial(
            f'{{"stream": "control", "version": {VERSION}, "port": {port}}}'
        )
        self._watch.add(self._control, select.EPOLLIN, self._heed)

    def run(self) -> None:
        """Serve until the control connection ends."""
        self._watch.run()

    def _dial(self, header: str) -> int:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.connect(self._home)
        connection.sendall(header.encode() + b"\n")
        return connection.detach()

    def _tell(self, message: str) -> None:
        line = message.encode() + b"\n"
        while line:
            line = line[os.write(self._control, line) :]

    def _heed(self) -> None:
        received = os.read(self._control, CHUNK)
        if not received:
            os._exit(0)
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            request = _scan(line.decode(), 0)[0]
            for what, answer in self._answers.items():
                if what in request:
                    answer(request)
                    break
            else:
                self._kill(request["id"])

    def _end_input(self, request: "Request") -> None:
        # It may be over already, as when the process has ended.
        fed = self._inputs.pop(request["id"], None)
        if fed:
            fed.expect(request["eof"], whole="whole" in request)

    def _kill(self, identity: str) -> None:
        if identity in self._terminals:
            _kill_session(self._running[identity])
        elif identity in self._running:
            os.killpg(self._running[identity], _signal.SIGKILL)

    def _fail(self, identity: str, error: object, opened: "list[int]") -> None:
        self._terminals.pop(identity, None)
        for descriptor in opened:
            os.close(descriptor)
        self._tell(
            f'{{"id": "{identity}", "error": {_json.encode_basestring_ascii(str(error))}}}'
        )

    def _spawn(self, request: "Request") -> None:
        """Start a process with its streams.

        Whatever is lacking (descriptors, pids) fails this process alone.
        """
        identity, opened = request["id"], list[int]()
        try:
            streams, (feed, *drains) = self._open_streams(request, opened)
            pid = os.fork()
        except OSError as error:
            self._fail(identity, error, opened)
            return
        if pid == 0:
            _become(request, streams)
        for descriptor in {*streams} - {self._terminals.get(identity)}:
            os.close(descriptor)
        self._await(
            identity,
            pid,
            Pump(self._watch, *feed),
            [Pump(self._watch, *drain) for drain in drains],
        )

    def _open_streams(
        self, request: "Request", opened: "list[int]"
    ) -> "tuple[tuple[int, int, int], list[Pair]]":
        """The streams of a process, and what feeds the first and drains the others; all that is opened is noted."""
        for stream in ("stdin", "stdout", "stderr")[: 2 if "rows" in request else 3]:
            opened.append(
                self._dial(f'{{"stream": "{stream}", "id": "{request["id"]}"}}')
            )
            if "rows" not in request:
                opened += os.pipe()
        if "rows" in request:
            opened += os.openpty()
            opened.append(os.dup(opened[2]))
            home_in, home_out, keyboard, terminal, screen = opened
            # It stays open here: with its last holder a terminal ends, and another may
            # come.
            self._terminals[request["id"]] = terminal
            self._resize(request)
            return (terminal, terminal, terminal), [
                (home_in, keyboard),
                (screen, home_out),
            ]
        (
            home_in,
            child_in,
            to_child,
            home_out,
            from_child,
            child_out,
            home_err,
            err_child,
            child_err,
        ) = opened
        return (child_in, child_out, child_err), [
            (home_in, to_child),
            (from_child, home_out),
            (err_child, home_err),
        ]

    def _resize(self, request: "Request") -> None:
        # Imported late: most sandboxes never have a terminal.
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        if request["id"] in self._terminals:
            rows, columns = (
                request[name].to_bytes(2, sys.byteorder) for name in ("rows", "cols")
            )
            fcntl.ioctl(
                self._terminals[request["id"]],
                termios.TIOCSWINSZ,
                rows + columns + bytes(4),
            )

    def _await(self, identity: str, pid: int, feed: Pump, drains: "list[Pump]") -> None:
        self._running[identity] = pid
        self._inputs[identity] = feed
        exited = os.pidfd_open(pid)

        def reap() -> None:
            self._watch.remove(exited)
            os.close(exited)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            del self._running[identity]
            self._inputs.pop(identity, None)
            feed.close()
            for drain in drains:
                drain.drain()
            if identity in self._terminals:
                os.close(self._terminals.pop(identity))
            self._tell(
                f'{{"id": "{identity}", "code": {code if code >= 0 else 128 - code}}}'
            )

        self._watch.add(exited, select.EPOLLIN, reap)

    def _connect(self, request: "Request", *hosts: str) -> None:
        """Connect to a port inside, without waiting for it: whoever listens there may not answer."""
        host, *others = hosts or ("127.0.0.1", "::1")
        end = _socket.socket(
            _socket.AF_INET6 if ":" in host else _socket.AF_INET, _socket.SOCK_STREAM
        )
        end.settimeout(0)
        refused = end.connect_ex((host, request["connect"]))

        def settled() -> None:
            self._watch.remove(end.fileno())
            error = end.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) or refused
            if not error:
                self._carry(end.detach(), "port", request["id"])
            elif others:
                self._connect(request, *others)
            else:
                self._fail(request["id"], os.strerror(error), [])

        if refused != errno.EINPROGRESS:
            return settled()
        refused = 0
        return self._watch.add(end.fileno(), select.EPOLLOUT, settled)

    def _forward(self) -> None:
        try:
            client = self._gateway._accept()[0]  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError:
            return
        self._calls += 1
        self._carry(client, "gateway", f"call {self._calls}")

    def _carry(self, client: int, stream: str, identity: str) -> None:
        """Lead a connection home."""
        opened = [client]
        try:
            opened.append(self._dial(f'{{"stream": "{stream}", "id": "{identity}"}}'))
            opened += [os.dup(descriptor) for descriptor in opened]
        except OSError as error:
            self._fail(identity, error, opened)
            return
        client, home, client_too, home_too = opened
        self._inputs[identity] = Pump(self._watch, home_too, client_too)
        self._inputs[identity].partner = Pump(self._watch, client, home)


def _kill_session(leader: int) -> None:
    """End a terminal's processes: a shell gives each job a group of its own. proc(5) says where a session stands."""
    for pid in os.listdir("/proc"):  # noqa: PTH208
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
                if int(file.read().rpartition(b")")[2].split()[3]) == leader:
                    os.kill(int(pid), _signal.SIGKILL)
        except (OSError, ValueError):
            continue


def _become(request: "Request", streams: "tuple[int, int, int]") -> None:
    """Turn this fork into the process that was asked for: 127 not found, 126 not executable, as in a shell."""
    subject, code = str(request["cwd"]), 126
    try:
        os.setsid()
        for standard, descriptor in enumerate(streams):
            os.dup2(descriptor, standard)
        if "rows" in request:
            # What a session without a terminal opens is its terminal from then on.
            os.close(os.open(os.ttyname(0), os.O_RDWR))
        # What is ignored stays so across exec: Python ignores the first two, a server
        # started with `&` the others.
        for name in (
            _signal.SIGPIPE,
            _signal.SIGXFSZ,
            _signal.SIGINT,
            _signal.SIGQUIT,
            _signal.SIGHUP,
        ):
            _signal.signal(name, _signal.SIG_DFL)
        os.chdir(subject)
        subject = request["argv"][0]
        os.execvpe(subject, request["argv"], request["env"])
    except OSError as error:
        if (
            isinstance(error, (FileNotFoundError, NotADirectoryError))
            and subject != request["cwd"]
        ):
            code = 127
        os.write(2, f"{subject}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(code)


def main() -> None:
    """Close what was inherited, then serve."""
    # Descriptors of whoever started this are not for the processes here.
    os.closerange(3, 1024)
    shim = Shim(sys.argv[1])
    hide_memory()
    shim.run()


if __name__ == "__main__":
    main()
