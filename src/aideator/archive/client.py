"""Export and import at a server: what the commands call."""

from aideator.client.remote import AsyncClient
from aideator.domain.run import RunDetails

_SECONDS = 400.0
"""How long a large file may take."""


async def export_run(client: AsyncClient, run_id: str) -> bytes:
    """Return a run as one file."""
    answer = await client.send("GET", f"/runs/{run_id}/export", timeout=_SECONDS)
    return answer.content


async def import_run(client: AsyncClient, data: bytes) -> RunDetails:
    """Store a run from a file, for reading only."""
    answer = await client.call(
        "POST",
        "/runs/import",
        content=data,
        headers={"content-type": "application/zip"},
        timeout=_SECONDS,
    )
    return RunDetails.model_validate(answer)
