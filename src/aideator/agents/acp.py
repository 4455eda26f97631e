"""The one driver for every agent: a process in the sandbox that speaks the Agent Client Protocol over stdio.

Nothing the agent says about its success or cost is believed; it is only told on. No
client capabilities are offered, so that no agent asks the host to read files or run
commands for it.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from acp.connection import Connection
from acp.exceptions import RequestError
from acp.task import TaskSupervisor

from aideator.agents.base import Task
from aideator.agents.jsonrpc import OUTPUT_BYTES_MAX, Wire
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
LINGER_SECONDS = 0.1
"""How long updates are still taken after the turn's answer; some agents send them
late."""
CANCEL_SECONDS = 0.5
"""How long a cancelled agent may take to stop by itself."""
EXIT_SECONDS = 2.0
"""How long the end of an agent that closed its output, or was killed, is waited for."""
MEMORY_BYTES_MAX = 4 * 2**20
"""What an agent may keep from one turn to the next, compressed; more is forgotten."""
MEMORY_SECONDS = 30.0
"""How long keeping it, or giving it back, may take."""
STDERR_BYTES_KEPT = 16 * 1024
STDERR_CHARACTERS_SHOWN = 2_000

_STOPS = {
    "max_turn_requests": "The agent reached its limit of model calls.",
    "max_tokens": "The model reached its limit of tokens.",
    "refusal": "The model refused to go on.",
    "cancelled": "The agent stopped because it was cancelled.",
}
_PLACE = {"cwd": "/workspace", "mcpServers": list[str]()}
_FAILURES = frozenset({"budget_exhausted", "model_failed"})
"""Reasons that our own agent gives in the data of its error."""


@dataclass
class Turn:
    """What became of one prompt, as its conversation goes on."""

    session_id: str | None = None
    loadable: bool = False
    """Whether the agent says that it can take a session up again."""
    ended: bool = False
    """Whether the agent answered the prompt."""
    stop: ErrorRaised | None = None
    """Why the turn ended, when it was not done."""
    failure: VariationError | None = None


@dataclass
class Tail:
    """The last of what a process writes to standard error.

    Unread, it would block for ever once the pipe is full.
    """

    kept: bytearray = field(default_factory=bytearray)

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Read to the end."""
        with suppress(ConnectionError):
            while chunk := await stream.read(64 * 1024):
                self.kept += chunk
                del self.kept[:-STDERR_BYTES_KEPT]

    def text(self, secret: str) -> str:
        """What was kept, for an error message, without the lease's token."""
        text = clean(
            self.kept.decode(errors="replace").replace(secret, "…"), STDERR_BYTES_KEPT
        ).strip()
        return f": {text[-STDERR_CHARACTERS_SHOWN:]}" if text else ""


