"""Requests for the model: what may pass, and what it reserves."""

from collections.abc import Sequence
from dataclasses import dataclass

from aideator.domain.usage import Budget
from aideator.gateway.budget import (
    SMALL_OUTPUT_TOKENS,
    TYPICAL_OUTPUT_TOKENS,
    Amount,
    Call,
    unpriced,
)
from aideator.gateway.inspection import RequestInspector, invalid
from aideator.gateway.meter import tokens_in
from aideator.gateway.prices import estimate
from aideator.gateway.refusal import Scope
from aideator.gateway.strict_json import AmbiguousJson, parse_object

MESSAGES = ("POST", b"/v1/messages")
ROUTES = frozenset(
    {MESSAGES, ("POST", b"/v1/messages/count_tokens"), ("GET", b"/v1/models")}
)
"""All routes that can be reached. The files API is left out: an allowed host that
stores files is a way out for stolen ones."""


@dataclass(frozen=True)
class Request:
    """One request, read to its end.

    Attributes:
        target: Path and query, as they came.
        headers: Those of the caller's that pass.
        model: The model asked for; empty on a route without a body.
        models: All models that may answer.
        max_tokens: The most output that was asked for; None if the request does not
            say.
        streamed: Whether the answer was asked for as a stream.
        long_cached: Whether input may be cached for an hour.
        unknown: What is not on the list of what may pass, in words.
    """

    route: tuple[str, bytes]
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    model: str = ""
    max_tokens: int | None = None
    streamed: bool = False
    models: Sequence[str] = ()
    long_cached: bool = False
    unknown: Sequence[str] = ()

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
        dearest = 0.0
        for model in self.models:
            usd = estimate(model, given, answered, cached_for_an_hour=self.long_cached)
            if usd is None:
                raise unpriced("run" if caps.variation_usd is None else "variation")
            dearest = max(dearest, usd)
        return Amount(given + answered, dearest)


def read_request(route: tuple[str, bytes], scope: Scope, body: bytes) -> Request:
    """Look through a request; the bytes of its body pass as they are (decision 0067).

    Raises:
        Refusal: if the body cannot be read in one way only, or asks for what is not
            allowed.
    """
    inspection = RequestInspector()
    headers = list(inspection.headers(scope["headers"]))
    query = scope["query_string"]
    inspection.query(query)
    target = scope["raw_path"] + (b"?" + query if query else b"")
    if route[0] == "GET":
        if body:
            raise invalid("this route takes no body")
        return Request(route, target, headers, body, unknown=inspection.unknown)
    try:
        asked = parse_object(body)
    except AmbiguousJson as error:
        raise invalid(str(error)) from None
    inspection.body(asked)
    return Request(
        route,
        target,
        [*headers, (b"content-type", b"application/json")],
        body,
        model=asked["model"],
        models=tuple(inspection.models),
        max_tokens=asked.get("max_tokens"),
        streamed=asked.get("stream") is True,
        long_cached=inspection.long_cached,
        unknown=inspection.unknown,
    )
