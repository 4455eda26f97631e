"""Requests for the model: what may pass, and what it reserves."""

import json
from dataclasses import dataclass
from typing import Any

from aideator.domain.usage import Budget
from aideator.gateway.budget import (
    SMALL_OUTPUT_TOKENS,
    TYPICAL_OUTPUT_TOKENS,
    Amount,
    Call,
    unpriced,
)
from aideator.gateway.meter import tokens_in
from aideator.gateway.prices import estimate
from aideator.gateway.refusal import Refusal, Scope

MESSAGES = ("POST", b"/v1/messages")
ROUTES = frozenset(
    {MESSAGES, ("POST", b"/v1/messages/count_tokens"), ("GET", b"/v1/models")}
)
"""All routes that can be reached. The files API is left out: an allowed host that
stores files is a way out for stolen ones."""

CALLER_TOOLS = (
    "custom",
    "bash_",
    "text_editor_",
    "computer_",
    "memory_",
    "tool_search_",
)
"""Prefixes of the tool types that the caller itself carries out. The others
(web_fetch, code_execution …) run at the provider."""


@dataclass(frozen=True)
class Request:
    """One request, read to its end.

    Attributes:
        target: Path and query, as they came.
        model: The model asked for; empty on other routes than `MESSAGES`.
        max_tokens: The most output that was asked for; None if the request does not
            say.
        streamed: Whether the answer was asked for as a stream.
    """

    route: tuple[str, bytes]
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    model: str = ""
    max_tokens: int | None = None
    streamed: bool = False

    def reservation(self, caps: Budget) -> Call:
        """Estimate what this call costs: with a small answer, and typically.

        The input is estimated by its length (`meter.tokens_in`) and priced at its
        dearest (`prices.estimate`).

        Raises:
            Refusal: with 402, if a cap is in US dollars and the model has no known
                price.
        """
        given = tokens_in(len(self.body))
        asked = TYPICAL_OUTPUT_TOKENS if self.max_tokens is None else self.max_tokens
        return Call(
            minimum=self._cost(given, min(asked, SMALL_OUTPUT_TOKENS), caps),
            reserved=self._cost(given, min(asked, TYPICAL_OUTPUT_TOKENS), caps),
            running=self._cost(given, 0, caps) if self.streamed else None,
        )

    def _cost(self, given: int, answered: int, caps: Budget) -> Amount:
        if caps.run_usd is None and caps.variation_usd is None:
            return Amount(given + answered)
        usd = estimate(self.model, given, answered)
        if usd is None:
            raise unpriced("run" if caps.variation_usd is None else "variation")
        return Amount(given + answered, usd)


def read_request(route: tuple[str, bytes], scope: Scope, body: bytes) -> Request:
    """Read what the gateway has to know of a request; its bytes pass untouched.

    Raises:
        Refusal: if the body cannot be read, or asks for what is not allowed.
    """
    query = scope["query_string"]
    target = scope["raw_path"] + (b"?" + query if query else b"")
    if route != MESSAGES:
        return Request(route, target, scope["headers"], body)
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise _invalid("the body is not a JSON object")
    _refuse_ways_out(asked)
    model = asked.get("model")
    return Request(
        route,
        target,
        scope["headers"],
        body,
        model=model if isinstance(model, str) else "",
        max_tokens=_max_tokens(asked),
        streamed=asked.get("stream") is True,
    )


def _max_tokens(asked: dict[str, Any]) -> int | None:
    # A lenient provider might take "64000" or 64000.0, for which nothing would have
    # been reserved. `True` is an int in Python.
    match asked.get("max_tokens"):
        case None:
            return None
        case int(count) if not isinstance(count, bool) and count >= 0:
            return count
        case _:
            raise _invalid("max_tokens must be a whole number")


def _refuse_ways_out(asked: dict[str, Any]) -> None:
    """Refuse what would run at the provider and reach out from there.

    A sandbox has no network, and must not get one by a detour.
    """
    tools = asked.get("tools")
    kinds = [
        tool.get("type", "custom")
        for tool in (tools if isinstance(tools, list) else [])
        if isinstance(tool, dict)
    ]
    outside = [kind for kind in kinds if not _runs_at_caller(kind)]
    if asked.get("mcp_servers"):
        outside.append("mcp_servers")
    if outside:
        raise Refusal(
            403,
            "permission_error",
            f"{outside[0]} reaches out of the sandbox from the provider; leave it out",
        )


def _runs_at_caller(kind: object) -> bool:
    return isinstance(kind, str) and kind.startswith(CALLER_TOOLS)


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_request_error", message)
