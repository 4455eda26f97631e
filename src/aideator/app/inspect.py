"""A repository looked at before a run is asked for: the commit that would be meant, and how it seems to be tested."""

from pydantic import BaseModel, ConfigDict

from aideator.app import Aideator, source_policy
from aideator.app.work import open_cache
from aideator.domain.check import Check
from aideator.workspace.guess import guess_checks
from aideator.workspace.source import parse_source


class Inspection(BaseModel):
    """What is known about a repository at one of its commits."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    commit: str
    """What the ref means at present."""
    checks: tuple[Check, ...]
    """Guessed from its files; nothing of it was run."""


async def inspect(app: Aideator, repo_url: str, ref: str | None, *, local: bool) -> Inspection:
    """Bring the repository here, as a run would, and look at its files.

    Args:
        app: The façade.
        repo_url: As in a submission.
        ref: As in a submission.
        local: Whether the question comes from this machine, so that it may name a local path.

    Raises:
        InvalidInput: if the policy does not allow this repository.
        RepositoryError: if it cannot be had.
    """
    parse_source(repo_url, source_policy(app.settings, local=local))
    cache = open_cache(app.settings)
    commit = await cache.resolve(repo_url, ref)
    checkout = await cache.checkout(commit)
    return Inspection(commit=commit.sha, checks=guess_checks(checkout.path))
