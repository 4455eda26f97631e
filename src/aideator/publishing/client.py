"""Publish at a server: what the command calls."""

from aideator.client.remote import AsyncClient
from aideator.domain.run import Publication, PublishRequest

_SECONDS = 400.0
"""How long a push may take."""


async def publish_winner(
    client: AsyncClient, run_id: str, request: PublishRequest
) -> Publication:
    """Push the winner as a branch, and open a pull request for it."""
    answer = await client.call(
        "POST", f"/runs/{run_id}/publish", json=request.model_dump(), timeout=_SECONDS
    )
    return Publication.model_validate(answer)
