"""Export and import in this process or at a server: what the commands call."""

from aideator.app import Aideator
from aideator.archive import transfer
from aideator.client.remote import AsyncClient
from aideator.domain.run import RunDetails

_SECONDS = 400.0
"""How long a large file may take."""


async def export_run(client: Aideator | AsyncClient, run_id: str) -> bytes:
    """Return a run as one file."""
    if isinstance(client, Aideator):
        return await transfer.export_run(client, run_id)
    answer = await client.send("GET", f"/runs/{run_id}/export", timeout=_SECONDS)
    return answer.content


async def import_run(client: Aideator | AsyncClient, data: bytes) -> RunDetails:
    """Store a run from a file, for reading only."""
    if isinstance(client, Aideator):
        return await transfer.import_run(client, data)
    answer = await client.call(
        "POST",
        "/runs/import",
        content=data,
        headers={"content-type": "application/zip"},
        timeout=_SECONDS,
    )
    return RunDetails.model_validate(answer)
