"""Start processes inside a sandbox, controlled from the host over one Unix socket.

    python -I -S shim.py SOCKET

One file, standard library only, Python 3.9 or later, independent of the back end. Its
oddities save start-up time, which every sandbox pays: `_socket` and `_json` are the C
halves of `socket` and `json` (13 ms to start instead of 38), and one thread with epoll
makes a plain fork safe.

The shim connects to the host. Its first connection is the control channel: JSON lines.

    {id, argv, env, cwd}  start a process; with rows, cols: on a terminal of that size
    {id, rows, cols}      resize its terminal
    {id}                  kill it
    {id, connect}         connect to this port inside
    {id, eof}             its input ends after so many bytes; with whole: its output too
    {end}                 exit

It answers `{id, code}` (ended) or `{id, error}` (not started, not connected). Each
stream of a process, each call of the gateway and each connection to a port is a further
connection, whose first line, JSON too, says what it carries. Ends are sent as messages
because a forwarded socket may not carry half-closed connections (Dagger's does not,
towards the inside). Ids are secrets: a process that knows one could impersonate its
streams. So the shim hides its memory from the processes that it starts.
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
    Pair = tuple[int, int]  # source and sink of a Pump

VERSION = 3
CHUNK = 65_536
LARGEST_PIPE = 2**20
"""Capacity of the largest pipe, in bytes (fs.pipe-max-size): what it may hold."""


class _JsonContext:
    """Options that the C scanner reads from its context: standard JSON."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float = parse_constant = float
    parse_int = int


_scan = _json.make_scanner(_JsonContext)  # type: ignore[arg-type]


def hide_memory() -> None:
    """Forbid the same uid to read or trace this: PR_SET_DUMPABLE (4) = 0, prctl(2)."""
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # type: ignore[arg-type]
    _ctypes.call_cdeclfunction(prctl, (4, 0, 0, 0, 0))


