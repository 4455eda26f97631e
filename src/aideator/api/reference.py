"""Reference of the API: OpenAPI completed with what FastAPI cannot know, and a page.

`/docs` is plain HTML of our own. Swagger UI would fetch its scripts from another
server, or weigh more than AIdeator. `python -m aideator.api.app` prints the page as
Markdown: that is `docs/reference/api.md`.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from aideator.api.auth import COOKIE
from aideator.api.problems import KINDS, Problem
from aideator.settings import Settings

Schema = dict[str, Any]
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}"
    "code,pre{font:14px/1.45 ui-monospace,monospace}"
    "pre{padding:.75rem;border:1px solid #8884;overflow:auto}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #8884;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}h2{margin-top:2.5rem}"
)
_CSP = (
    "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)


def install(app: FastAPI, settings: Settings) -> None:
    """Serve the reference at `/docs` and `/redoc`, and what it is made of.

    The description is at `/openapi.json`, and below the API's prefix: tools look for it
    in either place.
    """

    def openapi() -> Schema:
        if app.openapi_schema is None:
            app.openapi_schema = complete(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    summary=app.summary,
                    routes=app.routes,
                ),
                settings,
            )
        return app.openapi_schema

    async def docs(_: Request) -> Response:
        return HTMLResponse(
            page(app.openapi()), headers={"Content-Security-Policy": _CSP}
        )

    async def description(_: Request) -> Response:
        return JSONResponse(app.openapi())

    app.openapi = openapi  # type: ignore[method-assign]
    for path in ("/docs", "/redoc"):
        app.add_route(path, docs, include_in_schema=False)
    described = f"{settings.api_v1_prefix}/openapi.json"
    app.add_route(described, description, include_in_schema=False)


def complete(schema: Schema, settings: Settings) -> Schema:
    """Add keys, problems and the operator's limits to the schema that FastAPI made."""
    schemas = schema["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    schema["components"]["securitySchemes"] = {
        "ApiKey": {"type": "apiKey", "in": "header", "name": settings.api_key_header},
        "Session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    for item in schema["paths"].values():
        for operation in item.values():
            if "401" in operation["responses"] and "session" not in operation["tags"]:
                # The empty one: a loopback server without keys asks for none.
                operation["security"] = [{"ApiKey": []}, {"Session": []}, {}]
    for name in ("RunSpec", "Submission", "FollowUp"):
        schemas[name]["properties"]["prompt"]["maxLength"] = settings.max_prompt_length
    for name in ("RunSpec", "Submission"):
        _describe_run_spec(schemas[name], settings)
    return schema


def _describe_run_spec(spec: Schema, settings: Settings) -> None:
    fields = spec["properties"]
    fields["variations"]["maximum"] = settings.max_variations
    alias = {"description": "Another name of `repo_url`."}
    fields["github_url"] = fields["repo_url"] | alias
    spec["required"].remove("repo_url")
    spec["oneOf"] = [{"required": ["repo_url"]}, {"required": ["github_url"]}]


@dataclass(frozen=True)
class Field:
    """One parameter, or one field of a body or answer."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Operation:
    """One call."""

    title: str
    meaning: str
    fields: tuple[Field, ...]
    example: str
    answers: tuple[str, ...]


def operations(schema: Schema) -> Iterator[Operation]:
    """Yield every call, in the order in which the routes are declared."""
    models = schema["components"]["schemas"]
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield _operation(f"{method.upper()} {path}", operation, models)


def _operation(
    title: str, operation: Schema, models: Mapping[str, Schema]
) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {})
    examples = [example["value"] for example in body.get("examples", {}).values()]
    return Operation(
        title=title,
        meaning=operation["description"],
        fields=(*_parameters(operation), *_fields(body.get("schema", {}), models)),
        example=json.dumps(examples[0], indent=2) if examples else "",
        answers=tuple(
            f"{status}: {answer['description']}"
            for status, answer in operation["responses"].items()
        ),
    )


def _parameters(operation: Schema) -> Iterator[Field]:
    for found in operation.get("parameters", ()):
        yield Field(
            found["name"],
            f"{_type(found['schema'])}, in {found['in']}",
            found.get("description", ""),
        )


def _fields(body: Schema, models: Mapping[str, Schema]) -> Iterator[Field]:
    model = models.get(body.get("$ref", "").rpartition("/")[2], {})
    for name, field in model.get("properties", {}).items():
        needed = " (needed)" if name in model.get("required", ()) else ""
        yield Field(name, _type(field) + needed, field.get("description", ""))


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = [
        f"{schema[name]:g}"
        for name in ("minimum", "minLength", "maximum", "maxLength")
        if name in schema
    ]
    return str(schema.get("type", "anything")) + (
        f" {'–'.join(bounds)}" if len(bounds) == 2 else ""
    )


def page(schema: Schema) -> str:
    """Return the description as HTML."""
    info = schema["info"]
    title = escape(info["title"])
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        '<meta name="viewport" content="width=device-width"><body>',
        f"<h1>{title} {escape(info['version'])}</h1>",
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>',
    ]
    for operation in operations(schema):
        parts += _section(operation)
    parts.append("<h1>Problems</h1>")
    for status, kind in KINDS.items():
        head = f"{status}: {escape(kind.title)}"
        parts.append(f'<h2 id="problem-{status}">{head}</h2><p>{escape(kind.hint)}</p>')
    return "".join(parts)


def _section(operation: Operation) -> Iterator[str]:
    yield f"<h2><code>{escape(operation.title)}</code></h2>"
    yield f"<p>{escape(operation.meaning)}</p>"
    if operation.fields:
        yield "<table><tr><th>Field<th>Type<th>Meaning"
        for field in operation.fields:
            yield f"<tr><td><code>{escape(field.name)}</code><td>{escape(field.type)}"
            yield f"<td>{escape(field.meaning)}"
        yield "</table>"
    if operation.example:
        yield f"<pre>{escape(operation.example)}</pre>"
    yield "<p>Answers</p><ul>"
    for answer in operation.answers:
        yield f"<li>{escape(answer)}"
    yield "</ul>"


def markdown(schema: Schema) -> str:
    """Return the description as Markdown."""
    lines = ["# The API", "", "Generated by `python -m aideator.api.app`."]
    for found in operations(schema):
        lines += ["", f"## `{found.title}`", "", found.meaning]
        if found.fields:
            lines += ["", "| field | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{f.name}` | {f.type} | {' '.join(f.meaning.split())} |"
            for f in found.fields
        ]
        if found.example:
            lines += ["", "```json", found.example, "```"]
        lines += ["", "Answers:", ""] + [f"- {answer}" for answer in found.answers]
    lines += ["", "## Problems", "", "| status | title | what to do |", "|---|---|---|"]
    lines += [
        f"| {status} | {kind.title} | {kind.hint} |" for status, kind in KINDS.items()
    ]
    return "\n".join(lines) + "\n"
