"""Read an issue over its forge's API: its title and text become a prompt.

- GitHub: https://docs.github.com/en/rest/issues/issues#get-an-issue
- GitLab: https://docs.gitlab.com/api/issues/#single-project-issue
- Gitea and Forgejo: https://docs.gitea.com/api/ (`issueGetIssue`)
- Bitbucket Cloud: https://developer.atlassian.com/cloud/bitbucket/rest/ (issue tracker)
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from aideator.domain.errors import RepositoryError
from aideator.domain.visible import visible_line, visible_text
from aideator.repositories.address import ForgeName
from aideator.repositories.http_client import call_api
from aideator.repositories.source import Source, SourcePolicy

_COMMENT = re.compile(r"<!--.*?(-->|\Z)", re.DOTALL)
"""What a forge's page does not show: templates' hints, or words for machines only."""
_TITLE, _TEXT = 500, 50_000
"""Characters that are kept."""


@dataclass(frozen=True)
class Issue:
    """An issue's words. Anyone may have written them."""

    number: int
    title: str
    text: str

    @property
    def prompt(self) -> str:
        """The task for agents."""
        return f"Resolve this issue: {self.title}\n\n{self.text}".strip()


async def read_issue(
    source: Source, forge: ForgeName, number: int, *, token: str, policy: SourcePolicy
) -> Issue:
    """Return an issue of a repository.

    Args:
        source: The repository.
        forge: The kind of its forge.
        number: The issue's number.
        token: A token for the host; empty for none.
        policy: Which addresses may be called.

    Raises:
        RepositoryError: if it cannot be read; the hint says what to do.
    """
    parts = urlsplit(source.url)
    url = _api(forge, parts.scheme, parts.netloc, parts.path) + str(number)
    headers = {"user-agent": "aideator", "accept": "application/json"}
    headers |= _authorization(forge, token)
    response, answer = await call_api("GET", url, policy, headers=headers)
    if response.status_code != 200:
        raise _refusal(response.status_code, parts.netloc, number, token)
    issue = _parsed(answer)
    title, text = issue.get("title"), _text(issue)
    if not isinstance(title, str):
        raise RepositoryError(f"{parts.netloc} does not answer with an issue")
    return Issue(number, visible_line(title)[:_TITLE], _clean(text)[:_TEXT])


def _api(forge: ForgeName, scheme: str, netloc: str, path: str) -> str:
    """Return the address of a repository's issues in its forge's API."""
    name = path.strip("/").removesuffix(".git")
    root = f"{scheme}://{netloc}"
    match forge:
        case "github" if netloc == "github.com":
            return f"https://api.github.com/repos/{quote(name)}/issues/"
        case "github":
            return f"{root}/api/v3/repos/{quote(name)}/issues/"
        case "gitlab":
            return f"{root}/api/v4/projects/{quote(name, safe='')}/issues/"
        case "gitea":
            return f"{root}/api/v1/repos/{quote(name)}/issues/"
        case "bitbucket":
            api = "https://api.bitbucket.org" if netloc == "bitbucket.org" else root
            return f"{api}/2.0/repositories/{quote(name)}/issues/"


def _authorization(forge: ForgeName, token: str) -> dict[str, str]:
    if not token:
        return {}
    return (
        {"private-token": token}
        if forge == "gitlab"
        else {"authorization": f"Bearer {token}"}
    )


def _parsed(answer: bytes) -> dict[str, Any]:
    try:
        issue = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return issue if isinstance(issue, dict) else {}


def _text(issue: dict[str, Any]) -> str:
    """Return the text of an issue, from where the kinds of forges have it."""
    content = issue.get("content")
    raw = content.get("raw") if isinstance(content, dict) else None
    texts = (issue.get("body"), issue.get("description"), raw)
    return next((text for text in texts if isinstance(text, str)), "")


def _clean(text: str) -> str:
    return visible_text(_COMMENT.sub("", text).replace("\r\n", "\n")).strip()


def _refusal(status: int, host: str, number: int, token: str) -> RepositoryError:
    match status:
        case 401:
            message, hint = f"{host} does not accept the token", "set a valid one"
        case 403 | 429:
            message = f"{host} limits how often it may be called, or denies access"
            hint = "try again later, or set a token (GITHUB_TOKEN, GIT_TOKENS)"
        case 404 | 410:
            message = f"{host} shows no issue {number} of this repository"
            hint = "check the number" + (
                "" if token else ", or set a token (GITHUB_TOKEN, GIT_TOKENS)"
            )
        case _:
            message, hint = f"{host} answers with HTTP status {status}", "try later"
    return RepositoryError(message, hint=hint)
