"""Push a winner and propose it: the change from the store, the commit from the mirror, the token from the settings."""

from dataclasses import dataclass

from aideator.app.facade import source_policy
from aideator.app.wiring import open_cache
from aideator.changes.diff import parse
from aideator.domain.errors import Conflict, ForgeRefused
from aideator.domain.run import Publication, PublishRequest, RunDetails, Variation, now
from aideator.domain.verdict import FlagKind
from aideator.publishing.forge import Proposal, forge_of, open_pull_request
from aideator.publishing.push import Push, Pushed, branch_name, push, slug, workflows
from aideator.publishing.wording import commit_message, pull_request_body, subject
from aideator.repositories.remote import resolve_remote, token_for
from aideator.settings import Settings


@dataclass(frozen=True)
class Winner:
    """A decided run's change."""

    details: RunDetails
    variation: Variation
    patch: bytes
    sha256: str


async def publish(
    settings: Settings, winner: Winner, wish: PublishRequest
) -> tuple[Publication, ForgeRefused | None]:
    """Push the winner, and open a pull request where one is wished for and can be had.

    Returns:
        What is there now, and why the forge refused the pull request if it did.

    Raises:
        InvalidInput: if no branch can be called so.
        Conflict: if it may not be pushed, or the branch is somebody else's.
        RepositoryError: if the remote refuses the branch.
    """
    check_consent(winner, wish)
    details, before = winner.details, winner.details.publication
    words = f"{details.id[-8:]}-{slug(wish.title or details.spec.prompt)}"
    asked = Push(
        base=details.commit or "",
        patch=winner.patch,
        message=commit_message(details, winner.variation.number, wish.title),
        at=details.decided_at or details.created_at,
        branch=branch_name(wish.branch or (before.branch if before else words)),
        ours=before.commit if before else None,
    )
    cache, policy = open_cache(settings), source_policy(settings, local=True)
    commit = await cache.resolve(details.spec.repo_url, details.commit)
    tokens = {host: token.get_secret_value() for host, token in settings.tokens.items()}
    remote = await resolve_remote(commit.source, policy, tokens)
    async with cache.mirror_of(commit) as mirror:
        pushed = await push(mirror, remote, asked, ref=details.spec.ref)
    made = Publication(
        remote=commit.source.url,
        branch=asked.branch,
        commit=pushed.commit,
        patch_sha256=winner.sha256,
        pull_request=before.pull_request
        if before and before.branch == asked.branch
        else None,
        published_at=before.published_at
        if before and before.commit == pushed.commit
        else now(),
    )
    if not wish.pull_request or commit.source.local or made.pull_request:
        return made, None
    forge = forge_of(commit.source, settings.git_forges)
    if forge is None:
        note = f"pushed; GIT_FORGES does not say what opens pull requests on {commit.source.url}"
        return made.model_copy(update={"note": note}), None
    proposal = _proposal(winner, wish, asked, pushed)
    try:
        url = await open_pull_request(
            forge,
            commit.source,
            proposal,
            token=token_for(commit.source, tokens),
            policy=policy,
        )
    except ForgeRefused as refusal:
        return made, refusal
    return made.model_copy(update={"pull_request": url}), None


def _proposal(
    winner: Winner, wish: PublishRequest, asked: Push, pushed: Pushed
) -> Proposal:
    details = winner.details
    return Proposal(
        head=asked.branch,
        base=details.spec.ref
        if pushed.named and details.spec.ref
        else pushed.default_branch,
        title=subject(details, wish.title),
        body=pull_request_body(details, winner.variation.number),
        draft=wish.draft,
    )


def check_consent(winner: Winner, wish: PublishRequest) -> None:
    """Hold back what must not leave without a person's word.

    Raises:
        Conflict: naming it.
    """
    if (
        found := workflows(file.path for file in parse(winner.patch))
    ) and not wish.workflows:
        raise Conflict(
            f"the change touches what a forge runs by itself, with its secrets: {', '.join(found[:5])}",
            hint="look at it, then publish with `workflows`",
        )
    flags = winner.variation.verdict.flags if winner.variation.verdict else ()
    secrets = [flag.path for flag in flags if flag.kind is FlagKind.SECRET]
    if secrets and winner.variation.cleared is None:
        raise Conflict(
            f"the change seems to hold a secret: {', '.join(secrets[:5])}",
            hint="if it is none, clear the variation's flags with a reason; then publish",
        )
