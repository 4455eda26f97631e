"""Export a run as one file, and import it for reading."""

import asyncio

from aideator.app import Aideator
from aideator.archive import rows
from aideator.archive.format import Archive, pack, unpack
from aideator.domain.errors import Conflict
from aideator.domain.run import ENDED_RUN, Run, RunDetails

_PAGE = 2000
"""Events that are read at once."""


async def export_run(app: Aideator, run_id: str) -> bytes:
    """Return a run as one file (`format.py`). The same run gives the same bytes.

    Secrets that this server knows are replaced with `[secret]`, in case an agent or a
    command has printed one.

    Raises:
        NotFound: if there is no such run.
        Conflict: if it has not ended.
        InvalidInput: if it is too large.
    """
    return await asyncio.to_thread(pack, await _collect(app, run_id))


async def import_run(app: Aideator, data: bytes) -> RunDetails:
    """Store a run from a file, for reading only. Importing it again changes nothing.

    Raises:
        InvalidInput: if the file is not an export, or is damaged.
        Conflict: if there is a run of this id with other content.
    """
    archive = await asyncio.to_thread(unpack, data)
    details = archive.details
    run = Run.model_construct(
        **{name: getattr(details, name) for name in Run.model_fields}
    )
    stored = await app.database.transact(
        lambda connection: rows.restore(
            connection, run, details.variations, archive.events, archive.patches
        )
    )
    if not stored and await _as_imported(app, details.id) != archive:
        raise Conflict(f"there is a run {details.id} already, with other content")
    return await app.get(details.id)


async def _as_imported(app: Aideator, run_id: str) -> Archive:
    """Return a stored run as it would be read from its own export.

    Events that an earlier version stored keep that version's field names; only content
    that was read from a file can be compared.
    """
    return await asyncio.to_thread(unpack, await export_run(app, run_id))


async def _collect(app: Aideator, run_id: str) -> Archive:
    details = await app.get(run_id)
    if details.status not in ENDED_RUN:
        raise Conflict(
            f"the run is {details.status}",
            hint="wait for its end, or cancel it first",
        )
    events: list[bytes] = []
    while page := await app.log.read(run_id, after=len(events), limit=_PAGE):
        events += [entry.data for entry in page]
    patches = await app.database.look(
        lambda connection: rows.patches(connection, run_id)
    )
    secrets = [secret.encode() for secret in app.settings.secrets]
    content = details.model_dump_json(exclude={"imported_at"}).encode()
    return Archive(
        RunDetails.model_validate_json(_redact(content, secrets)),
        tuple(_redact(event, secrets) for event in events),
        {number: _redact(patch, secrets) for number, patch in patches.items()},
    )


def _redact(text: bytes, secrets: list[bytes]) -> bytes:
    for secret in secrets:
        text = text.replace(secret, b"[secret]")
    return text
