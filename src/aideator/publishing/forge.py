"""Open a pull request on a forge: GitHub, GitLab, Gitea or Forgejo.

A kind of forge is described by the address of its API and by its requests to open a
pull request for a branch and to find it. Its answers are untrusted: only the pull
request's URL is used and, when it refuses, its message.

- GitHub: https://docs.github.com/en/rest/pulls/pulls
- GitLab: https://docs.gitlab.com/api/merge_requests/
- Gitea and Forgejo: https://docs.gitea.com/api/ (`repoCreatePullRequest`,
  `repoGetPullRequestByBaseHead`)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import httpx2

from aideator.domain.errors import ForgeRefused, RepositoryError
from aideator.domain.visible import visible_line
from aideator.repositories.http_client import call_api
from aideator.repositories.source import Source, SourcePolicy

_MAX_WORDS = 300
"""Characters of a forge's own message that are shown."""
_WAIT_DIGITS = 6
"""Fewer digits than this may a forge give as the seconds to wait."""


@dataclass(frozen=True)
class Proposal:
    """A pull request to open."""

    head: str
    """The branch that was pushed."""
    base: str
    """The branch to merge it into."""
    title: str
    body: str
    """Markdown."""
    draft: bool = False


@dataclass(frozen=True)
class ForgeRepository:
    """A repository on a forge."""

    root: str
    """The forge's address."""
    path: str
    """Owner and name; more parts on GitLab."""


class Forge(Protocol):
    """Requests to one kind of forge, and how to read its answers."""

    def headers(self, token: str) -> dict[str, str]:
        """Return the headers of every request."""
        ...

    def create(
        self, place: ForgeRepository, asked: Proposal
    ) -> tuple[str, dict[str, Any]]:
        """Return the URL and the body of the request that opens a pull request."""
        ...

    def find(self, place: ForgeRepository, asked: Proposal) -> str:
        """Return the URL that shows the branch's open pull request."""
        ...

    def url(self, answer: Any) -> str | None:
        """Return the pull request's URL in an answer to either request."""
        ...


class GitHub:
    """github.com, and GitHub Enterprise under `/api/v3`."""

    def headers(self, token: str) -> dict[str, str]:
        """Authenticate as bearer, and pin the API's version."""
        return {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }

    def create(
        self, place: ForgeRepository, asked: Proposal
    ) -> tuple[str, dict[str, Any]]:
        """Return a POST to …/pulls."""
        body = {
            "title": asked.title,
            "head": asked.head,
            "base": asked.base,
            "body": asked.body,
            "draft": asked.draft,
        }
        return f"{self._repository(place)}/pulls", body

    def find(self, place: ForgeRepository, asked: Proposal) -> str:
        """Return …/pulls?head=OWNER:BRANCH."""
        owner = place.path.partition("/")[0]
        query = urlencode({"head": f"{owner}:{asked.head}", "state": "open"})
        return f"{self._repository(place)}/pulls?{query}"

    def url(self, answer: Any) -> str | None:
        """Return `html_url`, of the first of a list."""
        return _field(answer, "html_url")

    def _repository(self, place: ForgeRepository) -> str:
        root = (
            "https://api.github.com"
            if place.root == "https://github.com"
            else f"{place.root}/api/v3"
        )
        return f"{root}/repos/{quote(place.path)}"


class GitLab:
    """gitlab.com and self-hosted servers. A title marks drafts."""

    def headers(self, token: str) -> dict[str, str]:
        """Return the header of personal, group and project tokens."""
        return {"private-token": token}

    def create(
        self, place: ForgeRepository, asked: Proposal
    ) -> tuple[str, dict[str, Any]]:
        """Return a POST to …/merge_requests."""
        title = f"Draft: {asked.title}" if asked.draft else asked.title
        body = {
            "source_branch": asked.head,
            "target_branch": asked.base,
            "title": title,
            "description": asked.body,
            "remove_source_branch": True,
        }
        return f"{self._project(place)}/merge_requests", body

    def find(self, place: ForgeRepository, asked: Proposal) -> str:
        """Return …/merge_requests?source_branch=BRANCH."""
        query = urlencode({"source_branch": asked.head, "state": "opened"})
        return f"{self._project(place)}/merge_requests?{query}"

    def url(self, answer: Any) -> str | None:
        """Return `web_url`, of the first of a list."""
        return _field(answer, "web_url")

    def _project(self, place: ForgeRepository) -> str:
        return f"{place.root}/api/v4/projects/{quote(place.path, safe='')}"


class Gitea:
    """Gitea and Forgejo (codeberg.org). A title marks drafts."""

    def headers(self, token: str) -> dict[str, str]:
        """Authenticate with the scheme `token`."""
        return {"authorization": f"token {token}"}

    def create(
        self, place: ForgeRepository, asked: Proposal
    ) -> tuple[str, dict[str, Any]]:
        """Return a POST to …/pulls."""
        title = f"WIP: {asked.title}" if asked.draft else asked.title
        body = {
            "head": asked.head,
            "base": asked.base,
            "title": title,
            "body": asked.body,
        }
        return f"{self._repository(place)}/pulls", body

    def find(self, place: ForgeRepository, asked: Proposal) -> str:
        """Return …/pulls/BASE/HEAD."""
        branches = f"{quote(asked.base, safe='')}/{quote(asked.head)}"
        return f"{self._repository(place)}/pulls/{branches}"

    def url(self, answer: Any) -> str | None:
        """Return `html_url`, unless it is closed."""
        if not isinstance(answer, dict) or answer.get("state") != "open":
            return None
        return _field(answer, "html_url")

    def _repository(self, place: ForgeRepository) -> str:
        return f"{place.root}/api/v1/repos/{quote(place.path)}"


