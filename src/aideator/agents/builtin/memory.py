"""What the built-in agent remembers of a session: the messages, as JSON in its home, for ACP's `session/load`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic.types import MessageParam

_FOLDER = Path(".aideator")
"""In the home; `catalog.toml` names it too, so that the platform keeps it for the next
turn."""


class Forgotten(Exception):
    """There is no such session."""


def keep(session_id: str, messages: "list[MessageParam]") -> None:
    """Write a session down, whole or not at all."""
    file = _file(session_id)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(
        json.dumps(messages, default=lambda block: block.to_dict(mode="json")),
        encoding="utf-8",
    )
    part.rename(file)


def recall(session_id: str) -> "list[MessageParam]":
    """The messages of a session.

    Raises:
        Forgotten: if it was not kept.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", session_id):
        raise Forgotten(f"there is no session {session_id[:80]!r}")
    try:
        messages: list[MessageParam] = json.loads(
            _file(session_id).read_text(encoding="utf-8")
        )
    except (OSError, ValueError) as error:
        raise Forgotten(f"the session cannot be read: {error}") from error
    return messages


def replay(messages: "list[MessageParam]") -> Iterator[dict[str, Any]]:
    """What was said, as session updates: ACP has a client hear a session again that it loads."""
    for message in messages:
        kind = (
            "user_message_chunk" if message["role"] == "user" else "agent_message_chunk"
        )
        content = message["content"]
        blocks: list[Any] = (
            [{"type": "text", "text": content}]
            if isinstance(content, str)
            else list(content)
        )
        for block in blocks:
            if block["type"] == "text":
                yield {
                    "sessionUpdate": kind,
                    "content": {"type": "text", "text": block["text"]},
                }


def _file(session_id: str) -> Path:
    return Path.home() / _FOLDER / f"{session_id}.json"
