"""The driver of every agent: a process in the sandbox that speaks ACP over stdio.

Agent Client Protocol: https://agentclientprotocol.com. What the agent reports about its
success or cost is passed on but never believed. No client capabilities are offered, so
that no agent asks the host to read files or run commands for it.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from acp.connection import Connection
from acp.exceptions import RequestError
from acp.task import TaskSupervisor

from aideator.agents.base import Task
from aideator.agents.jsonrpc import OUTPUT_BYTES_MAX, JsonRpcTransport
from aideator.agents.translate import ID_MAX, clean
from aideator.domain.errors import (
    AgentCrashed,
    AgentProtocolError,
    AgentTimeout,
    VariationError,
)
from aideator.domain.events import ErrorRaised
from aideator.eventlog.base import Draft
from aideator.sandbox.base import Bind, Process, Sandbox

PROTOCOL_VERSION = 1
WALL_CLOCK_SECONDS = 1800.0
"""Seconds that one turn may take, unless a setting says otherwise."""
LINGER_SECONDS = 0.1
"""Seconds after the turn's answer in which updates are still taken; some agents send
them late."""
CANCEL_SECONDS = 0.5
"""Seconds that a cancelled agent may take to stop by itself."""
EXIT_SECONDS = 2.0
"""Seconds to wait for the exit of an agent that was killed."""
EXPLAIN_SECONDS = 10.0
"""Seconds to wait for the exit of an agent that closed its output. A back end that has
lost the sandbox may take longer to find out than the streams take to end."""
MEMORY_BYTES_MAX = 4 * 2**20
"""Bytes that an agent may keep from one turn to the next, compressed. A larger memory
is dropped as a whole."""
MEMORY_SECONDS = 30.0
"""Seconds that saving the memory, or restoring it, may take."""
STDERR_BYTES_KEPT = 16 * 1024
STDERR_CHARACTERS_SHOWN = 2_000
"""Characters of standard error, or of an agent's error, that a message shows."""

_STOPS = {
    "max_turn_requests": "The agent reached its limit of model calls.",
    "max_tokens": "The model reached its limit of tokens.",
    "refusal": "The model refused to go on.",
    "cancelled": "The agent stopped because it was cancelled.",
}
_FAILURES = frozenset({"budget_exhausted", "model_failed"})
"""Reasons that the built-in agent gives in the data of its error."""


@dataclass
class PromptTurn:
    """State of one prompt turn."""

    session_id: str | None = None
    loadable: bool = False
    """Whether the agent offers `session/load`."""
    ended: bool = False
    """Whether the agent answered the prompt."""
    stop: ErrorRaised | None = None
    """Why the turn ended before the work was done."""
    failure: VariationError | None = None
    """Why the turn could not be held."""


@dataclass
class StderrTail:
    """The end of what a process writes to standard error.

    It has to be read all the time: the process would block once the pipe is full.
    """

    kept: bytearray = field(default_factory=bytearray)

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Read to the end of the stream."""
        with suppress(ConnectionError):
            while chunk := await stream.read(64 * 1024):
                self.kept += chunk
                del self.kept[:-STDERR_BYTES_KEPT]

    def text(self, secret: str) -> str:
        """Return the end for an error message, without the lease's token."""
        text = clean(
            self.kept.decode(errors="replace").replace(secret, "…"), STDERR_BYTES_KEPT
        ).strip()
        return f": {text[-STDERR_CHARACTERS_SHOWN:]}" if text else ""


