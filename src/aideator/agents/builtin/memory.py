"""Store the built-in agent's sessions for ACP's `session/load`.

A session is its messages, as JSON in the agent's home.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aideator.agents.builtin.messages import Json

_FOLDER = Path(".aideator")
"""Folder in the agent's home. `catalog.toml` names it too, so that the platform keeps
it for the next turn."""


class SessionNotFound(Exception):
    """There is no such session, or it cannot be read."""


def keep(session_id: str, messages: list[Json]) -> None:
    """Store a session, whole or not at all."""
    file = _file(session_id)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(messages), encoding="utf-8")
    part.rename(file)


def load(session_id: str) -> list[Json]:
    """Return the messages of a session.

    Raises:
        SessionNotFound: if it was not kept or cannot be read.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", session_id):
        raise SessionNotFound(f"there is no session {session_id[:80]!r}")
    try:
        messages: list[Json] = json.loads(_file(session_id).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SessionNotFound(f"the session cannot be read: {error}") from error
    return messages


def replay(messages: list[Json]) -> Iterator[dict[str, Any]]:
    """Yield what was said as session updates.

    ACP demands that a session that is loaded is replayed to the client.
    """
    for message in messages:
        said_by_user = message["role"] == "user"
        kind = "user_message_chunk" if said_by_user else "agent_message_chunk"
        for text in _texts(message["content"]):
            yield {
                "sessionUpdate": kind,
                "content": {"type": "text", "text": text},
            }


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block["type"] == "text"]


def _file(session_id: str) -> Path:
    return Path.home() / _FOLDER / f"{session_id}.json"
