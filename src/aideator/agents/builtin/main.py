"""The built-in agent as an ACP process: JSON-RPC on standard input and output.

The protocol is a screen of standard library instead of the ACP SDK's agent side, which
builds some 270 pydantic models at import (decision 0011). That start-up is paid inside
every sandbox, under its CPU limit; the tests check what is sent against the SDK's
schema.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from aideator.agents.builtin import memory
from aideator.agents.builtin.loop import AgentSettings, ModelCallFailed, run_turn
from aideator.agents.builtin.messages import Json, MessagesClient
from aideator.agents.builtin.tools import Tools

PROTOCOL_VERSION = 1
LINE_BYTES_MAX = 8 * 2**20
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SETTINGS_VARIABLE = "AIDEATOR_AGENT_SETTINGS"
"""Environment variable with the settings as JSON: model, max_turns, effort,
temperature, thinking, instructions."""

Send = Callable[[dict[str, Any]], None]


@dataclass
class Session:
    """A conversation about one workspace."""

    workspace: Path
    messages: list[Json] = field(default_factory=list)
    turn: asyncio.Task[None] | None = None


class BuiltinAgent:
    """Answers ACP requests. Each prompt turn is a task, so that it can be cancelled."""

    def __init__(self, send: Send, tasks: asyncio.TaskGroup) -> None:
        self._send = send
        self._tasks = tasks
        self._sessions: dict[str, Session] = {}

    def receive(self, message: dict[str, Any]) -> None:
        """Handle one message from the client."""
        request, params = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case "initialize":
                self._reply(request, _introduction())
            case "session/new":
                session_id = uuid4().hex
                self._sessions[session_id] = Session(Path(params["cwd"]))
                self._reply(request, {"sessionId": session_id})
            case "session/load":
                self._load(request, params)
            case "session/prompt":
                self._prompt(request, params)
            case "session/cancel":
                session = self._sessions.get(params["sessionId"])
                if session and session.turn:
                    session.turn.cancel()
            case str(method) if request is not None:
                self._refuse(request, METHOD_NOT_FOUND, f"there is no method {method}")

    def stop(self) -> None:
        """Cancel all turns: the client has gone."""
        for session in self._sessions.values():
            if session.turn:
                session.turn.cancel()

    def _load(self, request: object, params: dict[str, Any]) -> None:
        session_id = params["sessionId"]
        try:
            messages = memory.load(session_id)
        except memory.SessionNotFound as error:
            self._refuse(request, INVALID_PARAMS, str(error))
            return
        self._sessions[session_id] = Session(Path(params["cwd"]), messages)
        for update in memory.replay(messages):
            self._notify("session/update", {"sessionId": session_id, "update": update})
        self._reply(request, {})

    def _prompt(self, request: object, params: dict[str, Any]) -> None:
        session_id = params["sessionId"]
        session = self._sessions.get(session_id)
        if session is None or (session.turn and not session.turn.done()):
            self._refuse(request, INVALID_PARAMS, "there is no such idle session")
            return
        text = "\n".join(
            block["text"] for block in params["prompt"] if block["type"] == "text"
        )
        session.turn = self._tasks.create_task(
            self._turn(request, session_id, session, text)
        )

    async def _turn(
        self, request: object, session_id: str, session: Session, text: str
    ) -> None:
        def emit(update: dict[str, Any]) -> None:
            self._notify("session/update", {"sessionId": session_id, "update": update})

        messages: list[Json] = [
            *session.messages,
            {"role": "user", "content": text},
        ]
        spec = AgentSettings.parse(os.environ[SETTINGS_VARIABLE], session.workspace)
        url, token = (
            os.environ["ANTHROPIC_BASE_URL"],
            os.environ["ANTHROPIC_AUTH_TOKEN"],
        )
        try:
            async with MessagesClient(url, token) as client:
                stop = await run_turn(
                    client, spec, messages, Tools(session.workspace), emit
                )
        except asyncio.CancelledError:
            self._reply(request, {"stopReason": "cancelled"})
            raise
        except ModelCallFailed as error:
            self._refuse(request, INTERNAL_ERROR, str(error), {"reason": error.reason})
            return
        if stop == "end_turn":
            # A turn that broke off may end in a tool call without a result, which the
            # API refuses in a later request.
            session.messages = messages
            memory.keep(session_id, messages)
        self._reply(request, {"stopReason": stop})

    def _reply(self, request: object, result: dict[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "id": request, "result": result})

    def _refuse(
        self,
        request: object,
        code: int,
        message: str,
        data: dict[str, Any] | None = None,
    ) -> None:
        self._send(
            {
                "jsonrpc": "2.0",
                "id": request,
                "error": {"code": code, "message": message, "data": data},
            }
        )

    def _notify(self, method: str, params: dict[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "method": method, "params": params})


def _introduction() -> dict[str, Any]:
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": {"loadSession": True},
        "agentInfo": {
            "name": "aideator",
            "title": "AIdeator's own agent",
            "version": "1",
        },
        "authMethods": [],
    }


async def serve(source: BinaryIO, send: Send) -> None:
    """Answer requests until the client closes its side, then cancel what runs."""
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
    async with asyncio.TaskGroup() as tasks:
        agent = BuiltinAgent(send, tasks)
        while line := await reader.readline():
            agent.receive(json.loads(line))
        agent.stop()


def main() -> None:
    """Run the agent on the standard streams of this process."""
    # What a library prints must not end up between the messages: from here on,
    # standard output leads to standard error.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        output.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        output.flush()

    asyncio.run(serve(sys.stdin.buffer, send))