class AcpAgent:
    """An agent by its command line; implements the `Agent` port."""

    def __init__(  # noqa: PLR0913 - each is a fact of one row of the catalogue
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        places: Mapping[str, str] | None = None,
        binds: Sequence[Bind] = (),
        memory: str = "",
        wall_clock: float = WALL_CLOCK_SECONDS,
        output_bytes: int = OUTPUT_BYTES_MAX,
    ) -> None:
        """Describe the agent; nothing starts yet.

        Args:
            command: What to run in the sandbox.
            env: Its environment.
            places: What stands for `{name}` in command and environment, besides
                `{gateway_url}` and `{token}`.
            binds: What the sandbox must show for it.
            memory: The folder in its home where it keeps its sessions, if it can take
                one up again.
            wall_clock: Seconds that one turn may take, start-up included.
            output_bytes: How much the agent may say in one turn.
        """
        self.binds = tuple(binds)
        self._command = tuple(command)
        self._env = dict(env)
        self._places = dict(places or {})
        self._memory = memory
        self._session = ""
        self._wall_clock = wall_clock
        self._output_bytes = output_bytes

    async def run(
        self, task: Task, sandbox: Sandbox, token: str
    ) -> AsyncGenerator[Draft]:
        """Work on a task; see the port."""
        earlier = (
            await _give_back(task.memory, sandbox)
            if self._memory and task.memory
            else ""
        )
        deadline = asyncio.get_running_loop().time() + self._wall_clock
        places = {**self._places, "gateway_url": sandbox.gateway_url, "token": token}
        env = {name: _filled(value, places) for name, value in self._env.items()}
        process = await sandbox.spawn(
            [_filled(part, places) for part in self._command], env=env
        )
        wire, turn, errors = Wire(process, self._output_bytes), Turn(), Tail()
        connection = Connection(_answer, wire)
        # Not a TaskGroup: around a `yield` it would cancel whoever consumes this
        # generator, and wrap what is raised.
        tasks = TaskSupervisor(source=__name__)
        draining = tasks.create(errors.drain(process.stderr))
        talking = tasks.create(_converse(connection, wire, turn, task, earlier))
        try:
            while draft := await self._next(wire, deadline):
                yield draft
            if not turn.ended:
                raise (
                    turn.failure
                    or wire.failure
                    or await _crash(process, draining, errors, token)
                )
            if turn.stop is not None:
                yield Draft(turn.stop)
        finally:
            await _end(connection, wire, turn, talking, process)
            await tasks.shutdown()
            self._session = turn.session_id or "" if turn.loadable else ""

    async def remember(self, sandbox: Sandbox) -> bytes:
        """Keep the sessions' folder as a tar archive, behind a line that names the session; see the port."""
        if not self._memory or not self._session:
            return b""
        pack = ["sh", "-c", 'cd && exec tar -czf - -- "$1"', "sh", self._memory]
        done = await sandbox.exec(pack, timeout=MEMORY_SECONDS)
        if done.exit_code != 0 or done.truncated or len(done.stdout) > MEMORY_BYTES_MAX:
            return b""
        return json.dumps(self._session).encode() + b"\n" + done.stdout

    async def _next(self, wire: Wire, deadline: float) -> Draft | None:
        try:
            async with asyncio.timeout_at(deadline):
                return await wire.next()
        except TimeoutError:
            raise AgentTimeout(
                f"the agent did not finish within {self._wall_clock:g} s"
            ) from None


def _filled(template: str, places: Mapping[str, str]) -> str:
    # Not `str.format`, for templates may be JSON; and in one pass, for what is filled
    # in may look like a place.
    return re.sub(
        r"\{([a-z_]+)\}", lambda match: places.get(match[1], match[0]), template
    )


async def _give_back(memory: bytes, sandbox: Sandbox) -> str:
    """Lay what an agent has kept into its new home; return the session that it is about, or "" if that failed."""
    session, _, archive = memory.partition(b"\n")
    done = await sandbox.exec(
        ["sh", "-c", "cd && exec tar -xzf -"], stdin=archive, timeout=MEMORY_SECONDS
    )
    return str(json.loads(session)) if done.exit_code == 0 else ""


async def _converse(
    connection: Connection, wire: Wire, turn: Turn, task: Task, earlier: str
) -> None:
    """Hold the conversation of one turn and note how it ended."""
    try:
        # The process is gone, or `wire.failure` says why: the driver finds out which.
        with suppress(ConnectionError):
            await _introduce(connection, turn)
            if (
                turn.loadable
                and earlier
                and await _load(connection, wire, turn, earlier)
            ):
                await _prompt(connection, turn, task.follow_up)
            else:
                await _open(connection, turn)
                await _prompt(connection, turn, task.prompt)
            await asyncio.sleep(LINGER_SECONDS)
    except VariationError as error:
        turn.failure = error
    await wire.finish()


