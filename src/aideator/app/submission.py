"""What a submission becomes, and what is looked for before it is stored."""

from pathlib import Path

import uuid_utils

from aideator.app.model_key import with_stored_key
from aideator.app.model_trial import WAYS_TO_A_MODEL
from aideator.domain.errors import Conflict
from aideator.domain.run import Run, RunSpec, Variation
from aideator.repositories.cache import RepositoryCache
from aideator.settings import Settings


def new_run(spec: RunSpec) -> tuple[Run, list[Variation]]:
    """Return a queued run of a submission, and its variations."""
    run = Run(id=str(uuid_utils.uuid7()), spec=spec)
    variations = [
        Variation(run_id=run.id, number=number, spec=agent)
        for number, agent in enumerate(spec.agents(), start=1)
    ]
    return run, variations


async def find_source(cache: RepositoryCache, spec: RunSpec, *, remote: bool) -> None:
    """Look for the repository and the ref that a submission names; fetch nothing.

    Args:
        cache: Knows what may be named, and how to reach it.
        spec: The submission.
        remote: Whether to ask other machines too, which takes as long as they need.

    Raises:
        RepositoryError: if the repository or the ref cannot be found.
    """
    if remote or Path(spec.repo_url).is_absolute():
        await cache.find(spec.repo_url, spec.ref)


def require_model(settings: Settings) -> None:
    """Refuse work for agents where there is no model: it could only fail later.

    Raises:
        Conflict: if there is no key for a model that needs one.
        Unavailable: if a key is stored and cannot be read.
    """
    if not with_stored_key(settings).has_a_model:
        raise Conflict(
            "no ANTHROPIC_API_KEY is set and no key is stored, so agents have no model",
            hint=f"one of these; or `aideator demo`, which needs no model\n"
            f"{WAYS_TO_A_MODEL}",
        )
