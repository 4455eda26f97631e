"""Archives of runs that come from anywhere.

An archive becomes a run or an `InvalidInput` with a message of bounded length. Each
part is unpacked up to its limit only, whatever size it states.
"""

import io
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aideator.archive.format import pack, unpack
from aideator.domain.errors import InvalidInput
from tests.archive.test_format import changed, event, run_json, whole
from tests.fuzz.strategies import (
    JSON,
    TEXTS,
    around,
    as_json,
    examples,
    mutated,
    repeated,
)
from tests.fuzz.work import check_growth, check_large, cpu_limit, peak_memory

ARCHIVE = pack(whole())
STORED = io.BytesIO()
with zipfile.ZipFile(io.BytesIO(ARCHIVE)) as _file, zipfile.ZipFile(STORED, "w") as out:
    for _info in _file.infolist():
        out.writestr(_info.filename, _file.read(_info))
SEEDS = (ARCHIVE, STORED.getvalue())
EVENTS = event(1) + b"\n" + whole().events[1] + b"\n"
PARTS = {
    "aideator.json": b'{"format": 1}',
    "run.json": run_json(),
    "events.ndjson": EVENTS,
    "patches/1.patch": b"diff --git a/x b/x\n",
}


def read(data: bytes) -> bool:
    """Return whether it is an archive; what it holds can be packed again."""
    try:
        archive = unpack(data)
    except InvalidInput as refused:
        message = str(refused)
    else:
        assert unpack(pack(archive)) == archive
        return True
    assert len(message.encode()) <= 2_000
    return False


@pytest.mark.parametrize("seed", SEEDS, ids=["deflated", "stored"])
def test_a_seed_is_read(seed: bytes) -> None:
    assert read(seed)


def far_away() -> bytes:
    """An archive whose first member is said to begin at 2**64 - 1."""
    data = bytearray(ARCHIVE)
    at = data.index(b"PK\x01\x02")
    name, extra, _ = struct.unpack_from("<HHH", data, at + 28)
    data[at + 42 : at + 46] = b"\xff" * 4
    data[at + 30 : at + 32] = struct.pack("<H", extra + 12)
    place = at + 46 + name
    data[place:place] = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    end = data.rindex(b"PK\x05\x06")
    size = struct.unpack_from("<L", data, end + 12)[0]
    data[end + 12 : end + 16] = struct.pack("<L", size + 12)
    return bytes(data)


@examples(150)
@given(mutated(SEEDS))
@example(far_away())
def test_a_broken_archive_is_refused_in_words(data: bytes) -> None:
    read(data)


@pytest.mark.parametrize("name", PARTS)
@examples(40)
@given(data=st.data())
def test_a_broken_part_is_refused_in_words(name: str, data: st.DataObject) -> None:
    read(changed(**{name: data.draw(mutated([PARTS[name]]))}))


FIELDS = ("id", "spec", "status", "created_at", "variations", "winner", "commit")


@examples(60)
@given(st.sampled_from(FIELDS), JSON | TEXTS)
def test_any_values_in_the_fields_of_a_run(name: str, value: object) -> None:
    read(changed(**{"run.json": run_json(**{name: value})}))
    read(changed(**{"aideator.json": as_json({"format": value})}))


def events(data: bytes) -> bool:
    return read(changed(**{"events.ndjson": data}))


@examples(8)
@given(repeated([EVENTS]))
def test_work_grows_in_proportion(build: Callable[[int], bytes]) -> None:
    check_growth(events, build, per_byte=400)


LARGE = {
    "one long line": around(b"", b"x"),
    "one long event": around(event(1)[:-20], b"x"),
    "empty lines": around(b"", b"\n"),
    "nested": around(b'{"seq":', b"["),
}


@pytest.mark.parametrize("shape", LARGE)
def test_large_events_take_neither_long_nor_much_memory(shape: str) -> None:
    check_large(events, LARGE[shape], per_byte=400)


def test_a_part_that_unpacks_is_read_up_to_its_limit() -> None:
    bomb = changed(**{"aideator.json": bytes(64 * 2**20)})
    assert len(bomb) < 2**18
    assert peak_memory(lambda: read(bomb)) < 4 * 2**20


def test_many_members_are_refused_at_once() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for number in range(20_000):
            file.writestr(f"patches/{number}.patch", b"")
    with cpu_limit():
        assert not read(data.getvalue())
