"""Validate requests as strictly as the Messages API, where agents make mistakes.

Written from the types of the `anthropic` SDK 2.12 and the public API reference. Rules
that need knowledge of real models (which model takes which parameter) are left out.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aideator.testing.model.script import Round

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""HTTP status → `error.type`; every other status is an `api_error`."""

Blocks = list[dict[str, Any]]


class InvalidRequest(Exception):
    """A request that the API would refuse."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Caller:
    """A credential, and the variation of its lease (None for an ordinary key)."""

    credential: str
    variation: int | None


def caller(headers: Mapping[str, str]) -> Caller:
    """Read the credential, as `x-api-key` or `Authorization: Bearer`.

    A lease is `lease-<variation>-<random>`.

    Raises:
        InvalidRequest: (401) if there is none.
    """
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    credential = headers.get("x-api-key") or bearer
    if not credential:
        raise InvalidRequest("x-api-key header is required", 401)
    lease = re.match(r"lease-(\d+)-", credential)
    return Caller(credential, int(lease[1]) if lease else None)


def check_request(headers: Mapping[str, str], body: object) -> dict[str, Any]:
    """Refuse what the API would refuse.

    Raises:
        InvalidRequest: with the status and message of the API's answer.
    """
    if "anthropic-version" not in headers:
        raise InvalidRequest("anthropic-version: header is required")
    if not isinstance(body, dict):
        raise InvalidRequest(
            "The request body is not valid JSON: an object is expected"
        )
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise InvalidRequest("model: Field required")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("messages: at least one message is required")
    _check_messages(messages)
    return body


def check_sampling(body: dict[str, Any]) -> None:
    """Refuse wrong parameters of a call that creates a message.

    Counting tokens takes fewer parameters.

    Raises:
        InvalidRequest: with the API's message.
    """
    limit = body.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise InvalidRequest("max_tokens: Field required, an integer of at least 1")
    if thinks(body) and body.get("temperature", 1) != 1:
        raise InvalidRequest(
            "`temperature` may only be set to 1 when thinking is enabled"
        )


def _check_messages(messages: list[Any]) -> None:
    owed: set[str] = set()
    for place, message in enumerate(messages):
        role = _role(message, place)
        blocks = _blocks(message, place)
        if role == "system":
            continue
        results = [block for block in blocks if block.get("type") == "tool_result"]
        answered = {block.get("tool_use_id") for block in results}
        missing, unknown = owed - answered, answered - owed
        if missing:
            raise InvalidRequest(
                f"messages.{place}: `tool_use` ids were found without `tool_result` "
                f"blocks immediately after: {', '.join(sorted(missing))}",
            )
        if unknown:
            raise InvalidRequest(
                f"messages.{place}: unexpected `tool_use_id` found in `tool_result` "
                f"blocks: {sorted(map(str, unknown))}. Each `tool_result` block must "
                "have a corresponding `tool_use` block in the previous message",
            )
        owed = {block["id"] for block in blocks if block.get("type") == "tool_use"}
    if owed:
        raise InvalidRequest(
            "messages: `tool_use` ids were found without `tool_result` blocks: "
            + ", ".join(sorted(owed))
        )


def _role(message: Any, place: int) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in {"user", "assistant", "system"}:
        raise InvalidRequest(
            f"messages.{place}.role: Input should be 'user', 'assistant' or 'system'"
        )
    if place == 0 and role != "user":
        raise InvalidRequest(
            "messages.0.role: the first message must have the role 'user'"
        )
    return str(role)


def _blocks(message: dict[str, Any], place: int) -> Blocks:
    content = message.get("content")
    if isinstance(content, str) and content:
        return [{"type": "text", "text": content}]
    is_list = isinstance(content, list) and bool(content)
    if not is_list or not all(isinstance(block, dict) for block in content or ()):
        raise InvalidRequest(
            f"messages.{place}.content: a text or a list of blocks, "
            "which must not be empty"
        )
    blocks: Blocks = content or []
    for number, block in enumerate(blocks):
        _check_block(block, f"messages.{place}.content.{number}")
    return blocks


def _check_block(block: dict[str, Any], where: str) -> None:
    match block:
        case {"type": "text", "text": str(text)} if not text.strip():
            raise InvalidRequest(
                f"{where}: text content blocks must contain non-whitespace text"
            )
        case {
            "type": "thinking",
            "thinking": str(text),
            "signature": str(found),
        } if found != signature(text):
            raise InvalidRequest(f"{where}: Invalid `signature` in `thinking` block")
        case {"type": "tool_use", "id": str(), "input": dict()}:
            return
        case {"type": "tool_use"}:
            raise InvalidRequest(
                f"{where}: a `tool_use` block needs an id, a name and an input"
            )
        case {"type": str()}:
            return
        case _:
            raise InvalidRequest(f"{where}.type: Field required")


def check_call(name: str, arguments: dict[str, Any], body: dict[str, Any]) -> None:
    """Refuse a scenario's call of a tool that the request does not offer.

    Raises:
        InvalidRequest: with the tools or the fields that would fit.
    """
    offered: list[dict[str, Any]] = body.get("tools") or []
    tools = {str(tool.get("name")): tool for tool in offered}
    if name not in tools:
        raise InvalidRequest(
            f"scenario: the turn calls {name!r}, but the request offers {sorted(tools)}"
        )
    schema: dict[str, Any] = tools[name].get("input_schema") or {}
    known = set(schema.get("properties") or arguments)
    needed = set(schema.get("required") or ())
    wrong = (set(arguments) - known) | (needed - set(arguments))
    if wrong:
        raise InvalidRequest(
            f"scenario: {name} takes {sorted(known)} and needs {sorted(needed)}; "
            f"not so {sorted(wrong)}"
        )


def rounds(messages: list[Any]) -> Iterator[Round]:
    """Split a conversation at the model's answers; the last round is the one due."""
    prompt: list[str] = []
    results: list[str] = []
    failed = False
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            yield Round("\n".join(prompt), "\n".join(results), failed)
            results, failed = [], False
            continue
        for block in _blocks(message, place):
            if block["type"] == "tool_result":
                results.append(_text(block.get("content") or ""))
                failed = failed or bool(block.get("is_error"))
            elif block["type"] == "text" and message["role"] == "user":
                prompt.append(block["text"])
    yield Round("\n".join(prompt), "\n".join(results), failed)


def _text(content: str | Blocks) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")


def thinks(body: dict[str, Any]) -> Literal["", "omitted", "summarized"]:
    """Return how the request wants to see thinking; "" if it did not ask for any.

    Adaptive thinking shows nothing unless `display` is "summarized" (the default is
    "omitted" since Opus 4.7).
    """
    asked = body.get("thinking")
    if not isinstance(asked, dict) or asked.get("type") not in {"adaptive", "enabled"}:
        return ""
    default = "summarized" if asked["type"] == "enabled" else "omitted"
    display = asked.get("display") or default
    return "summarized" if display == "summarized" else "omitted"


def signature(thinking: str) -> str:
    """Return the signature of a thinking block.

    Ours is a plain digest: it only has to detect an altered block.
    """
    digest = hashlib.sha256(b"scripted " + thinking.encode()).digest()
    return base64.b64encode(digest).decode()


def tokens(value: object) -> int:
    """Estimate tokens: one for each four characters of JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return math.ceil(len(text) / 4)
