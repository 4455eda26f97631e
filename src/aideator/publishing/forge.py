"""Open a pull request: one small port, three kinds of forge.

A forge is told one thing and asked one thing: propose this branch, and where is the
proposal of this branch. So it is described by where its API is and how it words the
two. What it answers is data: of it only the pull request's URL and, when it refuses,
its words are used.

GitHub: https://docs.github.com/en/rest/pulls/pulls · GitLab:
    https://docs.gitlab.com/api/merge_requests/ · Gitea and
Forgejo: https://docs.gitea.com/api/ (`repoCreatePullRequest`,
    `repoGetPullRequestByBaseHead`)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import httpx2

from aideator.domain.errors import ForgeRefused, RepositoryError
from aideator.repositories.remote import call_api
from aideator.repositories.source import Source, SourcePolicy

_MAX_WORDS = 300
"""Characters of a forge's own words that are shown."""


@dataclass(frozen=True)
class Proposal:
    """A pull request that is asked for."""

    head: str
    """The branch that was pushed."""
    base: str
    """The branch that it shall go into."""
    title: str
    body: str
    """Markdown."""
    draft: bool = False


@dataclass(frozen=True)
class Place:
    """A repository on a forge."""

    root: str
    """The forge's address."""
    path: str
    """Owner and name; more parts on GitLab."""


class Forge(Protocol):
    """How one kind of forge is spoken to."""

    def headers(self, token: str) -> dict[str, str]:
        """What every call carries."""
        ...

    def create(self, place: Place, asked: Proposal) -> tuple[str, dict[str, Any]]:
        """The address and the body of the call that opens a pull request."""
        ...

    def find(self, place: Place, asked: Proposal) -> str:
        """The address that shows the open pull request of the branch."""
        ...

    def url(self, answer: Any) -> str | None:
        """The pull request's URL in an answer to either call."""
        ...


