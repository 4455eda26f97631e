"""One prompt turn: ask the model, carry out its tool calls, report both, repeat.

Reports are ACP session updates, as plain dictionaries
(https://agentclientprotocol.com/protocol/prompt-turn).
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from aideator.agents.builtin.messages import (
    AnswerBroken,
    Json,
    Message,
    MessagesClient,
    RequestFailed,
)
from aideator.agents.builtin.prompt import system_prompt
from aideator.agents.builtin.tools import KINDS, SCHEMAS, Result, ToolFailed, Tools

MAX_OUTPUT_TOKENS = 16_000
STREAM_RETRIES = 3
"""Retries of an answer that broke off."""
BACKOFF_SECONDS = 0.5
"""Wait before the first of these retries; it doubles with each."""
SHOWN_CHARACTERS = 8_000
"""Characters of a tool's result that are reported; the model gets all of it."""

Emit = Callable[[dict[str, Any]], None]


class ModelCallFailed(Exception):
    """The model did not answer, retries included.

    Attributes:
        reason: `model_failed` or `budget_exhausted`, as the platform knows it.
    """

    def __init__(self, message: str, *, reason: str = "model_failed") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class AgentSettings:
    """Settings of this agent, as `aideator.agents.factory` passes them in."""

    model: str
    system: str
    max_turns: int = 100
    effort: str | None = None
    temperature: float | None = None
    thinking: bool = True

    @classmethod
    def parse(cls, text: str, workspace: Path) -> Self:
        """Read the settings from the JSON that `aideator.agents.factory` makes."""
        fields = json.loads(text)
        return cls(
            system=system_prompt(str(workspace), fields.pop("instructions", "")),
            **fields,
        )

    def request(self) -> dict[str, Any]:
        """Return the fields of a Messages request that are the same in every request.

        They stay the same so that the prompt cache holds.
        """
        fields: dict[str, Any] = {
            "model": self.model,
            "max_tokens": MAX_OUTPUT_TOKENS,
            "system": self.system,
            "tools": SCHEMAS,
            "cache_control": {"type": "ephemeral"},
        }
        if self.effort is not None:
            fields["output_config"] = {"effort": self.effort}
        if self.temperature is not None:
            # Models that take a temperature refuse it together with thinking.
            fields["temperature"] = self.temperature
        elif self.thinking:
            fields["thinking"] = {"type": "adaptive", "display": "summarized"}
        return fields


async def run_turn(
    client: MessagesClient,
    spec: AgentSettings,
    messages: list[Json],
    tools: Tools,
    emit: Emit,
) -> str:
    """Work until the model asks for no more tool calls; append to `messages`.

    Returns:
        ACP's stop reason.

    Raises:
        ModelCallFailed: if the model does not answer, retries included.
    """
    for _ in range(spec.max_turns):
        answer = await _ask(client, spec, messages, emit)
        messages.append({"role": "assistant", "content": answer.content})
        match answer.stop_reason:
            case "tool_use":
                results = [
                    await _use(block, answer.malformed, tools, emit)
                    for block in answer.content
                    if block["type"] == "tool_use"
                ]
                messages.append({"role": "user", "content": results})
            case "pause_turn":
                continue
            case "refusal":
                return "refusal"
            case "max_tokens" | "model_context_window_exceeded":
                return "max_tokens"
            case _:
                return "end_turn"
    return "max_turn_requests"


async def _ask(
    client: MessagesClient,
    spec: AgentSettings,
    messages: list[Json],
    emit: Emit,
) -> Message:
    broken: Exception | None = None
    for attempt in range(STREAM_RETRIES + 1):
        if attempt:
            await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
        answer = Message()
        try:
            await _stream(client, spec.request() | {"messages": messages}, answer, emit)
            return answer
        except RequestFailed as error:
            spent = error.status == 402
            reason = "budget_exhausted" if spent else "model_failed"
            raise ModelCallFailed(str(error), reason=reason) from error
        except AnswerBroken as error:
            broken = error
        for call_id in answer.calls:
            emit(
                {
                    "sessionUpdate": "tool_call_update",
                    "toolCallId": call_id,
                    "status": "failed",
                }
            )
    raise ModelCallFailed(
        f"the model's answer broke off {STREAM_RETRIES + 1} times: {broken}"
    ) from broken


async def _stream(
    client: MessagesClient, request: Json, answer: Message, emit: Emit
) -> None:
    """Fill an answer from the stream, and report what it adds as it comes."""
    message_id = uuid4().hex
    async with client.stream(request) as events:
        async for event in events:
            answer.add(event)
            if event["type"].startswith("content_block_"):
                block_id = f"{message_id}-{event['index']}"
                _report(event, answer.content[event["index"]], block_id, emit)


def _report(event: Json, block: Json, block_id: str, emit: Emit) -> None:
    """Report what an event adds to a block of the message."""
    match event["type"], block["type"]:
        case "content_block_start", "tool_use":
            emit(_announcement(block))
        case "content_block_stop", "tool_use":
            emit(_intention(block))
        case "content_block_delta", _:
            delta = event["delta"]
            if delta["type"] == "text_delta":
                emit(_chunk("agent_message_chunk", delta["text"], block_id))
            elif delta["type"] == "thinking_delta":
                emit(_chunk("agent_thought_chunk", delta["thinking"], block_id))


def _chunk(update: str, text: str, block_id: str) -> dict[str, Any]:
    return {
        "sessionUpdate": update,
        "content": {"type": "text", "text": text},
        "messageId": block_id,
    }


def _announcement(call: Json) -> dict[str, Any]:
    return {
        "sessionUpdate": "tool_call",
        "toolCallId": call["id"],
        "title": call["name"],
        "kind": KINDS.get(call["name"], "other"),
        "status": "pending",
    }


def _intention(call: Json) -> dict[str, Any]:
    arguments = call["input"]
    path = arguments.get("file_path")
    about = (
        arguments.get("command")
        or f"{call['name']} {path or arguments.get('pattern') or ''}"
    )
    return {
        "sessionUpdate": "tool_call_update",
        "toolCallId": call["id"],
        "title": str(about).strip().partition("\n")[0][:200],
        "rawInput": arguments,
        "locations": [{"path": path}] if isinstance(path, str) else [],
    }


async def _use(call: Json, malformed: set[str], tools: Tools, emit: Emit) -> Json:
    def update(status: str, content: dict[str, Any] | None = None) -> None:
        news: dict[str, Any] = {
            "sessionUpdate": "tool_call_update",
            "toolCallId": call["id"],
            "status": status,
        }
        emit(news if content is None else {**news, "content": [content]})

    update("in_progress")
    try:
        if call["id"] in malformed:
            raise ToolFailed("the input must be a JSON object")
        result = await tools.call(
            call["name"], call["input"], lambda live: update("in_progress", _text(live))
        )
    except ToolFailed as error:
        update("failed", _text(str(error)))
        return {
            "type": "tool_result",
            "tool_use_id": call["id"],
            "content": str(error),
            "is_error": True,
        }
    update("completed", _content(result))
    return {"type": "tool_result", "tool_use_id": call["id"], "content": result.text}


def _content(result: Result) -> dict[str, Any]:
    if result.diff is None:
        return _text(result.text)
    return {
        "type": "diff",
        "path": result.diff.path,
        "oldText": result.diff.old,
        "newText": result.diff.new,
    }


def _text(text: str) -> dict[str, Any]:
    if len(text) > SHOWN_CHARACTERS:
        text = f"{text[:2000]}\n[…]\n{text[-SHOWN_CHARACTERS + 2000 :]}"
    return {"type": "content", "content": {"type": "text", "text": text}}
