"""One prompt turn: ask the model, carry out its tool calls, report both, repeat.

Reports are ACP session updates, as plain dictionaries
(https://agentclientprotocol.com/protocol/prompt-turn).
"""

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import anthropic
import httpx2
from anthropic.types import Message, MessageParam, ToolResultBlockParam, ToolUseBlock

from aideator.agents.builtin.prompt import system_prompt
from aideator.agents.builtin.tools import KINDS, SCHEMAS, Result, ToolFailed, Tools

MAX_OUTPUT_TOKENS = 16_000
REQUEST_RETRIES = 4
"""Retries by the SDK: no connection, 408, 409, 429 and 5xx, before an answer has
begun."""
STREAM_RETRIES = 3
"""Retries by this module: an answer that broke off, which the SDK does not retry."""
BACKOFF_SECONDS = 0.5
"""Wait before the first retry by this module; it doubles with each."""
READ_SECONDS = 180.0
"""Seconds of silence after which an answer counts as broken off; the API sends a ping
every few seconds."""
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
            # SDK 2 has no such parameter any more. Models that still take it refuse it
            # together with thinking.
            fields["extra_body"] = {"temperature": self.temperature}
        elif self.thinking:
            fields["thinking"] = {"type": "adaptive", "display": "summarized"}
        return fields


def model_client(base_url: str, token: str) -> anthropic.AsyncAnthropic:
    """Return a client that reaches the gateway and nothing else."""
    timeout = httpx2.Timeout(READ_SECONDS, connect=10.0)
    # The gateway is plain HTTP on loopback, so TLS needs no CA bundle: loading one
    # takes time, and without one no server is trusted.
    http = httpx2.AsyncClient(
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False, timeout=timeout
    )
    return anthropic.AsyncAnthropic(
        auth_token=token,
        base_url=base_url,
        max_retries=REQUEST_RETRIES,
        timeout=timeout,
        http_client=http,
    )


async def run_turn(
    client: anthropic.AsyncAnthropic,
    spec: AgentSettings,
    messages: list[MessageParam],
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
                calls = [
                    block for block in answer.content if isinstance(block, ToolUseBlock)
                ]
                messages.append(
                    {
                        "role": "user",
                        "content": [await _use(call, tools, emit) for call in calls],
                    }
                )
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
    client: anthropic.AsyncAnthropic,
    spec: AgentSettings,
    messages: list[MessageParam],
    emit: Emit,
) -> Message:
    broken: Exception | None = None
    for attempt in range(STREAM_RETRIES + 1):
        if attempt:
            await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
        announced: list[str] = []
        try:
            return await _stream(client, spec, messages, emit, announced)
        except anthropic.APIStatusError as error:
            # An error event inside a stream has the status of the stream's beginning.
            if error.response.status_code != 200:
                raise _failure(error) from error
            broken = error
        except anthropic.APIConnectionError as error:
            raise ModelCallFailed(
                f"the model cannot be reached: {error.message}"
            ) from error
        except (httpx2.HTTPError, ValueError) as error:
            broken = error
        for call_id in announced:
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


def _failure(error: anthropic.APIStatusError) -> ModelCallFailed:
    reason = "budget_exhausted" if error.status_code == 402 else "model_failed"
    return ModelCallFailed(
        f"the model answered {error.status_code}: {error.api_message or error.message}",
        reason=reason,
    )


async def _stream(
    client: anthropic.AsyncAnthropic,
    spec: AgentSettings,
    messages: list[MessageParam],
    emit: Emit,
    announced: list[str],
) -> Message:
    message_id = block_id = uuid4().hex
    async with client.messages.stream(messages=messages, **spec.request()) as stream:
        async for event in stream:
            match event.type:
                case "text":
                    emit(_chunk("agent_message_chunk", event.text, block_id))
                case "thinking":
                    emit(_chunk("agent_thought_chunk", event.thinking, block_id))
                case "content_block_start":
                    block_id = f"{message_id}-{event.index}"
                    if event.content_block.type == "tool_use":
                        announced.append(event.content_block.id)
                        emit(_announcement(event.content_block))
                case "content_block_stop" if event.content_block.type == "tool_use":
                    emit(_intention(event.content_block))
                case "message_stop":
                    return event.message
                case _:
                    continue
    raise httpx2.RemoteProtocolError("the stream ended in the middle of the message")


def _chunk(update: str, text: str, block_id: str) -> dict[str, Any]:
    return {
        "sessionUpdate": update,
        "content": {"type": "text", "text": text},
        "messageId": block_id,
    }


def _announcement(call: ToolUseBlock) -> dict[str, Any]:
    return {
        "sessionUpdate": "tool_call",
        "toolCallId": call.id,
        "title": call.name,
        "kind": KINDS.get(call.name, "other"),
        "status": "pending",
    }


def _intention(call: ToolUseBlock) -> dict[str, Any]:
    arguments = call.input if isinstance(call.input, dict) else {}
    path = arguments.get("file_path")
    about = (
        arguments.get("command")
        or f"{call.name} {path or arguments.get('pattern') or ''}"
    )
    return {
        "sessionUpdate": "tool_call_update",
        "toolCallId": call.id,
        "title": str(about).strip().partition("\n")[0][:200],
        "rawInput": arguments,
        "locations": [{"path": path}] if isinstance(path, str) else [],
    }


async def _use(call: ToolUseBlock, tools: Tools, emit: Emit) -> ToolResultBlockParam:
    def update(status: str, content: dict[str, Any] | None = None) -> None:
        news: dict[str, Any] = {
            "sessionUpdate": "tool_call_update",
            "toolCallId": call.id,
            "status": status,
        }
        emit(news if content is None else {**news, "content": [content]})

    update("in_progress")
    try:
        if not isinstance(call.input, dict):
            raise ToolFailed("the input must be an object")
        result = await tools.call(
            call.name, call.input, lambda live: update("in_progress", _text(live))
        )
    except ToolFailed as error:
        update("failed", _text(str(error)))
        return {
            "type": "tool_result",
            "tool_use_id": call.id,
            "content": str(error),
            "is_error": True,
        }
    update("completed", _content(result))
    return {"type": "tool_result", "tool_use_id": call.id, "content": result.text}


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
