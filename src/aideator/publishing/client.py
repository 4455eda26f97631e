"""Publish from this process or at a server: what the command calls."""

from aideator.app import Aideator
from aideator.client.remote import AsyncClient
from aideator.domain.run import Publication, PublishRequest

_SECONDS = 400.0
"""How long a push may take."""


async def publish_winner(
    client: Aideator | AsyncClient, run_id: str, request: PublishRequest
) -> Publication:
    """Push the winner as a branch, and open a pull request for it."""
    if isinstance(client, Aideator):
        # Imported late: a server does the work for most commands.
        from aideator.publishing.publish import publish_winner  # noqa: PLC0415

        return await publish_winner(client, run_id, request, own=True)
    answer = await client.call(
        "POST", f"/runs/{run_id}/publish", json=request.model_dump(), timeout=_SECONDS
    )
    return Publication.model_validate(answer)
