"""Publish a winner: push its change as a branch, and open a pull request for it.

The change comes from the store, the commit is made in the mirror, and the token comes
from the settings.
"""

import hashlib
from dataclasses import dataclass

from aideator.app import Aideator, source_policy
from aideator.app.commit_message import commit_message, subject
from aideator.app.continue_run import refuse_imported
from aideator.app.decide import append_to_settled
from aideator.app.sources import git_tokens, open_cache
from aideator.changes.diff import parse
from aideator.domain.errors import Conflict, ForgeRefused
from aideator.domain.events import Published
from aideator.domain.run import (
    Publication,
    PublishRequest,
    RunDetails,
    RunStatus,
    Variation,
    now,
)
from aideator.domain.verdict import FlagKind
from aideator.publishing.forge import Proposal, forge_of, open_pull_request
from aideator.publishing.push import Push, Pushed, branch_name, push, slug, workflows
from aideator.publishing.wording import pull_request_body
from aideator.repositories.remote import resolve_remote, token_for
from aideator.repositories.source import Source
from aideator.settings import Settings
from aideator.store import runs

_NO_DRAFT = (
    "none, so there is nothing to draft: the repository is on this machine, and a"
    " branch is all that it gets"
)
_SHOWN = 5
"""Files that an error names."""


@dataclass(frozen=True)
class Winner:
    """The change of a decided run."""

    details: RunDetails
    variation: Variation
    patch: bytes
    sha256: str
    """Of the patch."""


async def publish_winner(
    app: Aideator, run_id: str, request: PublishRequest, *, own: bool = False
) -> Publication:
    """Push the winner as a branch, and open a pull request for it.

    Publishing again changes nothing, or completes what was begun. A repository on this
    machine gets the branch, and no pull request. When a follow-up has changed the
    winner, the branch is moved to the new change.

    Args:
        app: The application.
        run_id: The run.
        request: Name of the branch, title, and whether to open a pull request.
        own: Whether the user who runs this asks, whose identity ssh may show.

    Raises:
        NotFound: if there is no such run.
        InvalidInput: if no branch can have that name.
        Conflict: if there is no winner, it must not be pushed, or the branch has
            commits that AIdeator did not push.
        RepositoryError: if the remote refuses the branch.
        ForgeRefused: if the branch was pushed, but no pull request opened.
    """
    winner = await _winner(app, run_id)
    before = winner.details.publication
    if before is not None and _is_complete(before, winner, request):
        return before
    made, refusal = await _push_and_propose(app.settings, winner, request, own=own)
    async with app.database.write() as session:
        run = await runs.publish(session, run_id, winner.variation.number, made)
    if made != before:
        await append_to_settled(app.log, run, Published(publication=made))
    if refusal is not None:
        raise ForgeRefused(
            f"pushed as {made.branch}, but the pull request was refused: {refusal}",
            hint=refusal.hint,
        )
    return made


def check_consent(winner: Winner, request: PublishRequest) -> None:
    """Refuse to push workflow files and apparent secrets that nobody has approved.

    Raises:
        Conflict: naming the files.
    """
    found = workflows(file.path for file in parse(winner.patch))
    if found and not request.workflows:
        raise Conflict(
            "the change touches files that a forge runs by itself, with its secrets: "
            f"{', '.join(found[:_SHOWN])}",
            hint="review them, then publish with `workflows`",
        )
    verdict = winner.variation.verdict
    flags = verdict.flags if verdict else ()
    secrets = [flag.path for flag in flags if flag.kind is FlagKind.SECRET]
    if secrets and winner.variation.cleared is None:
        raise Conflict(
            f"the change seems to hold a secret: {', '.join(secrets[:_SHOWN])}",
            hint="if it is none, clear the variation's flags with a reason, "
            "then publish",
        )