class AcpAgent:
    """An agent by its command line. Implements the `Agent` port."""

    def __init__(  # noqa: PLR0913 - fields of the catalogue
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        placeholders: Mapping[str, str] | None = None,
        binds: Sequence[Bind] = (),
        memory: str = "",
        wall_clock: float = WALL_CLOCK_SECONDS,
        output_bytes: int = OUTPUT_BYTES_MAX,
    ) -> None:
        """Describe the agent; nothing starts yet.

        Args:
            command: What to run in the sandbox.
            env: Its environment.
            placeholders: Values for `{name}` in command and environment, besides
                `{gateway_url}` and `{token}`.
            binds: Host folders that the sandbox must show.
            memory: Folder in its home with its sessions, if it can load one.
            wall_clock: Seconds that one turn may take, start-up included.
            output_bytes: Bytes that the agent may write in one turn.
        """
        self.binds = tuple(binds)
        self._command = tuple(command)
        self._env = dict(env)
        self._placeholders = dict(placeholders or {})
        self._memory = memory
        self._session = ""
        self._wall_clock = wall_clock
        self._output_bytes = output_bytes

    async def run(
        self, task: Task, sandbox: Sandbox, token: str
    ) -> AsyncGenerator[Draft]:
        """Work on a task (see the port)."""
        earlier = ""
        if self._memory and task.memory:
            earlier = await _restore_memory(task.memory, sandbox)
        deadline = asyncio.get_running_loop().time() + self._wall_clock
        values = {
            **self._placeholders,
            "gateway_url": sandbox.gateway_url,
            "token": token,
        }
        process = await sandbox.spawn(
            [_fill_in(part, values) for part in self._command],
            env={name: _fill_in(value, values) for name, value in self._env.items()},
            cwd=task.cwd,
        )
        transport = JsonRpcTransport(process, self._output_bytes)
        turn, stderr = PromptTurn(), StderrTail()
        connection = Connection(_answer, transport)
        # Not a TaskGroup: around a `yield` it would cancel the consumer of this
        # generator, and wrap what is raised.
        tasks = TaskSupervisor(source=__name__)
        draining = tasks.create(stderr.drain(process.stderr))
        talking = tasks.create(_hold_turn(connection, transport, turn, task, earlier))
        try:
            while draft := await self._next(transport, deadline):
                yield draft
            if not turn.ended:
                raise (
                    turn.failure
                    or transport.failure
                    or await _explain_exit(process, draining, stderr, token)
                )
            if turn.stop is not None:
                yield Draft(turn.stop)
        finally:
            await _stop(connection, transport, turn, talking, process)
            await tasks.shutdown()
            self._session = turn.session_id or "" if turn.loadable else ""

    async def remember(self, sandbox: Sandbox) -> bytes:
        """Pack the folder with its sessions (see the port).

        A line that names the session, then a tar archive.
        """
        if not self._memory or not self._session:
            return b""
        pack = ["sh", "-c", 'cd && exec tar -czf - -- "$1"', "sh", self._memory]
        done = await sandbox.exec(pack, timeout=MEMORY_SECONDS)
        if done.exit_code != 0 or done.truncated or len(done.stdout) > MEMORY_BYTES_MAX:
            return b""
        return json.dumps(self._session).encode() + b"\n" + done.stdout

    async def _next(self, transport: JsonRpcTransport, deadline: float) -> Draft | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await transport.next_draft()
        except TimeoutError:
            raise AgentTimeout(
                f"the agent did not finish within {self._wall_clock:g} s"
            ) from None


def _fill_in(template: str, values: Mapping[str, str]) -> str:
    # Not `str.format`, because templates may be JSON. In one pass, because a value may
    # look like a placeholder.
    return re.sub(
        r"\{([a-z_]+)\}", lambda match: values.get(match[1], match[0]), template
    )


async def _restore_memory(memory: bytes, sandbox: Sandbox) -> str:
    """Unpack an agent's memory in its new home.

    Returns:
        The id of the session, or "" if it could not be unpacked.
    """
    session, _, archive = memory.partition(b"\n")
    done = await sandbox.exec(
        ["sh", "-c", "cd && exec tar -xzf -"], stdin=archive, timeout=MEMORY_SECONDS
    )
    return str(json.loads(session)) if done.exit_code == 0 else ""


async def _hold_turn(
    connection: Connection,
    transport: JsonRpcTransport,
    turn: PromptTurn,
    task: Task,
    earlier: str,
) -> None:
    """Open or load a session, prompt it, and note in `turn` how that ended."""
    try:
        # After a ConnectionError the driver finds out whether the process has gone or
        # `transport.failure` is the reason.
        with suppress(ConnectionError):
            await _initialize(connection, turn)
            loaded = False
            if turn.loadable and earlier:
                loaded = await _load_session(
                    connection, transport, turn, earlier, task.cwd
                )
            if not loaded:
                await _open_session(connection, turn, task.cwd)
            await _prompt(connection, turn, task.follow_up if loaded else task.prompt)
            await asyncio.sleep(LINGER_SECONDS)
    except VariationError as error:
        turn.failure = error
    await transport.finish()


async def _initialize(connection: Connection, turn: PromptTurn) -> None:
    client = {"name": "aideator", "title": "AIdeator", "version": "1"}
    request = {
        "protocolVersion": PROTOCOL_VERSION,
        "clientCapabilities": {},
        "clientInfo": client,
    }
    try:
        answer = await connection.send_request("initialize", request)
    except RequestError as error:
        raise AgentProtocolError(
            f"the agent did not open a session: {_message(error)}"
        ) from error
    match answer:
        case {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}:
            turn.loadable = True
        case {"protocolVersion": 1}:
            pass
        case _:
            raise AgentProtocolError(
                "the agent did not open a session of protocol version 1"
            )