class Poller:
    """Event loop: calls back when a descriptor is ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def add(self, descriptor: int, events: int, callback: "Callable[[], None]") -> None:
        """Call back whenever the descriptor is ready."""
        self._callbacks[descriptor] = callback
        self._epoll.register(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Stop calling back; do nothing if the descriptor is not registered."""
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
    """Copies bytes one way, holding at most one chunk. Owns both descriptors."""

    def __init__(self, poller: Poller, source: int, sink: int) -> None:
        self._poller, self._source, self._sink = poller, source, sink
        self._pending = b""
        self._moved = 0
        self._expected: int | None = None
        self._left: int | None = None
        self._open, self._whole = True, False
        self.partner: Pump | None = None
        for descriptor in (source, sink):
            os.set_blocking(descriptor, False)
        poller.add(source, select.EPOLLIN, self._pull)

    def expect(self, total: int, *, whole: bool) -> None:
        """Close after `total` bytes in all; if `whole`, close the partner as well."""
        self._expected, self._whole = total, whole
        if self._open and not self._pending:
            self._close_at_total()
        elif not self._open and whole and self.partner:
            self.partner.close()

    def _close_at_total(self) -> None:
        if self._expected is not None and self._moved >= self._expected:
            self.close()

    def drain(self) -> None:
        """Copy what is left, then close, even if the source still has a writer."""
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
        self._poller.remove(self._source)
        self._poller.add(self._sink, select.EPOLLOUT, self._push)
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
            self._poller.remove(self._sink)
            self._poller.add(self._source, select.EPOLLIN, self._pull)
            self._close_at_total()
            if self._left is not None and self._open:
                self._pull()

    def close(self) -> None:
        """Close both ends; of a socket that the partner still reads, only this way."""
        if not self._open:
            return
        self._open = False
        if self._whole and self.partner:
            self.partner.close()
        for descriptor in (self._source, self._sink):
            self._poller.remove(descriptor)
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
    """The running processes and the control channel to the host."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._poller = Poller()
        self._received = b""
        self._running: dict[str, int] = {}
        self._inputs: dict[str, Pump] = {}
        self._terminals: dict[str, int] = {}
        self._calls = 0
        self._gateway = _socket.socket(_socket.AF_INET)
        self._gateway.bind(("127.0.0.1", 0))
        self._gateway.listen(128)
        self._gateway.settimeout(0)
        self._poller.add(self._gateway.fileno(), select.EPOLLIN, self._accept_call)
        self._handlers: dict[str, Callable[[Request], None]] = {
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
        self._poller.add(self._control, select.EPOLLIN, self._read_requests)

    def run(self) -> None:
        """Serve until the control channel ends."""
        self._poller.run()

    def _dial(self, header: str) -> int:
        connection = _socket.socket(_socket.AF_UNIX)
        connection.connect(self._host)
        connection.sendall(header.encode() + b"\n")
        return connection.detach()

    def _send(self, message: str) -> None:
        line = message.encode() + b"\n"
        while line:
            line = line[os.write(self._control, line) :]

    def _read_requests(self) -> None:
        received = os.read(self._control, CHUNK)
        if not received:
            os._exit(0)
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            request = _scan(line.decode(), 0)[0]
            for key, handle in self._handlers.items():
                if key in request:
                    handle(request)
                    break
            else:
                self._kill(request["id"])

    def _end_input(self, request: "Request") -> None:
        # The stream may have ended already, for example with its process.
        pump = self._inputs.pop(request["id"], None)
        if pump:
            pump.expect(request["eof"], whole="whole" in request)

    def _kill(self, identity: str) -> None:
        pid = self._running.get(identity)
        if pid is None:
            return
        # By pid first: a child that has just been forked leads neither its group nor
        # its session yet, and has no children. Killed first, it never will.
        os.kill(pid, _signal.SIGKILL)
        if identity in self._terminals:
            _kill_session(pid)
            return
        try:  # noqa: SIM105 - contextlib costs start-up time
            os.killpg(pid, _signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _fail(self, identity: str, error: object, opened: "list[int]") -> None:
        self._terminals.pop(identity, None)
        for descriptor in opened:
            os.close(descriptor)
        reason = _json.encode_basestring_ascii(str(error))
        self._send(f'{{"id": "{identity}", "error": {reason}}}')

    def _spawn(self, request: "Request") -> None:
        """Start a process; a lack of descriptors or pids fails this process alone."""
        identity, opened = request["id"], list[int]()
        open_streams = self._open_terminal if "rows" in request else self._open_pipes
        try:
            streams, pairs = open_streams(request, opened)
            pid = os.fork()
        except OSError as error:
            self._fail(identity, error, opened)
            return
        if pid == 0:
            _exec_child(request, streams)
        for descriptor in {*streams} - {self._terminals.get(identity)}:
            os.close(descriptor)
        pumps = [Pump(self._poller, *pair) for pair in pairs]
        self._report_exit_of(identity, pid, pumps)

    def _dial_stream(self, stream: str, request: "Request", opened: "list[int]") -> int:
        opened.append(self._dial(f'{{"stream": "{stream}", "id": "{request["id"]}"}}'))
        return opened[-1]

    def _open_pipes(
        self, request: "Request", opened: "list[int]"
    ) -> "tuple[list[int], list[Pair]]":
        """Return the child's streams, and what feeds the first and drains the others.

        Adds each descriptor to `opened` at once.
        """
        streams: list[int] = []
        pairs: list[Pair] = []
        for stream in ("stdin", "stdout", "stderr"):
            host = self._dial_stream(stream, request, opened)
            reading, writing = os.pipe()
            opened += (reading, writing)
            streams.append(reading if stream == "stdin" else writing)
            pairs.append((host, writing) if stream == "stdin" else (reading, host))
        return streams, pairs

    def _open_terminal(
        self, request: "Request", opened: "list[int]"
    ) -> "tuple[list[int], list[Pair]]":
        """Like `_open_pipes`, with one new pseudo-terminal for all three streams."""
        host_in = self._dial_stream("stdin", request, opened)
        host_out = self._dial_stream("stdout", request, opened)
        opened += os.openpty()
        keyboard, terminal = opened[-2:]
        opened.append(os.dup(keyboard))
        # Kept open here: a terminal ends with its last holder, and the process may give
        # it to another one.
        self._terminals[request["id"]] = terminal
        self._resize(request)
        return [terminal] * 3, [(host_in, keyboard), (opened[-1], host_out)]

    def _resize(self, request: "Request") -> None:
        # Imported late: most sandboxes never have a terminal.
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        terminal = self._terminals.get(request["id"])
        if terminal is not None:
            size = request["rows"], request["cols"]
            rows, columns = (each.to_bytes(2, sys.byteorder) for each in size)
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, rows + columns + bytes(4))

    def _report_exit_of(self, identity: str, pid: int, pumps: "list[Pump]") -> None:
        feed, *drains = pumps
        self._running[identity] = pid
        self._inputs[identity] = feed
        exited = os.pidfd_open(pid)

        def reap() -> None:
            self._poller.remove(exited)
            os.close(exited)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            del self._running[identity]
            self._inputs.pop(identity, None)
            feed.close()
            for drain in drains:
                drain.drain()
            if identity in self._terminals:
                os.close(self._terminals.pop(identity))
            code = code if code >= 0 else 128 - code
            self._send(f'{{"id": "{identity}", "code": {code}}}')

        self._poller.add(exited, select.EPOLLIN, reap)

    def _connect(self, request: "Request", *hosts: str) -> None:
        """Connect to a port inside, without blocking: its server may not answer."""
        host, *others = hosts or ("127.0.0.1", "::1")
        end = _socket.socket(_socket.AF_INET6 if ":" in host else _socket.AF_INET)
        end.settimeout(0)
        refused = end.connect_ex((host, request["connect"]))

        def finish() -> None:
            self._poller.remove(end.fileno())
            error = end.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) or refused
            if not error:
                self._forward(end.detach(), "port", request["id"])
            elif others:
                self._connect(request, *others)
            else:
                self._fail(request["id"], os.strerror(error), [])

        if refused != errno.EINPROGRESS:
            return finish()
        refused = 0
        return self._poller.add(end.fileno(), select.EPOLLOUT, finish)

    def _accept_call(self) -> None:
        try:
            client = self._gateway._accept()[0]  # type: ignore  # noqa: SLF001
        except OSError:
            return
        self._calls += 1
        self._forward(client, "gateway", f"call {self._calls}")

    def _forward(self, client: int, stream: str, identity: str) -> None:
        """Forward a connection to the host."""
        opened = [client]
        try:
            opened.append(self._dial(f'{{"stream": "{stream}", "id": "{identity}"}}'))
            opened += [os.dup(descriptor) for descriptor in opened]
        except OSError as error:
            self._fail(identity, error, opened)
            return
        client, host, client_too, host_too = opened
        self._inputs[identity] = Pump(self._poller, host_too, client_too)
        self._inputs[identity].partner = Pump(self._poller, client, host)


def _kill_session(leader: int) -> None:
    """Kill a terminal's processes: a shell gives each job a process group of its own.

    The session is the sixth field of /proc/PID/stat, see proc(5).
    """
    for pid in os.listdir("/proc"):  # noqa: PTH208
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
                if int(file.read().rpartition(b")")[2].split()[3]) == leader:
                    os.kill(int(pid), _signal.SIGKILL)
        except (OSError, ValueError):
            continue


def _exec_child(request: "Request", streams: "list[int]") -> None:
    """Become the program. As in a shell, 127: not found, 126: not executable."""
    subject, code = str(request["cwd"]), 126
    try:
        os.setsid()
        for standard, descriptor in enumerate(streams):
            os.dup2(descriptor, standard)
        if "rows" in request:
            # A session without a terminal is controlled by the first that it opens.
            os.close(os.open(os.ttyname(0), os.O_RDWR))
        # An ignored signal stays ignored across exec: Python ignores the first two, a
        # server started with `&` the others.
        for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGQUIT", "SIGHUP"):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
        os.chdir(subject)
        subject = request["argv"][0]
        os.execvpe(subject, request["argv"], request["env"])
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        if missing and subject != request["cwd"]:
            code = 127
        os.write(2, f"{subject}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(code)


def main() -> None:
    """Close inherited descriptors, then serve."""
    # The processes started here must not inherit the launcher's descriptors.
    os.closerange(3, 1024)
    shim = Shim(sys.argv[1])
    hide_memory()
    shim.run()


if __name__ == "__main__":
    main()