async def _introduce(connection: Connection, turn: Turn) -> None:
    client = {"name": "aideator", "title": "AIdeator", "version": "1"}
    greeting = {
        "protocolVersion": PROTOCOL_VERSION,
        "clientCapabilities": {},
        "clientInfo": client,
    }
    try:
        welcome = await connection.send_request("initialize", greeting)
    except RequestError as error:
        raise AgentProtocolError(
            f"the agent did not open a session: {_explained(error)}"
        ) from error
    match welcome:
        case {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}}:
            turn.loadable = True
        case {"protocolVersion": 1}:
            pass
        case _:
            raise AgentProtocolError(
                "the agent did not open a session of protocol version 1"
            )


async def _open(connection: Connection, turn: Turn) -> None:
    try:
        session = await connection.send_request("session/new", _PLACE)
    except RequestError as error:
        raise AgentProtocolError(
            f"the agent did not open a session: {_explained(error)}"
        ) from error
    match session:
        case {"sessionId": str(session_id)}:
            turn.session_id = session_id
            turn.loadable &= len(session_id) <= ID_MAX
        case _:
            raise AgentProtocolError(
                "the agent did not open a session of protocol version 1"
            )


async def _load(
    connection: Connection, wire: Wire, turn: Turn, session_id: str
) -> bool:
    """Have the agent take an earlier session up; whether it did.

    What it tells again meanwhile was told before.
    """
    wire.ignore_updates()
    try:
        await connection.send_request(
            "session/load", {"sessionId": session_id, **_PLACE}
        )
    except RequestError:
        return False
    else:
        turn.session_id = session_id
        return True
    finally:
        wire.heed_updates()


async def _prompt(connection: Connection, turn: Turn, prompt: str) -> None:
    blocks = [{"type": "text", "text": prompt}]
    try:
        answer = await connection.send_request(
            "session/prompt", {"sessionId": turn.session_id, "prompt": blocks}
        )
    except RequestError as error:
        reason = error.data.get("reason") if isinstance(error.data, dict) else None
        known = (
            reason if isinstance(reason, str) and reason in _FAILURES else "agent_error"
        )
        turn.stop = ErrorRaised(reason=known, message=_explained(error))
    else:
        reason = answer.get("stopReason") if isinstance(answer, dict) else None
        if reason != "end_turn":
            known = (
                reason
                if isinstance(reason, str) and reason in _STOPS
                else "agent_error"
            )
            turn.stop = ErrorRaised(
                reason=known,
                message=_STOPS.get(known, "The agent stopped without a known reason."),
            )
    turn.ended = True


def _explained(error: RequestError) -> str:
    return clean(str(error), STDERR_CHARACTERS_SHOWN) or "no reason given"


async def _answer(method: str, params: Any, _notification: bool) -> dict[str, Any]:  # noqa: FBT001 - the SDK's shape
    """Answer a request of the agent: whatever it asks leave for is allowed, because the sandbox is the limit."""
    if method != "session/request_permission":
        raise RequestError.method_not_found(method)
    options = params.get("options") if isinstance(params, dict) else None
    for option in options if isinstance(options, list) else ():
        match option:
            case {"kind": "allow_once" | "allow_always", "optionId": chosen}:
                return {"outcome": {"outcome": "selected", "optionId": chosen}}
    return {"outcome": {"outcome": "cancelled"}}


async def _crash(
    process: Process, draining: asyncio.Task[Any], errors: Tail, token: str
) -> VariationError:
    """Say how a process ended that should not have; raises what the sandbox says if that is why."""
    try:
        async with asyncio.timeout(EXIT_SECONDS):
            code = await process.wait()
            await asyncio.wait([draining], timeout=1.0)
    except TimeoutError:
        return AgentProtocolError(
            f"the agent closed its output before its turn ended{errors.text(token)}"
        )
    return AgentCrashed(
        f"the agent exited with {code} before its turn ended{errors.text(token)}"
    )


async def _end(
    connection: Connection,
    wire: Wire,
    turn: Turn,
    talking: asyncio.Task[Any],
    process: Process,
) -> None:
    """Leave nothing running.

    A turn that still goes on is cancelled first, so that the agent can end its
    children.
    """
    wire.ignore_updates()
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
