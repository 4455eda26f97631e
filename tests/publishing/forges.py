"""Forges as their documentation describes them: requests, answers and errors.

GitHub: https://docs.github.com/en/rest/pulls/pulls (2022-11-28). GitLab:
    https://docs.gitlab.com/api/merge_requests/.
Gitea: https://docs.gitea.com/api/1.24/ (repoCreatePullRequest). Served by
    `tests.repositories.server` over real HTTP.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]

TOKEN = "s3cret-t0ken"


def answer(status: int, content: Any, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        status,
        {"Content-Type": "application/json", **named},
        json.dumps(content).encode(),
    )


@dataclass
class FakeForge:
    """A repository's pull requests, and what was asked for."""

    opened: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    failing: Answer | None = None
    """Answered to every call instead."""

    def __call__(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Answer:
        self.asked.append((method, path))
        given = {name.lower(): value for name, value in headers.items()}
        if self.failing is not None:
            return self.failing
        if not self.lets_in(given):
            return answer(
                401,
                {
                    "message": "Bad credentials",
                    "documentation_url": "https://docs.github.com/rest",
                },
            )
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method == "POST":
            assert given["content-type"] == "application/json"
            return self.create(parts.path, json.loads(body))
        return self.find(parts.path, query)

    def lets_in(self, headers: dict[str, str]) -> bool:
        raise NotImplementedError

    def create(self, path: str, body: dict[str, Any]) -> Answer:
        raise NotImplementedError

    def find(self, path: str, query: dict[str, str]) -> Answer:
        raise NotImplementedError


class FakeGitHub(FakeForge):
    def lets_in(self, headers: dict[str, str]) -> bool:
        assert headers["x-github-api-version"] == "2022-11-28"
        assert headers["user-agent"]
        return headers.get("authorization") == f"Bearer {TOKEN}"

    def create(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/api/v3/repos/team/project/pulls":
            return answer(404, {"message": "Not Found"})
        assert body.keys() == {"title", "head", "base", "body", "draft"}
        if any(each["head"] == body["head"] for each in self.opened):
            told = f"A pull request already exists for team:{body['head']}."
            error = {"resource": "PullRequest", "code": "custom", "message": told}
            return answer(422, {"message": "Validation Failed", "errors": [error]})
        self.opened.append(body)
        return answer(201, self._shown(len(self.opened)))

    def find(self, path: str, query: dict[str, str]) -> Answer:
        assert path == "/api/v3/repos/team/project/pulls"
        assert query["state"] == "open"
        numbers = [
            n
            for n, each in enumerate(self.opened, 1)
            if query["head"] == f"team:{each['head']}"
        ]
        return answer(200, [self._shown(n) for n in numbers])

    def _shown(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "state": "open",
            "html_url": f"https://forge.example/team/project/pull/{number}",
        }


class FakeGitLab(FakeForge):
    def lets_in(self, headers: dict[str, str]) -> bool:
        return headers.get("private-token") == TOKEN

    def create(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/api/v4/projects/team%2Fproject/merge_requests":
            return answer(404, {"message": "404 Project Not Found"})
        assert {"source_branch", "target_branch", "title"} <= body.keys()
        if any(each["source_branch"] == body["source_branch"] for each in self.opened):
            return answer(
                409,
                {
                    "message": [
                        "Another open merge request already exists for "
                        "this source branch: !1"
                    ]
                },
            )
        self.opened.append(body)
        return answer(201, self._shown(len(self.opened)))

    def find(self, path: str, query: dict[str, str]) -> Answer:
        assert path == "/api/v4/projects/team%2Fproject/merge_requests"
        assert query["state"] == "opened"
        numbers = [
            n
            for n, each in enumerate(self.opened, 1)
            if query["source_branch"] == each["source_branch"]
        ]
        return answer(200, [self._shown(n) for n in numbers])

    def _shown(self, number: int) -> dict[str, Any]:
        url = f"https://forge.example/team/project/-/merge_requests/{number}"
        return {"iid": number, "state": "opened", "web_url": url}


class FakeGitea(FakeForge):
    def lets_in(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"token {TOKEN}"

    def create(self, path: str, body: dict[str, Any]) -> Answer:
        if path != "/api/v1/repos/team/project/pulls":
            return answer(
                404, {"message": "The target couldn't be found.", "errors": []}
            )
        assert body.keys() == {"head", "base", "title", "body"}
        if any(each["head"] == body["head"] for each in self.opened):
            told = (
                "pull request already exists for these targets "
                f"[id: 1, head_branch: {body['head']}]"
            )
            return answer(
                409, {"message": told, "url": "https://forge.example/api/swagger"}
            )
        self.opened.append(body)
        return answer(201, self._shown(len(self.opened)))

    def find(self, path: str, query: dict[str, str]) -> Answer:  # noqa: ARG002
        base, _, head = path.removeprefix(
            "/api/v1/repos/team/project/pulls/"
        ).partition("/")
        for number, each in enumerate(self.opened, 1):
            if (each["base"], each["head"]) == (unquote(base), head):
                return answer(200, self._shown(number))
        return answer(404, {"message": "The target couldn't be found.", "errors": []})

    def _shown(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "state": "open",
            "html_url": f"https://forge.example/team/project/pulls/{number}",
        }
