"""Statistics of a server: what the command calls."""

from aideator.client.remote import AsyncClient
from aideator.statistics.model import Stats


async def read_statistics(client: AsyncClient) -> Stats:
    """Return what the decisions that were made there show."""
    return Stats.model_validate(await client.call("GET", "/stats"))
