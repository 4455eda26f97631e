"""Client of Anthropic's Messages API: one streamed request, with retries.

It is written on HTTPX instead of Anthropic's SDK, whose import costs more than a CPU
second in every sandbox (decision 0066). The protocol:
https://platform.claude.com/docs/en/api/messages-streaming. A message, its blocks and
the events are the JSON of the API as plain dictionaries.
"""

import asyncio
import json
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self

import httpx2

API_VERSION = "2023-06-01"
READ_SECONDS = 180.0
"""Seconds of silence after which an answer counts as broken off; the API sends a ping
every few seconds."""
RETRIES = 4
"""Retries of a request whose answer has not begun."""
RETRY_SECONDS = 0.5
"""Wait before the first retry of a request; it doubles with each."""
RETRY_SECONDS_MAX = 60.0
"""Longest wait before a retry, also where the server names a longer one."""
EVENT_BYTES_MAX = 8 * 2**20
_RETRIED = frozenset({408, 409, 429})
"""Statuses below 500 that are worth another try, as in Anthropic's own SDKs."""

Json = dict[str, Any]


class RequestFailed(Exception):
    """The request got no answer, retries included.

    Attributes:
        status: HTTP status of the last answer; None if there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AnswerBroken(Exception):
    """An answer began, and ended with an error or in the middle."""


class MessagesClient:
    """Asks for messages at one address, with one token."""

    def __init__(self, base_url: str, token: str) -> None:
        # The gateway is plain HTTP on loopback, so TLS needs no CA bundle: loading one
        # takes time, and without one no server is trusted.
        self._http = httpx2.AsyncClient(
            base_url=base_url,
            headers={
                "authorization": f"Bearer {token}",
                "anthropic-version": API_VERSION,
                "accept": "text/event-stream",
            },
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,
            timeout=httpx2.Timeout(READ_SECONDS, connect=10.0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._http.aclose()

    @asynccontextmanager
    async def stream(self, request: Json) -> AsyncIterator[AsyncGenerator[Json]]:
        """Send a request, and yield the events of its answer as they come.

        Args:
            request: Body of `POST /v1/messages`, without `stream`.

        Raises:
            RequestFailed: if no answer begins.
            AnswerBroken: if the answer that began does not come to its end.
        """
        response = await self._begin(request)
        try:
            async with aclosing(_events(response)) as events:
                yield events
        finally:
            await response.aclose()

    async def _begin(self, request: Json) -> httpx2.Response:
        for attempt in range(RETRIES + 1):
            try:
                response = await self._send(request)
            except httpx2.TransportError as error:
                if attempt == RETRIES:
                    reason = str(error) or type(error).__name__
                    raise RequestFailed(
                        f"the model cannot be reached: {reason}"
                    ) from error
                await asyncio.sleep(retry_wait(attempt, httpx2.Headers()))
                continue
            if response.is_success:
                return response
            await _read(response)
            if attempt == RETRIES or not _worth_a_retry(response):
                break
            await asyncio.sleep(retry_wait(attempt, response.headers))
        raise RequestFailed(
            f"the model answered {response.status_code}: {_error_message(response)}",
            status=response.status_code,
        )

    async def _send(self, request: Json) -> httpx2.Response:
        whole = self._http.build_request(
            "POST", "/v1/messages", json=request | {"stream": True}
        )
        return await self._http.send(whole, stream=True)


async def _events(response: httpx2.Response) -> AsyncGenerator[Json]:
    try:
        async for sent in httpx2.EventSource(response, EVENT_BYTES_MAX):
            event = json.loads(sent.data)
            if event["type"] == "error":
                raise AnswerBroken(event["error"].get("message", "error"))
            yield event
            if event["type"] == "message_stop":
                return
    except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
        raise AnswerBroken(str(error) or type(error).__name__) from error
    raise AnswerBroken("the stream ended in the middle of the message")


async def _read(response: httpx2.Response) -> None:
    """Read the body of a refusal; one that breaks off reads as empty."""
    try:
        await response.aread()
    except httpx2.TransportError:
        await response.aclose()


def _worth_a_retry(response: httpx2.Response) -> bool:
    told = response.headers.get("x-should-retry")
    if told in {"true", "false"}:
        return told == "true"
    return response.status_code in _RETRIED or response.status_code >= 500


def retry_wait(attempt: int, headers: httpx2.Headers) -> float:
    """Return the seconds to wait before the retry that follows an attempt, from 0."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            told = float(headers[name]) * seconds
        except (KeyError, ValueError):
            continue
        if told > 0:  # not for "nan" either
            return min(told, RETRY_SECONDS_MAX)
    # Up to a quarter less, so that agents that were refused together return apart.
    jitter = 1 - 0.25 * random.random()
    return min(RETRY_SECONDS * 2.0**attempt, RETRY_SECONDS_MAX) * jitter


def _error_message(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, RuntimeError):
        return response.reason_phrase or "no reason was given"


class Message:
    """A message that grows with the events of its stream.

    Attributes:
        content: The blocks so far.
        calls: Ids of its tool calls.
        stop_reason: Why the model stopped; None until it did.
        malformed: Ids of the tool calls whose input is not a JSON object. It reads as
            an empty one, since the API refuses anything else in the next request.
    """

    def __init__(self) -> None:
        self.content: list[Json] = []
        self.calls: list[str] = []
        self.stop_reason: str | None = None
        self.malformed: set[str] = set()
        self._input = ""

    def add(self, event: Json) -> None:
        """Take in an event. Unknown events change nothing, as the API asks.

        Raises:
            AnswerBroken: if the event does not fit the message.
        """
        try:
            self._add(event)
        except (IndexError, KeyError, TypeError, AttributeError) as error:
            problem = f"an event of the stream is malformed: {error}"
            raise AnswerBroken(problem) from error

    def _add(self, event: Json) -> None:
        match event["type"]:
            case "content_block_start":
                self._start(event["index"], dict(event["content_block"]))
            case "content_block_delta":
                self._grow(self.content[event["index"]], event["delta"])
            case "content_block_stop":
                block = self.content[event["index"]]
                if block["type"] == "tool_use":
                    self._end_call(block)
            case "message_delta":
                self.stop_reason = event["delta"].get("stop_reason")

    def _start(self, index: int, block: Json) -> None:
        if index != len(self.content):
            raise IndexError(f"block {index} follows {len(self.content)} blocks")
        if block["type"] == "tool_use":
            self.calls.append(block["id"])
        self.content.append(block)
        self._input = ""

    def _grow(self, block: Json, delta: Json) -> None:
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "input_json_delta":
                self._input += delta["partial_json"]
            case "citations_delta":
                block["citations"] = [
                    *(block.get("citations") or ()),
                    delta["citation"],
                ]

    def _end_call(self, block: Json) -> None:
        try:
            found = json.loads(self._input or "{}")
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.malformed.add(block["id"])
            found = {}
        block["input"] = found
