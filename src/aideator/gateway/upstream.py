"""Calls to the provider: the real key, the headers that may pass, failures in words.

Bodies pass byte for byte. Two things in an answer are changed on purpose: the real key,
should a provider ever echo it (`redact.py`), and a content coding that was not asked
for, because an answer that cannot be read cannot be metered.
"""

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx2
from pydantic import SecretStr

from aideator.gateway.redact import Redaction
from aideator.gateway.refusal import Refusal

Headers = list[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection "
    b"te trailer transfer-encoding upgrade".split()
)
"""Headers about one connection (RFC 9110, section 7.6.1, and older ones)."""
_CREDENTIALS = frozenset(
    b"authorization x-api-key x-goog-api-key cookie set-cookie".split()
)
_OURS = frozenset(b"host content-length expect accept-encoding".split())
"""Headers of a request that are set anew."""

INFLATED_BYTES_MAX = 64 * 1024
"""Bytes that a compressed answer is inflated to at a time."""


class StreamCut(Exception):
    """The provider's answer broke off after it had begun.

    The caller must see the same.
    """


@dataclass
class UpstreamResponse:
    """An answer of the provider whose body is still to come."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


class Upstream:
    """The provider that a gateway leads to.

    Args:
        client: HTTP client. It sends whole requests only, so that neither its cookies
            nor its default headers take part.
        base_url: URL before the provider's `/v1`.
        api_key: The real key, or None for a provider that needs none; that one is
            shown the lease's token instead.
    """

    def __init__(
        self, client: httpx2.AsyncClient, base_url: str, api_key: SecretStr | None
    ) -> None:
        self._client = client
        self._base = httpx2.URL(base_url)
        self._key = api_key.get_secret_value().encode() if api_key else b""
        self._redaction = Redaction(self._key)

    def at(self, base_url: str) -> "Upstream":
        """Return another provider, which needs no key and is never shown this one's."""
        return Upstream(self._client, base_url, None)

    @asynccontextmanager
    async def call(
        self, method: str, target: bytes, headers: Headers, body: bytes, token: str
    ) -> AsyncIterator[UpstreamResponse]:
        """Pass a request on.

        Leaving the context early closes the connection, which ends the model's work.

        Raises:
            Refusal: if no answer began.
            StreamCut: from `Answer.chunks`, if it broke off.
        """
        sent = [*_passing(headers, _CREDENTIALS | _OURS)]
        # Without a key the lease itself (`lease-<variation>-<random>`) goes upstream:
        # the scripted model finds the script of a variation by it. This gives nothing
        # away: a lease is accepted by this gateway alone and ends with the agent's
        # turn.
        sent += [
            (b"accept-encoding", b"identity"),
            (b"x-api-key", self._key or token.encode()),
        ]
        url = self._base.copy_with(raw_path=self._base.raw_path.rstrip(b"/") + target)
        request = httpx2.Request(method, url, headers=sent, content=body)
        with _failures_in_words():
            response = await self._client.send(request, stream=True)
        try:
            yield self._answer(response)
        finally:
            await response.aclose()

    def _answer(self, response: httpx2.Response) -> UpstreamResponse:
        coding = response.headers.get("content-encoding", "identity")
        headers = self._headers(response)
        chunks = _until_cut(response.aiter_raw())
        if coding not in ("identity", "gzip", "deflate"):
            raise Refusal(
                502,
                "api_error",
                "the model's server answered in a coding that cannot be metered: "
                f"{coding}",
            )
        if coding != "identity":
            headers = [
                pair
                for pair in headers
                if pair[0] not in (b"content-encoding", b"content-length")
            ]
            chunks = _inflated(chunks)
        return UpstreamResponse(
            response.status_code,
            headers,
            self._redaction.blank_stream(chunks) if self._key else chunks,
        )

    def _headers(self, response: httpx2.Response) -> Headers:
        headers = [
            (name.lower(), self._redaction.blank(value))
            for name, value in _passing(response.headers.raw, _CREDENTIALS)
            if not self._redaction.names_it(name)
        ]
        if response.status_code != 401:
            return headers
        # The key is the host's: an agent that tries again cannot correct it.
        return [
            *(pair for pair in headers if pair[0] != b"x-should-retry"),
            (b"x-should-retry", b"false"),
        ]


def _passing(
    headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes]
) -> Headers:
    pairs = list(headers)
    named = b",".join(value for name, value in pairs if name.lower() == b"connection")
    dropped |= _HOP_BY_HOP | {name.strip().lower() for name in named.split(b",")}
    return [(name, value) for name, value in pairs if name.lower() not in dropped]


@contextmanager
def _failures_in_words() -> Iterator[None]:
    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise Refusal(
            504,
            "timeout_error",
            "the model's server cannot be reached in time",
            retry_after=5,
        ) from error
    except httpx2.TimeoutException as error:
        raise Refusal(
            504,
            "timeout_error",
            "the model's server did not answer in time",
            retry_after=5,
        ) from error
    except httpx2.ConnectError as error:
        raise Refusal(
            502, "api_error", "the model's server cannot be reached", retry_after=5
        ) from error
    except httpx2.HTTPError as error:
        raise Refusal(
            502,
            "api_error",
            "the model's server broke off before it answered",
            retry_after=5,
        ) from error


async def _until_cut(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    except httpx2.TimeoutException as error:
        raise StreamCut(
            "the model's server stopped sending in the middle of its answer"
        ) from error
    except httpx2.HTTPError as error:
        raise StreamCut(
            "the model's server broke off in the middle of its answer"
        ) from error


async def _inflated(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Inflate in bounded pieces: a chunk may grow a thousandfold."""
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        async for chunk in chunks:
            rest = chunk
            while rest and not inflate.eof:
                text = inflate.decompress(rest, INFLATED_BYTES_MAX)
                rest = inflate.unconsumed_tail
                if text:
                    yield text
    except zlib.error as error:
        raise StreamCut("the model's server sent a broken gzip stream") from error
