"""What a person pastes as the repository: an address as copied from a browser."""

from urllib.parse import urlsplit

from aideator.app.sources import git_tokens, open_cache, source_policy
from aideator.domain.errors import RepositoryError
from aideator.domain.project import Location
from aideator.domain.run import MAX_PROMPT, RunSpec
from aideator.repositories.address import (
    KNOWN_FORGES,
    Address,
    ForgeName,
    pull_request_ref,
    read_address,
)
from aideator.repositories.issues import read_issue
from aideator.repositories.remote import token_for
from aideator.repositories.source import Source, parse_source
from aideator.repositories.user_git import read_user_git
from aideator.settings import Settings


async def locate_address(settings: Settings, text: str) -> Location:
    """Return the repository, ref, folder and prompt that an address means.

    A repository's own URL, and a path, mean themselves.

    Raises:
        InvalidInput: naming `repo_url`, if the host is not allowed.
        RepositoryError: if the host does not say what the address means.
    """
    address = read_address(text)
    if address is None:
        return Location(repo_url=text)
    policy = source_policy(settings, local=False)
    source = parse_source(address.repo_url, policy)
    forge = _forge(settings, source.url)
    if address.kind == "pull":
        ref = pull_request_ref(forge, address.number)
        return Location(repo_url=source.url, ref=ref)
    if address.kind == "issue":
        if forge is None:
            raise RepositoryError(
                f"GIT_FORGES does not say which kind of forge {source.url} is on",
                hint="set it, or give the issue's text as the prompt",
            )
        token = token_for(source, git_tokens(settings))
        issue = await read_issue(
            source, forge, address.number, token=token, policy=policy
        )
        return Location(repo_url=source.url, prompt=issue.prompt, title=issue.title)
    ref, path = await _ref_and_path(settings, address)
    return Location(repo_url=source.url, ref=ref, path=path)


async def _ref_and_path(settings: Settings, address: Address) -> tuple[str, str]:
    if address.is_plain:
        return address.split({})
    refs = await open_cache(settings).list_refs(address.repo_url)
    return address.split(refs.names)


def _forge(settings: Settings, url: str) -> ForgeName | None:
    parts = urlsplit(url)
    hosts: dict[str, ForgeName] = {**KNOWN_FORGES, **settings.git_forges}
    return hosts.get(parts.netloc) or hosts.get(parts.hostname or "")


async def rewrite_to_ssh(url: str) -> str:
    """Return the ssh URL that the user's git uses instead of a URL; else the URL.

    Only for the user who runs this: it shows their identity.
    """
    rewritten = (await read_user_git()).rewrite(url)
    return rewritten if Source(rewritten).is_ssh else url


async def locate_submission(settings: Settings, spec: RunSpec, *, own: bool) -> RunSpec:
    """Return a submission with what an address as its repository means.

    A ref or folder of the submission itself wins; an issue's words follow its prompt.

    Args:
        settings: Which hosts may be asked.
        spec: The submission.
        own: Whether it comes from the user who runs this, whose git may use ssh.
    """
    if read_address(spec.repo_url) is not None:
        spec = await _locate(settings, spec)
    if own and not spec.repo_url.startswith("/"):
        url = await rewrite_to_ssh(spec.repo_url)
        spec = spec.model_copy(update={"repo_url": url})
    return spec


async def _locate(settings: Settings, spec: RunSpec) -> RunSpec:
    found = await locate_address(settings, spec.repo_url)
    update = {
        "repo_url": found.repo_url,
        "ref": spec.ref or found.ref,
        "path": spec.path or found.path,
        "prompt": join_prompts(spec.prompt, found.prompt),
    }
    return RunSpec.model_validate(spec.model_copy(update=update).model_dump())


def join_prompts(own: str, of_issue: str) -> str:
    """Return a person's words, then those of an issue unless they are in them."""
    if of_issue in own:
        return own
    return "\n\n".join(filter(None, (own, of_issue)))[:MAX_PROMPT]