async def _winner(app: Aideator, run_id: str) -> Winner:
    details = await app.get(run_id)
    refuse_imported(details)
    if details.status is not RunStatus.DECIDED or details.winner is None:
        raise Conflict("the run has no winner", hint="select a variation first")
    async with app.database.read() as session:
        patch = await runs.patch(session, run_id, details.winner)
    variation = details.variations[details.winner - 1]
    return Winner(details, variation, patch, hashlib.sha256(patch).hexdigest())


def _is_complete(before: Publication, winner: Winner, request: PublishRequest) -> bool:
    """Return whether the winner is published already as it is requested."""
    is_local = winner.details.spec.repo_url.startswith("/")
    needs_pull_request = request.pull_request and not is_local
    is_same_change = before.patch_sha256 == winner.sha256
    return is_same_change and (bool(before.pull_request) or not needs_pull_request)


async def _push_and_propose(
    settings: Settings, winner: Winner, request: PublishRequest, *, own: bool
) -> tuple[Publication, ForgeRefused | None]:
    """Return what is published now, and why the forge refused a pull request."""
    check_consent(winner, request)
    asked = _push_of(winner, request)
    cache, policy = open_cache(settings), source_policy(settings, local=True, ssh=own)
    commit = await cache.resolve(winner.details.spec.repo_url, winner.details.commit)
    tokens = git_tokens(settings)
    remote = await resolve_remote(commit.source, policy, tokens, push=True)
    async with cache.mirror_of(commit) as mirror:
        pushed = await push(mirror, remote, asked, ref=winner.details.spec.ref)
    made = _publication(winner, commit.source.url, asked.branch, pushed.commit)
    if commit.source.local and request.draft:
        return made.model_copy(update={"note": _NO_DRAFT}), None
    if not request.pull_request or commit.source.local or made.pull_request:
        return made, None
    proposal = _proposal(winner, request, asked, pushed)
    return await _propose(settings, commit.source.over_https, proposal, made)


def _push_of(winner: Winner, request: PublishRequest) -> Push:
    details, before = winner.details, winner.details.publication
    words = slug(request.title or details.spec.prompt)
    branch = before.branch if before else f"{details.id[-8:]}-{words}"
    return Push(
        base=details.commit or "",
        patch=winner.patch,
        message=commit_message(details, winner.variation.number, request.title),
        at=details.decided_at or details.created_at,
        branch=branch_name(request.branch or branch),
        ours=before.commit if before else None,
    )


def _publication(winner: Winner, remote: str, branch: str, commit: str) -> Publication:
    before = winner.details.publication
    is_same_branch = before is not None and before.branch == branch
    is_same_commit = before is not None and before.commit == commit
    return Publication(
        remote=remote,
        branch=branch,
        commit=commit,
        patch_sha256=winner.sha256,
        pull_request=before.pull_request if before and is_same_branch else None,
        published_at=before.published_at if before and is_same_commit else now(),
    )


def _proposal(
    winner: Winner, request: PublishRequest, asked: Push, pushed: Pushed
) -> Proposal:
    details = winner.details
    named = details.spec.ref if pushed.named else None
    return Proposal(
        head=asked.branch,
        base=named or pushed.default_branch,
        title=subject(details, request.title),
        body=pull_request_body(details, winner.variation.number),
        draft=request.draft,
    )


async def _propose(
    settings: Settings, source: Source, proposal: Proposal, made: Publication
) -> tuple[Publication, ForgeRefused | None]:
    forge = forge_of(source, settings.git_forges)
    if forge is None:
        note = "pushed; GIT_FORGES does not say what opens pull requests on"
        return made.model_copy(update={"note": f"{note} {source.url}"}), None
    try:
        url = await open_pull_request(
            forge,
            source,
            proposal,
            token=token_for(source, git_tokens(settings)),
            policy=source_policy(settings, local=True),
        )
    except ForgeRefused as refusal:
        return made, refusal
    return made.model_copy(update={"pull_request": url}), None