FORGES: Mapping[str, Forge] = {"github": GitHub(), "gitlab": GitLab(), "gitea": Gitea()}
"""Every kind, by its name in the setting GIT_FORGES."""
KNOWN_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "gitea"}


def forge_of(source: Source, named: Mapping[str, str]) -> Forge | None:
    """Return a repository's kind of forge, or None if it is not known.

    Args:
        source: The repository.
        named: `host` or `host:port` → kind, as the operator has set (GIT_FORGES).
    """
    parts = urlsplit(source.url)
    hosts = KNOWN_HOSTS | dict(named)
    kind = hosts.get(parts.netloc) or hosts.get(parts.hostname or "")
    return FORGES[kind] if kind and not source.local else None


async def open_pull_request(
    forge: Forge,
    source: Source,
    asked: Proposal,
    *,
    token: str,
    policy: SourcePolicy,
) -> str:
    """Open a pull request for a branch that was pushed, or find the open one.

    Args:
        forge: The kind of forge.
        source: The repository there.
        asked: The pull request.
        token: A token of that host that may open pull requests.
        policy: Which addresses may be called.

    Returns:
        The pull request's URL.

    Raises:
        ForgeRefused: if the forge does not open it; the message says why.
    """
    parts = urlsplit(source.url)
    if not token:
        raise ForgeRefused(
            f"there is no token for {parts.netloc}",
            hint="set GITHUB_TOKEN or GIT_TOKENS",
        )
    place = ForgeRepository(
        f"{parts.scheme}://{parts.netloc}", parts.path.strip("/").removesuffix(".git")
    )
    headers = forge.headers(token) | {
        "user-agent": "aideator",
        "content-type": "application/json",
    }
    url, body = forge.create(place, asked)
    content = json.dumps(body).encode()
    response, answer = await _request("POST", url, policy, headers, content)
    found = forge.url(answer) if response.status_code in {200, 201} else None
    # Most often, the branch has a pull request already.
    if response.status_code in {409, 422}:
        url = forge.find(place, asked)
        existing, answer_of_find = await _request("GET", url, policy, headers)
        found = forge.url(answer_of_find) if existing.status_code == 200 else None
    if found is None or not found.startswith((f"{parts.scheme}://", "https://")):
        raise _refusal(response, answer, parts.netloc)
    return found


async def _request(
    method: str,
    url: str,
    policy: SourcePolicy,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> tuple[httpx2.Response, Any]:
    """Send a request; return the answer and the JSON in it, or None."""
    # The API may have a host name of its own, which the operator need not have allowed
    # for cloning; `call_api` checks only its address.
    try:
        response, answer = await call_api(
            method, url, policy, headers=headers, content=content
        )
    except RepositoryError as error:
        raise ForgeRefused(str(error), hint=error.hint) from None
    return response, _parsed(answer)


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def _field(answer: Any, name: str) -> str | None:
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, str) and len(value) < 2000 else None


def _refusal(response: httpx2.Response, answer: Any, host: str) -> ForgeRefused:
    """Return why a forge has not opened the pull request, and what would help."""
    status, words = response.status_code, _words(answer) or "no reason given"
    if status in {403, 429} and _is_rate_limit(response):
        wait = response.headers.get("retry-after", "")
        is_number = wait.isdecimal() and len(wait) < _WAIT_DIGITS
        when = f"in {wait} seconds" if is_number else "in a while"
        return ForgeRefused(
            f"{host} limits how often it may be called ({status})",
            hint=f"publish again {when}",
        )
    if status >= 500:
        return ForgeRefused(
            f"{host} fails ({status})",
            hint="publish again later; nothing is pushed twice",
        )
    match status:
        case 401:
            message = f"{host} does not accept the token"
            hint = "set one that is valid, then publish again"
        case 403:
            message = f"the token may not open pull requests on {host}: {words}"
            hint = (
                "give it that right (GitHub: pull requests, write; GitLab: api; "
                "Gitea: repository, write)"
            )
        case 404:
            message = (
                f"{host} knows no such repository, or does not show it to this token"
            )
            hint = "check the token's rights"
        case 200 | 201:
            message = f"{host} answered without the pull request's address"
            hint = f"look for it on {host}, then publish again"
        case _:
            message = f"{words} ({status})"
            hint = "correct that, then publish again"
    return ForgeRefused(message, hint=hint)


def _is_rate_limit(response: httpx2.Response) -> bool:
    return (
        response.status_code == 429
        or response.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in response.headers
    )


def _words(answer: Any) -> str:
    """Return a forge's error message, from where the three kinds have it."""
    if not isinstance(answer, dict):
        return ""
    message, details = answer.get("message"), answer.get("errors")
    texts: list[Any] = [message, answer.get("error")]
    if isinstance(message, list | dict):  # GitLab
        texts = [json.dumps(message)]
    else:
        for detail in details if isinstance(details, list) else ():
            is_object = isinstance(detail, dict)
            texts.append(detail.get("message") if is_object else detail)
    text = "; ".join(each for each in texts if isinstance(each, str))
    return visible_line(text)[:_MAX_WORDS]
