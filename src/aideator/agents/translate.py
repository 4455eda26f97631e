"""Translate ACP session updates into our closed union of event bodies.

Pure functions that accept anything. What an agent sends is hostile and often newer than
this file: unknown parts are left out, malformed values become a default, and every text
is capped and made storable.
Schema: https://agentclientprotocol.com/protocol/schema
"""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any, Literal, get_args

from pydantic import JsonValue

from aideator.domain.events import (
    AgentOutput,
    AgentPlan,
    DiffContent,
    ErrorRaised,
    PlanEntry,
    TextContent,
    ToolCall,
    ToolCallUpdate,
    ToolContent,
    ToolStatus,
)

UpdateBody = AgentOutput | ToolCall | ToolCallUpdate | AgentPlan | ErrorRaised
"""Event bodies that an agent's updates can become."""

TEXT_MAX = 64 * 1024
"""Characters of one text or file version."""
TITLE_MAX = 500
ID_MAX = 200
ITEMS_MAX = 100
"""Entries of one list."""
RAW_MAX = 32 * 1024
"""Characters of a tool's raw input or output as JSON."""
RAW_DEPTH = 8
KINDS = frozenset(
    {"read", "edit", "delete", "move", "search", "execute", "think", "fetch", "other"}
)

_Json = dict[str, Any]


def translate(update: object) -> UpdateBody | None:
    """Translate one `update` of a `session/update`.

    Returns:
        None if the update has nothing to show.
    """
    if not isinstance(update, dict):
        return None
    match update.get("sessionUpdate"):
        case "agent_message_chunk":
            return _output("message", update)
        case "agent_thought_chunk":
            return _output("thought", update)
        case "tool_call":
            return _tool_call(update)
        case "tool_call_update":
            return _tool_call_update(update)
        case "plan":
            return AgentPlan(
                entries=tuple(
                    _plan_entry(entry) for entry in _items(update.get("entries"))
                )
            )
        case "session_info_update":
            return _codex_error(update)
        case _:
            return None


def clean(value: object, limit: int = TEXT_MAX) -> str:
    """Return `value` as a text that any store takes; "" if it is no text.

    It has no lone surrogates, no NUL and at most `limit` characters.
    """
    text = value if isinstance(value, str) else ""
    text = (
        text.encode("utf-8", "replace")
        .decode()
        .replace("\0", "\N{REPLACEMENT CHARACTER}")
    )
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _output(
    channel: Literal["message", "thought"], update: _Json
) -> AgentOutput | None:
    content = update.get("content")
    if not isinstance(content, dict):
        return None
    if content.get("type") == "text":
        text = clean(content.get("text"))
    else:
        text = f"[{clean(content.get('type'), 40)}]"
    if not text:
        return None
    message_id = clean(update.get("messageId"), ID_MAX) or None
    return AgentOutput(channel=channel, text=text, message_id=message_id)


def _tool_call(update: _Json) -> ToolCall | None:
    call_id = clean(update.get("toolCallId"), ID_MAX)
    if not call_id:
        return None
    return ToolCall(
        tool_call_id=call_id,
        title=clean(update.get("title"), TITLE_MAX) or "tool",
        tool_kind=_kind(update) or "other",
        status=_status(update) or "pending",
        content=_contents(update) or (),
        paths=_paths(update) or (),
        raw_input=_raw(update.get("rawInput")),
    )


def _tool_call_update(update: _Json) -> ToolCallUpdate | None:
    call_id = clean(update.get("toolCallId"), ID_MAX)
    if not call_id:
        return None
    return ToolCallUpdate(
        tool_call_id=call_id,
        title=clean(update.get("title"), TITLE_MAX) or None,
        tool_kind=_kind(update),
        status=_status(update),
        content=_contents(update),
        paths=_paths(update),
        raw_input=_raw(update.get("rawInput")),
        raw_output=_raw(update.get("rawOutput")),
    )


def _kind(update: _Json) -> str | None:
    kind = update.get("kind")
    if kind is None:
        return None
    return kind if isinstance(kind, str) and kind in KINDS else "other"


def _status(update: _Json) -> ToolStatus | None:
    for known in get_args(ToolStatus):
        if update.get("status") == known:
            status: ToolStatus = known
            return status
    return None


def _contents(update: _Json) -> tuple[ToolContent, ...] | None:
    if not isinstance(update.get("content"), list):
        return _codex_terminal(update)
    contents = (_content(item) for item in _items(update["content"]))
    return tuple(content for content in contents if content is not None)


def _content(item: object) -> ToolContent | None:
    match item:
        case {"type": "content", "content": {"type": "text", "text": str(text)}}:
            return TextContent(text=clean(text))
        case {"type": "diff", "path": str(path), "newText": str(new), **more}:
            old = more.get("oldText")
            return DiffContent(
                path=clean(path, TITLE_MAX),
                old_text=clean(old) if isinstance(old, str) else None,
                new_text=clean(new),
            )
        case _:
            return None


def _codex_terminal(update: _Json) -> tuple[ToolContent, ...] | None:
    # Codex reports a command's output in its own extension only.
    match update.get("_meta"):
        case {"terminal_output_delta": {"data": str(data)}}:
            return (TextContent(text=clean(data)),)
        case _:
            return None


def _codex_error(update: _Json) -> ErrorRaised | None:
    # Codex ends a turn in good order when every model call was refused, and reports
    # the refusal here only.
    match update.get("_meta"):
        case {"codex": {"error": str(message)}} | {
            "codex": {"error": {"message": str(message)}}
        }:
            return ErrorRaised(reason="agent_error", message=clean(message, TITLE_MAX))
        case _:
            return None


def _paths(update: _Json) -> tuple[str, ...] | None:
    if not isinstance(update.get("locations"), list):
        return None
    places = (
        item.get("path")
        for item in _items(update["locations"])
        if isinstance(item, dict)
    )
    return tuple(clean(path, TITLE_MAX) for path in places if isinstance(path, str))


def _plan_entry(entry: object) -> PlanEntry:
    fields = entry if isinstance(entry, dict) else {}
    priority, status = fields.get("priority"), fields.get("status")
    return PlanEntry(
        content=clean(fields.get("content"), TITLE_MAX),
        priority=priority if priority in ("high", "medium", "low") else "medium",
        status=status
        if status in ("pending", "in_progress", "completed")
        else "pending",
    )


def _items(value: object) -> Sequence[object]:
    return value[:ITEMS_MAX] if isinstance(value, list) else ()


def _raw(value: object) -> JsonValue:
    storable = _storable(value, RAW_DEPTH)
    encoded = json.dumps(storable, ensure_ascii=False)
    return storable if len(encoded) <= RAW_MAX else f"{encoded[:RAW_MAX]}…"


def _storable_number(value: float) -> JsonValue:
    if isinstance(value, float):
        return value if isfinite(value) else None
    # Beyond 64 bits stores and browsers disagree about numbers.
    return value if abs(value) < 2**63 else hex(value)[:ID_MAX]


def _storable(value: object, depth: int) -> JsonValue:
    if depth == 0:
        return "…"
    match value:
        case None | bool():
            return value
        case float() | int():
            return _storable_number(value)
        case str():
            return clean(value, RAW_MAX)
        case dict():
            fields = list(value.items())[:ITEMS_MAX]
            return {
                clean(name, ID_MAX): _storable(field, depth - 1)
                for name, field in fields
            }
        case list():
            return [_storable(item, depth - 1) for item in _items(value)]
        case _:
            return None
