"""Read the statistics of an application's decisions."""

from aideator.app import Aideator
from aideator.statistics import rows
from aideator.statistics.model import Stats, summarise


async def read_statistics(app: Aideator) -> Stats:
    """Return what the decisions that were made here show."""
    agents, ended = await app.database.look(rows.counted)
    return summarise(agents, ended)
