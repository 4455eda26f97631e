"""Statistics of this process or of a server: what the command calls."""

from aideator.app import Aideator
from aideator.client.remote import AsyncClient
from aideator.statistics import read
from aideator.statistics.model import Stats


async def read_statistics(client: Aideator | AsyncClient) -> Stats:
    """Return what the decisions that were made there show."""
    if isinstance(client, Aideator):
        return await read.read_statistics(client)
    return Stats.model_validate(await client.call("GET", "/stats"))
