"""The page at `/`: answers to requests that no route of the API takes.

FastAPI's own `frontend` is not used: it would neither send what was compressed at build
time nor the page's policy, and it looks files up for each request. Every address to
which a browser navigates is the page, which reads its address itself; anything else
that does not exist is 404.

The files (about forty, 0.9 MB) are in memory (`aideator.web`): no request reaches the
file system, so there is no path to traverse, and a new build needs a new start of the
server. This is the router's last resort, so the API's own 404 and 405 stay what they
are. The API's prefix is written into the page, because `API_V1_PREFIX` can move it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aideator.api.problems import problem
from aideator.web import INDEX, StaticFile

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "{frames}base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script but the page's files, no frame but those that
optional packages allow. Virtual lists need inline styles."""
_PREFIX = '<meta name="aideator-api" content="{}">'
_DEFAULT_PREFIX = _PREFIX.format("/api/v1").encode()


class Site:
    """Answer what the API does not (ASGI)."""

    def __init__(
        self,
        files: Mapping[str, StaticFile],
        prefix: str,
        frame_sources: Sequence[Callable[[str], str | None]] = (),
    ) -> None:
        """Hold the page.

        Args:
            files: What was built; empty when nothing was.
            prefix: Where the API is. Nothing below it is ever the page, and the prefix
                is written into the page.
            frame_sources: Each returns a host source that the page may show in frames,
                for the Host header of a request.
        """
        self._frame_sources = frame_sources
        self._files = dict(files)
        self._prefix = prefix
        if index := self._files.get(INDEX):
            body = index.body.replace(_DEFAULT_PREFIX, _PREFIX.format(prefix).encode())
            self._files[INDEX] = replace(index, body=body, gzipped=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HTTPException: if there is nothing of that name.
        """
        headers = Headers(scope=scope)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(404)
        await self._answer(str(scope["path"]), headers)(scope, receive, send)

    def _answer(self, path: str, headers: Headers) -> Response:
        if found := self._files.get(path):
            return self._send(found, headers)
        # `/` is the page for programs too: `curl` accepts anything.
        navigates = path == "/" or "text/html" in headers.get("accept", "")
        if self._is_below_the_api(path) or not navigates:
            raise HTTPException(404)
        if index := self._files.get(INDEX):
            return self._send(index, headers)
        return problem(
            503,
            "the page is not built here",
            hint="run `make web`, then start the server anew",
        )

    def _is_below_the_api(self, path: str) -> bool:
        return path == self._prefix or path.startswith(f"{self._prefix}/")

    def _send(self, file: StaticFile, headers: Headers) -> Response:
        zipped = file.gzipped if "gzip" in headers.get("accept-encoding", "") else None
        answer = Response(zipped or file.body, media_type=file.type)
        frames = self._frames(headers.get("host", ""))
        answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(
            frames=frames
        )
        answer.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if file.lasting else "no-cache"
        )
        answer.headers["X-DNS-Prefetch-Control"] = "off"
        answer.headers["Vary"] = "Accept-Encoding"
        if zipped is not None:
            answer.headers["Content-Encoding"] = "gzip"
        return answer

    def _frames(self, host: str) -> str:
        """Return the policy's directive for frames; none may be shown without it."""
        sources = [source(host) for source in self._frame_sources]
        allowed = " ".join(source for source in sources if source)
        return f"frame-src {allowed}; " if allowed else ""