class GitHub:
    """github.com, and GitHub Enterprise under `/api/v3`."""

    def headers(self, token: str) -> dict[str, str]:
        """Bearer, with the API's version pinned."""
        return {
            "authorization": f"Bearer {token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }

    def create(self, place: Place, asked: Proposal) -> tuple[str, dict[str, Any]]:
        """POST …/pulls."""
        body = {
            "title": asked.title,
            "head": asked.head,
            "base": asked.base,
            "body": asked.body,
            "draft": asked.draft,
        }
        return f"{self._repository(place)}/pulls", body

    def find(self, place: Place, asked: Proposal) -> str:
        """GET …/pulls?head=OWNER:BRANCH."""
        owner = place.path.partition("/")[0]
        query = urlencode({"head": f"{owner}:{asked.head}", "state": "open"})
        return f"{self._repository(place)}/pulls?{query}"

    def url(self, answer: Any) -> str | None:
        """`html_url`, of the first of a list."""
        return _field(answer, "html_url")

    def _repository(self, place: Place) -> str:
        root = (
            "https://api.github.com"
            if place.root == "https://github.com"
            else f"{place.root}/api/v3"
        )
        return f"{root}/repos/{quote(place.path)}"


class GitLab:
    """gitlab.com and own servers. A draft is a title that says so."""

    def headers(self, token: str) -> dict[str, str]:
        """The header of personal, group and project tokens."""
        return {"private-token": token}

    def create(self, place: Place, asked: Proposal) -> tuple[str, dict[str, Any]]:
        """POST …/merge_requests."""
        title = f"Draft: {asked.title}" if asked.draft else asked.title
        body = {
            "source_branch": asked.head,
            "target_branch": asked.base,
            "title": title,
            "description": asked.body,
            "remove_source_branch": True,
        }
        return f"{self._project(place)}/merge_requests", body

    def find(self, place: Place, asked: Proposal) -> str:
        """GET …/merge_requests?source_branch=BRANCH."""
        query = urlencode({"source_branch": asked.head, "state": "opened"})
        return f"{self._project(place)}/merge_requests?{query}"

    def url(self, answer: Any) -> str | None:
        """`web_url`, of the first of a list."""
        return _field(answer, "web_url")

    def _project(self, place: Place) -> str:
        return f"{place.root}/api/v4/projects/{quote(place.path, safe='')}"


class Gitea:
    """Gitea and Forgejo (codeberg.org). A draft is a title that says so."""

    def headers(self, token: str) -> dict[str, str]:
        """The scheme is called token."""
        return {"authorization": f"token {token}"}

    def create(self, place: Place, asked: Proposal) -> tuple[str, dict[str, Any]]:
        """POST …/pulls."""
        title = f"WIP: {asked.title}" if asked.draft else asked.title
        body = {
            "head": asked.head,
            "base": asked.base,
            "title": title,
            "body": asked.body,
        }
        return f"{self._repository(place)}/pulls", body

    def find(self, place: Place, asked: Proposal) -> str:
        """GET …/pulls/BASE/HEAD."""
        return f"{self._repository(place)}/pulls/{quote(asked.base, safe='')}/{quote(asked.head)}"

    def url(self, answer: Any) -> str | None:
        """`html_url`, unless it is closed."""
        return (
            _field(answer, "html_url")
            if isinstance(answer, dict) and answer.get("state") == "open"
            else None
        )

    def _repository(self, place: Place) -> str:
        return f"{place.root}/api/v1/repos/{quote(place.path)}"


FORGES: Mapping[str, Forge] = {"github": GitHub(), "gitlab": GitLab(), "gitea": Gitea()}
"""Every kind, by the name that a setting gives it."""
KNOWN_HOSTS = {"github.com": "github", "gitlab.com": "gitlab", "codeberg.org": "gitea"}


def forge_of(source: Source, named: Mapping[str, str]) -> Forge | None:
    """The kind of forge that a repository lies on; None when nobody has said.

    Args:
        source: The repository.
        named: `host` or `host:port` → kind, as the operator has set it.
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
    """Propose a branch that was pushed.

    If that was done before, the same pull request is the answer.

    Args:
        forge: What kind of forge it is.
        source: The repository there.
        asked: The pull request.
        token: Of that host; it may open pull requests.
        policy: Judges the address that is called.

    Returns:
        The pull request's URL.

    Raises:
        ForgeRefused: if the forge does not do it; the message says why.
    """
    parts = urlsplit(source.url)
    place = Place(
        f"{parts.scheme}://{parts.netloc}", parts.path.strip("/").removesuffix(".git")
    )
    headers = forge.headers(token) | {
        "user-agent": "aideator",
        "content-type": "application/json",
    }

    async def ask(
        method: str, url: str, body: dict[str, Any] | None = None
    ) -> tuple[httpx2.Response, Any]:
        content = None if body is None else json.dumps(body).encode()
        # Its API may have a name of its own, which the operator need not have allowed
        # for cloning.
        try:
            response, answer = await call_api(
                method, url, policy, headers=headers, content=content
            )
        except RepositoryError as error:
            raise ForgeRefused(str(error), hint=error.hint) from None
        return response, _parsed(answer)

    if not token:
        raise ForgeRefused(
            f"there is no token for {parts.netloc}",
            hint="set GITHUB_TOKEN or GIT_TOKENS",
        )
    response, answer = await ask("POST", *forge.create(place, asked))
    found = forge.url(answer) if response.status_code in {200, 201} else None
    if response.status_code in {409, 422}:  # most often: there is one already
        there, existing = await ask("GET", forge.find(place, asked))
        found = forge.url(existing) if there.status_code == 200 else None
    if found is None or not found.startswith((f"{parts.scheme}://", "https://")):
        raise _refusal(response, answer, parts.netloc)
    return found


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
    words, status = _words(answer), response.status_code
    limited = (
        status == 429
        or response.headers.get("x-ratelimit-remaining") == "0"
        or "retry-after" in response.headers
    )
    match status:
        case 403 | 429 if limited:
            wait = response.headers.get("retry-after", "")
            when = f"in {wait} seconds" if wait.isdecimal() else "in a while"
            return ForgeRefused(
                f"{host} limits how often it may be asked ({status})",
                hint=f"publish again {when}",
            )
        case 401:
            return ForgeRefused(
                f"{host} does not accept the token",
                hint="set one that is valid, then publish again",
            )
        case 403:
            return ForgeRefused(
                f"the token may not open pull requests on {host}: {words or 'no reason given'}",
                hint="give it that right (GitHub: pull requests, write; GitLab: api; Gitea: repository, write)",
            )
        case 404:
            return ForgeRefused(
                f"{host} knows no such repository, or does not show it to this token",
                hint="check the token's rights",
            )
        case 200 | 201:
            return ForgeRefused(
                f"{host} answered without the pull request's address",
                hint="look there, then again",
            )
        case _ if status >= 500:
            return ForgeRefused(
                f"{host} fails ({status})",
                hint="publish again later; nothing is pushed twice",
            )
        case _:
            return ForgeRefused(
                f"{words or 'no reason given'} ({status})",
                hint="mend that, then publish again",
            )


def _words(answer: Any) -> str:
    """A forge's own words about what is wrong, in the places where the three put them."""
    if not isinstance(answer, dict):
        return ""
    told = [answer.get("message"), answer.get("error")]
    details = answer.get("errors")
    for detail in details if isinstance(details, list) else ():
        told.append(detail.get("message") if isinstance(detail, dict) else detail)
    if isinstance(answer.get("message"), list | dict):  # GitLab
        told = [json.dumps(answer["message"])]
    text = "; ".join(each for each in told if isinstance(each, str))
    return "".join(c if c.isprintable() else " " for c in text)[:_MAX_WORDS]