def _session(cwd: str) -> dict[str, object]:
    return {"cwd": cwd, "mcpServers": list[str]()}


async def _open_session(connection: Connection, turn: PromptTurn, cwd: str) -> None:
    try:
        session = await connection.send_request("session/new", _session(cwd))
    except RequestError as error:
        raise AgentProtocolError(
            f"the agent did not open a session: {_message(error)}"
        ) from error
    match session:
        case {"sessionId": str(session_id)}:
            turn.session_id = session_id
            turn.loadable &= len(session_id) <= ID_MAX
        case _:
            raise AgentProtocolError(
                "the agent did not open a session of protocol version 1"
            )


async def _load_session(
    connection: Connection,
    transport: JsonRpcTransport,
    turn: PromptTurn,
    session_id: str,
    cwd: str,
) -> bool:
    """Have the agent load an earlier session; return whether it did.

    The updates that it replays meanwhile were recorded in the earlier turn.
    """
    transport.ignore_updates()
    try:
        await connection.send_request(
            "session/load", {"sessionId": session_id, **_session(cwd)}
        )
    except RequestError:
        return False
    else:
        turn.session_id = session_id
        return True
    finally:
        transport.accept_updates()


async def _prompt(connection: Connection, turn: PromptTurn, prompt: str) -> None:
    blocks = [{"type": "text", "text": prompt}]
    try:
        answer = await connection.send_request(
            "session/prompt", {"sessionId": turn.session_id, "prompt": blocks}
        )
    except RequestError as error:
        turn.stop = ErrorRaised(
            reason=_known(error.data, "reason", _FAILURES), message=_message(error)
        )
    else:
        turn.stop = _stopped(answer)
    turn.ended = True


def _stopped(answer: object) -> ErrorRaised | None:
    match answer:
        case {"stopReason": "end_turn"}:
            return None
    reason = _known(answer, "stopReason", _STOPS)
    return ErrorRaised(
        reason=reason,
        message=_STOPS.get(reason, "The agent stopped without a known reason."),
    )


def _known(data: object, name: str, reasons: Collection[str]) -> str:
    """Return the reason under that name, if it is one of ours."""
    reason = data.get(name) if isinstance(data, dict) else None
    return reason if isinstance(reason, str) and reason in reasons else "agent_error"


def _message(error: RequestError) -> str:
    return clean(str(error), STDERR_CHARACTERS_SHOWN) or "no reason given"


async def _answer(
    method: str,
    params: Any,
    _notification: bool,  # noqa: FBT001 - the SDK's signature
) -> dict[str, Any]:
    """Answer a request of the agent.

    Every permission is granted (decision 0062): the sandbox is the limit.
    """
    if method != "session/request_permission":
        raise RequestError.method_not_found(method)
    options = params.get("options") if isinstance(params, dict) else None
    for option in options if isinstance(options, list) else ():
        match option:
            case {"kind": "allow_once" | "allow_always", "optionId": chosen}:
                return {"outcome": {"outcome": "selected", "optionId": chosen}}
    return {"outcome": {"outcome": "cancelled"}}


async def _explain_exit(
    process: Process, draining: asyncio.Task[Any], stderr: StderrTail, token: str
) -> VariationError:
    """Return how a process ended that should not have.

    Raises:
        SandboxLost: if the sandbox has ended.
    """
    try:
        async with asyncio.timeout(EXPLAIN_SECONDS):
            code = await process.wait()
            await asyncio.wait([draining], timeout=1.0)
    except TimeoutError:
        return AgentProtocolError(
            f"the agent closed its output before its turn ended{stderr.text(token)}"
        )
    return AgentCrashed(
        f"the agent exited with {code} before its turn ended{stderr.text(token)}"
    )


async def _stop(
    connection: Connection,
    transport: JsonRpcTransport,
    turn: PromptTurn,
    talking: asyncio.Task[Any],
    process: Process,
) -> None:
    """End the agent and its connection.

    A turn that still goes on is cancelled first, so that the agent can end its
    children.
    """
    transport.ignore_updates()
    if turn.session_id is not None and not talking.done():
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await connection.send_notification(
                    "session/cancel", {"sessionId": turn.session_id}
                )
                await asyncio.wait([talking])
    await process.kill()
    with suppress(VariationError, TimeoutError):
        async with asyncio.timeout(EXIT_SECONDS):
            await process.wait()
    await connection.close()
