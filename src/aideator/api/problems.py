"""Errors as problem documents: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457.

There is one problem type per HTTP status; its `type` is the address of its paragraph on
the server's `/docs` page.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response

from aideator.domain.errors import AideatorError, FieldError, InvalidInput
from aideator.domain.field_errors import field_message
from aideator.domain.problem_hints import HINTS
from aideator.domain.visible import visible_text

MEDIA_TYPE = "application/problem+json"
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""For every answer that does not set its own."""


class WrongField(BaseModel):
    """One wrong field of the request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    field: str
    """Its path with dots, such as `agent_config.temperature`."""
    message: str


class Problem(BaseModel):
    """What went wrong, and what to do next."""

    model_config = ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={
            "example": {
                "type": "/docs#problem-422",
                "title": "The submission is not valid",
                "status": 422,
                "detail": "variations: at most 5 (MAX_VARIATIONS); not 6",
                "errors": [
                    {
                        "field": "variations",
                        "message": "at most 5 (MAX_VARIATIONS); not 6",
                    }
                ],
            }
        },
    )

    type: str
    """Stable: the same for every problem of this kind."""
    title: str
    status: int
    """The HTTP status, once more."""
    detail: str
    """What went wrong this time."""
    hint: str | None = None
    """What to do next."""
    errors: list[WrongField] | None = None
    """The wrong fields, one by one."""


@dataclass(frozen=True)
class Kind:
    """A kind of problem."""

    title: str
    hint: str


_TITLES = {
    400: "The request cannot be read",
    401: "A valid API key is needed",
    403: "This is not allowed",
    404: "There is no such thing",
    405: "This address does not take this method",
    409: "The present state does not allow this",
    413: "The request is too large",
    421: "The server does not answer to this host name",
    422: "The submission is not valid",
    429: "Too many requests",
    500: "A bug of AIdeator",
    502: "Another server that this needs refuses",
    503: "The server lacks something that this needs",
}
KINDS: Mapping[int, Kind] = {
    status: Kind(title, HINTS[status]) for status, title in _TITLES.items()
}
"""Every kind of problem, by its HTTP status."""


def problem(
    status: int,
    detail: str,
    *,
    hint: str = "",
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document as an answer.

    Args:
        status: The HTTP status.
        detail: What went wrong this time.
        hint: What to do next; the kind's own hint when empty.
        errors: The wrong fields.
        headers: Of the answer.
    """
    kind = KINDS.get(status) or Kind(HTTPStatus(status).phrase, "")
    wrong = [_visible(error) for error in errors]
    document = Problem(
        type=f"/docs#problem-{status}" if status in KINDS else "about:blank",
        title=kind.title,
        status=status,
        detail=visible_text(detail),
        hint=visible_text(hint) or kind.hint or None,
        errors=wrong or None,
    )
    body = document.model_dump_json(exclude_none=True)
    return Response(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def _visible(error: FieldError) -> WrongField:
    """Return a wrong field, whose name and value may be foreign text."""
    return WrongField(
        field=visible_text(error.field), message=visible_text(error.message)
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the problems that an operation can answer with, for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": KINDS[status].title,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def text(description: str, media_type: str) -> dict[int | str, dict[str, Any]]:
    """Return the text that an operation answers with, for OpenAPI."""
    return {
        200: {
            "description": description,
            "content": {media_type: {"schema": {"type": "string"}}},
        }
    }


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem document."""
    app.add_exception_handler(AideatorError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(500, _bug)


async def _expected(_: Request, error: Exception) -> Response:
    assert isinstance(error, AideatorError)
    fields = error.fields if isinstance(error, InvalidInput) else ()
    headers = {
        401: {"WWW-Authenticate": "ApiKey"},
        429: {"Retry-After": "3"},
        503: {"Retry-After": "5"},
    }
    return problem(
        error.status,
        str(error),
        hint=error.hint,
        errors=fields,
        headers=headers.get(error.status),
    )


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return problem(400, "the body is not JSON")
    wrong = [_wrong(found["loc"], field_message(found)) for found in error.errors()]
    return problem(
        422, "; ".join(f"{each.field}: {each.message}" for each in wrong), errors=wrong
    )


def _wrong(place: Sequence[str | int], message: str) -> FieldError:
    # The first part says where the field was: body, query, path or header.
    return FieldError(".".join(map(str, place[1:])) or str(place[0]), message)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods(request))
        return problem(
            405, f"it takes {allowed}, not {request.method}", headers={"Allow": allowed}
        )
    return problem(error.status_code, error.detail, headers=error.headers)


def _methods(request: Request) -> list[str]:
    """Return the methods that an address takes.

    The router knows only those of the first route that fits.
    """
    app: FastAPI = request.app
    paths: Mapping[str, Mapping[str, Any]] = app.openapi()["paths"]
    path = request.url.path
    if path in paths:
        # Not those of templates in which a literal part could stand for an id.
        return sorted(method.upper() for method in paths[path])
    methods: set[str] = set()
    for template, item in paths.items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            methods |= {method.upper() for method in item}
    return sorted(methods) or ["GET"]


async def _bug(_request: Request, _error: Exception) -> Response:
    # Starlette sends this one past every middleware, so it needs its own headers.
    return problem(
        500, "the server met something that it did not expect", headers=SECURITY_HEADERS
    )
