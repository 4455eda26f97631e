"""A run as one file: a zip archive of JSON, the events line by line, and the patches.

    aideator.json       {"format": 1}
    run.json            the run with its variations, as the API shows it
    events.ndjson       every event, as it was streamed
    patches/N.patch     what variation N changed

A file that comes in is untrusted: only these names are read, each up to a limit, none
is written to a disk, and every value is validated as if it came from a client. The
memory of agents' sessions is not exported.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from aideator.domain.errors import InvalidInput
from aideator.domain.events import Event
from aideator.domain.field_errors import field_message
from aideator.domain.run import (
    ENDED_RUN,
    MAX_NUMBER,
    SETTLED_VARIATION,
    RunDetails,
    RunStatus,
)

FORMAT = 1
MAX_FILE = 64 * 2**20
"""Bytes of a whole archive."""
_MAX_JSON = 64 * 2**20
_MAX_EVENTS = 512 * 2**20
_MAX_LINE = 9 * 2**20
_MAX_PATCH = 10 * 2**20
"""Bytes of each part, unpacked."""
_MAX_MEMBERS = 3 + MAX_NUMBER
_HEAD, _RUN, _EVENTS = "aideator.json", "run.json", "events.ndjson"
_PATCH = re.compile(r"patches/([1-9][0-9]{0,2})\.patch")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NEVER = (1980, 1, 1, 0, 0, 0)
"""The date of every member, so that the same run gives the same file."""


@dataclass(frozen=True)
class Archive:
    """A run that has ended, with its events and patches."""

    details: RunDetails
    events: tuple[bytes, ...]
    """As JSON, in order, from seq 1."""
    patches: Mapping[int, bytes]


def pack(archive: Archive) -> bytes:
    """Write an archive.

    Raises:
        InvalidInput: if the run is too large for one.
    """
    run = archive.details.model_dump_json(exclude={"imported_at"}).encode()
    members = {
        _HEAD: json.dumps({"format": FORMAT}).encode(),
        _RUN: run,
        _EVENTS: b"".join(line + b"\n" for line in archive.events),
        **{
            f"patches/{number}.patch": patch
            for number, patch in sorted(archive.patches.items())
        },
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name, _NEVER), content, zipfile.ZIP_DEFLATED)
    if file.tell() > MAX_FILE or len(members[_EVENTS]) > _MAX_EVENTS:
        raise InvalidInput("the run is too large to be exported as one file")
    return file.getvalue()


def unpack(data: bytes) -> Archive:
    """Read an archive that may come from anywhere.

    Raises:
        InvalidInput: if it is no archive, incomplete or damaged; the message says
            where.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return _read(file)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        OverflowError,
        ValueError,
    ) as error:
        raise _broken(f"it is no archive of a run: {error}") from None


def _read(file: zipfile.ZipFile) -> Archive:
    members = {info.filename: info for info in file.infolist()}
    patches = _patches(file)
    _check_names(file, set(patches.values()))
    _check_format(_content(file, members[_HEAD], 1000))
    details = _details(_content(file, members[_RUN], _MAX_JSON))
    present = {v.number for v in details.variations}
    if not patches.keys() <= present:
        raise _broken("it has a patch of a variation that it does not have")
    with _open(file, members[_EVENTS]) as stream:
        events = tuple(_events(_lines(stream), details))
    return Archive(
        details,
        events,
        {n: _content(file, members[name], _MAX_PATCH) for n, name in patches.items()},
    )


def _patches(file: zipfile.ZipFile) -> dict[int, str]:
    """Return the names of patches by variation number."""
    found = [_PATCH.fullmatch(info.filename) for info in file.infolist()]
    return {int(match[1]): match[0] for match in found if match}


def _check_names(file: zipfile.ZipFile, patches: set[str]) -> None:
    names = [info.filename for info in file.infolist()]
    parts = {_HEAD, _RUN, _EVENTS}
    if unknown := sorted(set(names) - parts - patches):
        raise _broken(f"it holds what no export holds: {unknown[:1]}")
    if len(set(names)) != len(names):
        raise _broken("it holds what no export holds: the same name twice")
    if len(names) > _MAX_MEMBERS:
        raise _broken("it holds more patches than a run may have")
    if not parts <= set(names):
        raise _broken("it lacks a part")


def _open(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _broken("it is compressed in an unusual way")
    return file.open(info)


def _content(file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    # The size that the archive states may be wrong.
    with _open(file, info) as stream:
        content: bytes = stream.read(most + 1)
    if len(content) > most:
        raise _broken(f"{info.filename[:40]} is too large")
    return content


def _lines(stream: Any) -> Iterator[bytes]:
    left = _MAX_EVENTS
    while line := stream.readline(min(_MAX_LINE, left) + 1):
        left -= len(line)
        if len(line) > _MAX_LINE or left < 0:
            raise _broken(f"{_EVENTS} is too large")
        yield line


def _check_format(content: bytes) -> None:
    match json.loads(content):
        case {"format": int(number)} if number == FORMAT:
            return
        case {"format": int(number)} if number > FORMAT:
            raise InvalidInput(
                "the file was made by a newer version of AIdeator",
                hint="update AIdeator",
            )
        case _:
            raise _broken("it does not say which format it has")


def _details(content: bytes) -> RunDetails:
    try:
        details = RunDetails.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise _broken(
            f"run.json: {'.'.join(map(str, first['loc']))}: {field_message(first)}"
        ) from None
    _check_details(details)
    return details.model_copy(update={"imported_at": None})


def _check_details(details: RunDetails) -> None:
    """Raise `InvalidInput` unless this is a run that has ended, with its variations."""
    numbers = [variation.number for variation in details.variations]
    if not _UUID.fullmatch(details.id):
        raise _broken("run.json: the id is no UUID")
    if numbers != list(range(1, len(numbers) + 1)):
        raise _broken("run.json: the variations are not numbered from 1")
    if any(variation.run_id != details.id for variation in details.variations):
        raise _broken("run.json: a variation is another run's")
    statuses = {variation.status for variation in details.variations}
    if details.status not in ENDED_RUN or not statuses <= SETTLED_VARIATION:
        raise _broken("run.json: the run has not ended")
    if (details.status is RunStatus.DECIDED) != (details.winner in numbers):
        raise _broken("run.json: only a decided run has a winner")


def _events(lines: Iterable[bytes], details: RunDetails) -> Iterator[bytes]:
    """Yield the events in the form in which this version writes them."""
    numbers = {None, *(v.number for v in details.variations)}
    kind = ""
    for seq, line in enumerate(lines, start=1):
        try:
            event = Event.model_validate_json(line)
        except ValidationError as error:
            raise _broken(
                f"{_EVENTS}, line {seq}: {field_message(error.errors()[0])}"
            ) from None
        is_next = event.seq == seq and event.run_id == details.id
        if not is_next or event.variation_id not in numbers:
            raise _broken(
                f"{_EVENTS}, line {seq}: this is not the next event of the run"
            )
        kind = event.body.kind
        yield event.model_dump_json().encode()
    if kind != "complete":
        raise _broken(f"{_EVENTS} does not end with `complete`")


def _broken(what: str) -> InvalidInput:
    return InvalidInput(
        f"the file cannot be imported: {what[:500]}",
        hint="export the run again with `aideator export`",
    )
