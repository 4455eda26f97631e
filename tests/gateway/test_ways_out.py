"""Ways out over the provider, and ways to a bill that nothing was reserved for.

Each is tried on every route that takes a body; none reaches the provider. Requests of
real agents pass, and without a notice.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aideator.domain.isolation import IsolationPolicy
from aideator.domain.usage import Budget
from aideator.gateway.app import CallLimits
from tests.gateway.harness import Harness, open_harness
from tests.gateway.provider import MODEL, message, whole

ROUTES = ["/v1/messages", "/v1/messages/count_tokens"]
EVIL = "https://evil.example/?d=secret"
URL = {"type": "url", "url": EVIL}


def user(*content: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def block(source: object, kind: str = "image") -> dict[str, Any]:
    return {"type": kind, "source": source}


def result(*content: object) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": list(content)}


def tools(*kinds: object) -> dict[str, Any]:
    return {"tools": [{"name": "mine", "input_schema": {}}]} | {
        "tools": [{"type": kind, "name": "x"} for kind in kinds]
    }


AT = "messages[0].content[0]"
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "an image by URL": (user(block(URL)), f"{AT}.source.type"),
    "a document by URL": (user(block(URL, "document")), f"{AT}.source.type"),
    "a URL in a tool's result": (
        user(result(block(URL))),
        f"{AT}.content[0].source.type",
    ),
    "a URL in a document's content": (
        user(block({"type": "content", "content": [block(URL)]}, "document")),
        f"{AT}.source.content[0].source.type",
    ),
    "a URL in system": ({"system": [block(URL)]}, "system[0].source.type"),
    "a URL without a list": (
        {"messages": [{"role": "user", "content": block(URL)}]},
        "messages[0].content.source.type",
    ),
    "a URL in a block of an unknown type": (
        user(block(URL, "video")),
        f"{AT}.source.type",
    ),
    "a URL in an unknown field": ({"extra": [block(URL)]}, "extra[0].source.type"),
    "a URL beside base64": (
        user(block({"type": "base64", "data": "", "url": EVIL})),
        f"{AT}.source.url",
    ),
    "a source without a type": (user(block({"url": EVIL})), f"{AT}.source.type"),
    "a source that is an address": (user(block(EVIL)), f"{AT}.source"),
    "a source of type URL": (user(block({"type": "URL"})), f"{AT}.source.type"),
    "a source whose type is a list": (user(block({"type": ["url"]})), "source.type"),
    "Source": (user({"type": "image", "Source": URL}), "could be read as source"),
    "a file of the workspace": (
        user(block({"type": "file", "file_id": "file_1"}, "document")),
        f"{AT}.source.type",
    ),
    "a file in a block": (
        user({"type": "container_upload", "file_id": "file_1"}),
        f"{AT}.type",
    ),
    "an image by URL as in Chat Completions": (
        user({"type": "image_url", "image_url": {"url": EVIL}}),
        f"{AT}.image_url",
    ),
    "a file by URL as in Responses": (
        user({"type": "input_file", "file_url": EVIL}),
        f"{AT}.file_url",
    ),
    "a file by URI as in Gemini": (user({"fileData": {"fileUri": EVIL}}), "fileUri"),
    "a container": ({"container": "container_1"}, "container"),
    "a container with skills": ({"container": {"skills": [{}]}}, "container"),
    "an MCP server": ({"mcp_servers": [URL]}, "mcp_servers"),
    "MCP servers that are no list": ({"mcp_servers": URL}, "mcp_servers"),
    "mcpServers": ({"mcpServers": [URL]}, "could be read as mcp_servers"),
    "an MCP toolset": (tools("mcp_toolset"), "tools[0].type"),
    "web fetch": (tools("web_fetch_20250910"), "tools[0].type"),
    "web search": (tools("custom", "web_search_20260318"), "tools[1].type"),
    "code execution": (tools("code_execution_20260521"), "tools[0].type"),
    "the advisor": (tools("advisor_20260301"), "tools[0].type"),
    "a tool of the future": (tools("teleport_20270101"), "tools[0].type"),
    "a type that begins like custom": (tools("custom_web_fetch"), "tools[0].type"),
    "a tool's type that is a list": (tools(["custom"]), "tools[0].type"),
    "Type of a tool": ({"tools": [{"Type": "web_fetch_20250910"}]}, "read as type"),
    "a tool that is defined in a message": (
        user(
            {
                "type": "tool_addition",
                "tool": {
                    "type": "tool_definition",
                    "definition": {"type": "web_fetch_20260318", "name": "f"},
                },
            }
        ),
        f"{AT}.tool.definition.type",
    ),
    "a tool that a compaction brings back": (
        user(
            {
                "type": "compaction",
                "tool_changes": [{"type": "mcp_tool_listing", "tools": []}],
            }
        ),
        f"{AT}.tool_changes[0].type",
    ),
    "results of an MCP server": (user({"type": "mcp_tool_result"}), f"{AT}.type"),
    "a plugin": ({"plugins": [{"id": "web"}]}, "plugins"),
    "a model that searches the web": ({"model": f"{MODEL}:online"}, "model"),
    "another provider": ({"api_base": EVIL}, "api_base"),
    "headers of a translating proxy": ({"extra_headers": {"x": "y"}}, "extra_headers"),
    "a conversation that the provider keeps": (
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        "thread",
    ),
    "the fast mode": ({"speed": "fast"}, "speed"),
    "the fast mode of a substitute": (
        {"fallbacks": [{"model": MODEL, "speed": "fast"}]},
        "fallbacks[0].speed",
    ),
    "priority": ({"service_tier": "priority"}, "service_tier"),
    "a place that costs more": ({"inference_geo": "us"}, "inference_geo"),
    "speed as a list": ({"speed": ["standard"]}, "speed"),
    "Service_Tier": ({"Service_Tier": "priority"}, "could be read as service_tier"),
    "another's bill": ({"billing_policy": {"bill_to": "user_profile"}}, "bill_to"),
    "several answers": ({"n": 8}, "n multiplies"),
    "max_completion_tokens": (
        {"max_completion_tokens": 64000},
        "max_completion_tokens",
    ),
    "maxTokens": ({"maxTokens": 64000}, "could be read as max_tokens"),
    "MAX_TOKENS": ({"MAX_TOKENS": 64000}, "could be read as max_tokens"),
    "a Kelvin sign for a k": (
        {"max_to\u212aens": 64000},
        "could be read as max_tokens",
    ),
    "a NUL at the end": ({"max_tokens\0": 64000}, "could be read as max_tokens"),
    "a NUL and more": ({"max_tokens\0x": 64000}, "could be read as max_tokens"),
    "half a character": ({"max_tokens\ud800": 64000}, "could be read as max_tokens"),
    "a space": ({"max_tokens ": 64000}, "could be read as max_tokens"),
    "a beta in the body": ({"betas": ["mcp-client-2025-11-20"]}, "betas"),
    "a beta of Bedrock": (
        {"anthropic_beta": ["files-api-2025-04-14"]},
        "anthropic_beta",
    ),
    "fields without end": (
        {"system": [{f"field {number}": 1 for number in range(2000)}]},
        "system[0] has more than 1000 fields",
    ),
    "betas without end": ({"betas": ["x"] * 200}, "betas has more than 100"),
    "betas that are no list": ({"betas": "mcp-client-2025-11-20"}, "betas"),
}


async def send(
    harness: Harness,
    path: str,
    asked: dict[str, Any],
    headers: dict[str, str] | None = None,
) -> tuple[int, str, tuple[str, ...]]:
    """Send a request; return the status, why it was refused, and the notices."""
    harness.provider.requests.clear()
    body = {"model": MODEL, "max_tokens": 10, **asked}
    async with harness.lease() as lease:
        answer = await harness.agent.post(
            path,
            content=json.dumps(body),
            headers={"x-api-key": lease.token, **(headers or {})},
        )
        error = answer.json().get("error", {})
        assert (len(harness.provider.requests) == 1) == (answer.status_code == 200)
        return answer.status_code, error.get("message", ""), lease.notices


@pytest.fixture(scope="module")
async def lax(wide: Harness) -> Harness:
    """A provider that takes everything."""
    wide.provider.play = whole(message())
    return wide


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("way", WAYS)
async def test_a_way_out_is_refused_and_its_field_named(
    lax: Harness, path: str, way: str
) -> None:
    asked, field = WAYS[way]
    status, message, _ = await send(lax, path, asked)
    assert (status, field in message) == (400, True), message


BETAS = [
    "mcp-client-2025-11-20",
    "code-execution-2025-08-25",
    "files-api-2025-04-14",
    "skills-2025-10-02",
    "web-fetch-2025-09-10",
    "managed-agents-2026-04-01",
    "message-threads-2026-08-12",
]


@pytest.mark.parametrize("beta", BETAS)
async def test_a_beta_that_serves_a_way_out_is_refused(lax: Harness, beta: str) -> None:
    headers = {"anthropic-beta": f"interleaved-thinking-2025-05-14, {beta}"}
    status, message, _ = await send(lax, ROUTES[0], {}, headers)
    assert status == 400
    assert f"anthropic-beta: '{beta}'" in message


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("beta=true", 200),
        ("model=claude-opus-5-5", 400),
        ("max_tokens=64000", 400),
        ("MaxTokens=64000", 400),
        ("beta=true;model=x", 400),
        ("beta=true&%6dcp_servers=x", 400),
    ],
)
async def test_no_field_of_the_body_passes_in_the_query(
    lax: Harness, query: str, status: int
) -> None:
    assert (await send(lax, f"{ROUTES[0]}?{query}", {}))[0] == status


DROPPED = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "true-client-ip",
    "x-http-method-override",
    "x-original-url",
    "content-encoding",
    "anthropic-workspace-id",
    "anthropic-user-profile-id",
    "x-portkey-custom-host",
    "helicone-target-url",
    "x-litellm-tags",
]


async def test_headers_that_steer_who_stands_before_the_model_do_not_pass(
    lax: Harness,
) -> None:
    sent = dict.fromkeys(DROPPED, "evil.example")
    sent |= {"content-type": "text/plain; charset=utf-7", "x-app": "cli"}
    status, _, notices = await send(lax, ROUTES[0], {}, sent)
    request = lax.provider.requests[-1]
    assert (status, notices) == (200, ())
    assert {name for name, _ in request.headers}.isdisjoint(DROPPED)
    assert request.header("content-type") == "application/json"
    assert request.header("x-app") == "cli"


# What honest agents send.

HONEST: dict[str, tuple[dict[str, Any], str]] = {
    # Recorded from Claude Code 2.1.332.
    "Claude Code": (
        {
            "system": [
                {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
            ],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi"}]},
                {"role": "system", "content": [], "output_config": {"effort": "low"}},
            ],
            "tools": [
                {"name": "Bash", "description": "x", "input_schema": {"url": {}}},
                {"name": "Later", "input_schema": {}, "defer_loading": True},
            ],
            "metadata": {"user_id": '{"device_id": "x"}'},
            "thinking": {"type": "adaptive", "display": "omitted"},
            "context_management": {
                "edits": [{"type": "clear_thinking_20251015", "keep": "all"}]
            },
            "output_config": {"effort": "medium"},
            "stream": True,
        },
        "claude-code-20250219,interleaved-thinking-2025-05-14,"
        "context-management-2025-06-27,per-turn-control-2026-07-01,"
        "mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,"
        "advanced-tool-use-2025-11-20,effort-2025-11-24",
    ),
    "opencode": (
        {"temperature": 0.5, "top_p": 1, "tool_choice": {"type": "auto"}},
        "claude-code-20250219,interleaved-thinking-2025-05-14,"
        "fine-grained-tool-streaming-2025-05-14",
    ),
    "goose": (
        {"system": "x", "temperature": 0, "stream": True},
        "output-128k-2025-02-19",
    ),
    "a picture": (
        user(block({"type": "base64", "media_type": "image/png", "data": "aGk="})),
        "",
    ),
    "a document": (
        user(block({"type": "text", "data": "hi"}, "document")),
        "pdfs-2024-09-25",
    ),
    "a search result": (
        user({"type": "search_result", "source": EVIL, "title": "x", "content": []}),
        "",
    ),
    "arguments of a tool that look like ways out": (
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "tool_use",
                            "input": {"source": URL, "Type": 1, "tools": 3, "n": 0},
                        }
                    ],
                }
            ]
        },
        "",
    ),
    "nothing": (
        {"mcp_servers": [], "container": None, "speed": None, "service_tier": "auto"},
        "",
    ),
    "substitutes": (
        {"fallbacks": [{"model": "claude-sonnet-5"}]},
        "server-side-fallback-2026-07-01",
    ),
    "client tools": (
        tools("bash_20250124", "text_editor_20250728", "memory_20250818", "custom"),
        "computer-use-2025-11-24",
    ),
}


@pytest.fixture(scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    limits = CallLimits(calls_per_minute=1_000_000, policy=IsolationPolicy.CLOSED)
    home = tmp_path_factory.mktemp("closed")
    async with open_harness(home, whole(message()), limits=limits) as harness:
        yield harness


@pytest.mark.parametrize("name", HONEST)
async def test_what_agents_send_passes_without_a_notice(
    closed: Harness, name: str
) -> None:
    asked, betas = HONEST[name]
    for path in ROUTES:
        sent = await send(closed, path, asked, {"anthropic-beta": betas})
        assert sent == (200, "", ())


UNKNOWN: dict[str, tuple[dict[str, Any], str, str]] = {
    "field": ({"novelty": 1}, "", "field 'novelty'"),
    "beta": ({}, "novelty-2027-01-01", "beta 'novelty-2027-01-01'"),
    "beta in the body": (
        {"betas": ["novelty-2027-01-01"]},
        "",
        "beta 'novelty-2027-01-01'",
    ),
    "content": (user({"type": "smell"}), "", "content of type 'smell'"),
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_what_is_not_known_passes_with_a_notice(lax: Harness, name: str) -> None:
    asked, beta, thing = UNKNOWN[name]
    status, _, notices = await send(lax, ROUTES[0], asked, {"anthropic-beta": beta})
    assert status == 200
    (notice,) = notices
    assert thing in notice
    assert "ISOLATION_POLICY" in notice


@pytest.mark.parametrize("policy", [IsolationPolicy.CLOSED, IsolationPolicy.ENFORCED])
@pytest.mark.parametrize("name", UNKNOWN)
async def test_what_is_not_known_is_refused_under_a_policy(
    home: Path, name: str, policy: IsolationPolicy
) -> None:
    asked, beta, thing = UNKNOWN[name]
    async with open_harness(
        home, whole(message()), limits=CallLimits(policy=policy)
    ) as harness:
        for path in ROUTES:
            status, said, notices = await send(
                harness, path, asked, {"anthropic-beta": beta}
            )
            assert (status, notices) == (400, ())
            assert thing in said
            assert f"ISOLATION_POLICY={policy}" in said


async def test_a_notice_names_each_thing_once_and_not_without_end(lax: Harness) -> None:
    async with lax.lease() as lease:
        for number in (*range(200), *range(200)):
            await lax.agent.post(
                "/v1/messages",
                json={"model": MODEL, "max_tokens": 1, f"new{number}": "\u202e"},
                headers={"x-api-key": lease.token},
            )
        (notice,) = lease.notices
    assert notice.count("'new0'") == 1
    assert len(notice) < 1000


async def test_what_may_answer_is_reserved_at_the_dearest(home: Path) -> None:
    asked = {
        "model": "claude-haiku-4-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "x" * 3000}],
    }
    dear: list[dict[str, Any]] = [
        {"fallbacks": [{"model": "claude-opus-5-5"}]},
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    async with (
        open_harness(home, whole(message())) as harness,
        harness.lease(budget=Budget(run_usd=0.0078)) as lease,
    ):
        headers = {"x-api-key": lease.token}
        answer = await harness.agent.post("/v1/messages", json=asked, headers=headers)
        assert answer.status_code == 200
        for more in dear:
            answer = await harness.agent.post(
                "/v1/messages", json=asked | more, headers=headers
            )
            assert answer.status_code == 402
