"""The scripted model refuses what the API refuses, and runs as a process of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from aideator.testing import scripted_model
from aideator.testing.model.protocol import signature

HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "lease-1-x"}
USER = {"role": "user", "content": "Hello."}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
ENDS_BADLY = "`tool_use` ids were found without `tool_result` blocks"


def body(*messages: Any, **more: Any) -> dict[str, Any]:
    return {
        "model": "claude-opus-5-5",
        "max_tokens": 100,
        "messages": list(messages) or [USER],
        **more,
    }


def thought(proof: str) -> dict[str, Any]:
    return {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm", "signature": proof}],
    }


async def post(
    content: Any, headers: dict[str, str] = HEADERS, path: str = "/v1/messages"
) -> httpx2.Response:
    async with (
        scripted_model({"lanes": {1: [{"say": "Hello."}] * 3}}) as model,
        httpx2.AsyncClient() as client,
    ):
        sent = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await client.post(model.url + path, content=sent, headers=headers)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "not valid JSON"),
        ({**body(), "model": ""}, "model: Field required"),
        ({**body(), "max_tokens": 0}, "max_tokens"),
        ({**body(), "messages": []}, "at least one message"),
        (body({"role": "robot", "content": "x"}), "messages.0.role"),
        (
            body({"role": "assistant", "content": "x"}),
            "first message must have the role 'user'",
        ),
        (body({"role": "user", "content": ""}), "must not be empty"),
        (
            body({"role": "user", "content": [{"type": "text", "text": " "}]}),
            "non-whitespace",
        ),
        (body({"role": "user", "content": [{"text": "x"}]}), "type: Field required"),
        (body(USER, {"role": "assistant", "content": [CALL]}), ENDS_BADLY),
        (
            body(USER, {"role": "assistant", "content": [CALL]}, USER),
            f"{ENDS_BADLY} immediately after: toolu_1",
        ),
        (body({"role": "user", "content": [RESULT]}), "unexpected `tool_use_id`"),
        (
            body(USER, {"role": "assistant", "content": [{"type": "tool_use"}]}, USER),
            "needs an id",
        ),
        (body(USER, thought("forged"), USER), "Invalid `signature`"),
        (
            body(temperature=0.5, thinking={"type": "adaptive"}),
            "`temperature` may only be set to 1",
        ),
    ],
)
async def test_a_wrong_request_is_refused_with_the_reason(
    content: Any, complaint: str
) -> None:
    answer = await post(content)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert complaint in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "content",
    [
        body(),
        body(
            USER,
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [RESULT]},
        ),
        body(USER, {"role": "system", "content": "Be brief."}),
        body(USER, thought(signature("hm")), USER),
        body(temperature=0.5),
    ],
)
async def test_a_right_request_is_taken(content: Any) -> None:
    answer = await post(content)
    assert answer.json()["content"] == [{"type": "text", "text": "Hello."}]


@pytest.mark.parametrize(
    ("missing", "status", "kind"),
    [
        ("x-api-key", 401, "authentication_error"),
        ("anthropic-version", 400, "invalid_request_error"),
    ],
)
async def test_a_request_needs_a_credential_and_a_version(
    missing: str, status: int, kind: str
) -> None:
    answer = await post(
        body(), {name: value for name, value in HEADERS.items() if name != missing}
    )
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


async def test_a_bearer_token_is_as_good_as_a_key() -> None:
    headers = {
        "anthropic-version": HEADERS["anthropic-version"],
        "authorization": "Bearer lease-1-x",
    }
    assert (await post(body(), headers)).status_code == 200


async def test_there_is_nothing_at_other_paths() -> None:
    assert (await post(body(), path="/v1/files")).status_code == 404


def serve(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "aideator.testing.model", *arguments]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def url_of(server: subprocess.Popen[str]) -> str:
    assert server.stdout
    return server.stdout.readline().removeprefix("listening on ").strip()


def test_as_a_process_it_says_where_it_listens_and_ends_with_its_parent() -> None:
    with serve(
        "--scenario", "one_edit", "--exit-with-parent", stdin=subprocess.PIPE
    ) as server:
        url = url_of(server)
        assert httpx2.get(f"{url}/v1/models", headers=HEADERS).status_code == 200
        _, errors = server.communicate("")
        assert (server.returncode, errors) == (0, "")


def test_sigterm_ends_it_in_the_middle_of_an_answer() -> None:
    asked = body(stream=True)
    with (
        serve("--scenario", "stalled") as server,
        httpx2.stream(
            "POST", f"{url_of(server)}/v1/messages", json=asked, headers=HEADERS
        ) as answer,
    ):
        assert answer.status_code == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == -signal.SIGTERM


def test_a_wrong_scenario_is_reported_with_its_line(home: Path) -> None:
    (home / "bad.yaml").write_text("lanes:\n  1:\n    - sya: hello\n")
    with serve("--scenario", str(home / "bad.yaml")) as server:
        output, errors = server.communicate()
    assert (server.returncode, output) == (2, "")
    assert errors.startswith("bad.yaml:3: lanes.1.0")
    assert "Traceback" not in errors
